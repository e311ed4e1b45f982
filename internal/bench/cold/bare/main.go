// Command bare reads the progress of a backup with net/http alone.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	resp, err := http.Get(os.Args[1] + "/Partitions/" + os.Args[2] + "/$/GetBackupProgress?api-version=6.4") //nolint:gosec,noctx // as short as possible
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		log.Print(err)
	}
}
