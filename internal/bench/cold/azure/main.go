// Command azure reads the progress of a backup with the Azure SDK.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/Azure/azure-sdk-for-go/services/servicefabric/7.2/servicefabric"
	"github.com/gofrs/uuid"
)

func main() {
	client := servicefabric.NewWithBaseURI(os.Args[1])
	progress, err := client.GetPartitionBackupProgress(context.Background(), uuid.Must(uuid.FromString(os.Args[2])), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(progress.BackupState)
}
