// Package wrapper only holds the packages that people import:
//
//   - [github.com/servicefabric-go/backup/wrapper/sfbackup], the client;
//   - [github.com/servicefabric-go/backup/wrapper/sfbackuptest], the backup service of a cluster in
//     memory, to test against.
package wrapper
