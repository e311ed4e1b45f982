// Command stock reads the progress of a backup with the stock client.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/bench/stock"
)

func main() {
	client, err := stock.NewClientWithResponses(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	resp, err := client.GetPartitionBackupProgressWithResponse(context.Background(), uuid.MustParse(os.Args[2]),
		&stock.GetPartitionBackupProgressParams{ApiVersion: stock.GetPartitionBackupProgressParamsApiVersionN64})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*resp.JSON200.BackupState)
}
