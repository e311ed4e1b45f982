// Command client reads the progress of a backup with this client.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

func main() {
	client, err := sfbackup.NewClient(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	progress, err := client.BackupProgress(context.Background(), uuid.MustParse(os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(progress.BackupState)
}
