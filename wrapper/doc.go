// Package wrapper holds the packages that programs import:
//
//   - [github.com/servicefabric-go/backup/wrapper/sfbackup], the client;
//   - [github.com/servicefabric-go/backup/wrapper/sfbackuptest], the backup service of a cluster in
//     memory, for tests.
package wrapper
