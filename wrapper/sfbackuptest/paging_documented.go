package sfbackuptest

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// This file is the paging that the documentation describes.

// pageDocumented selects the entries of a page. The token names the last entry of a full page.
func pageDocumented(folders []folder, q listQuery) (*page, *errorResponse) {
	if q.token != "" {
		rest, ok := resumeDocumented(folders, q)
		if !ok {
			return nil, errArguments
		}
		folders = rest
	}
	if q.maxResults == 0 {
		return &page{entries: entries(folders, q)}, nil
	}
	var chosen []entry
	token := ""
	for e := range entries(folders, q) {
		if int64(len(chosen)) == q.maxResults {
			token = documentedToken(chosen[len(chosen)-1])
			break
		}
		chosen = append(chosen, e)
	}
	return &page{slices.Values(chosen), token}, nil
}

// resumeDocumented returns the rest of the folders after the entry that a token names.
func resumeDocumented(folders []folder, q listQuery) (rest []folder, ok bool) {
	partition, backup, ok := parseDocumentedToken(q.token)
	if !ok {
		return nil, false
	}
	for i, f := range folders {
		if f.partition.ID != partition {
			continue
		}
		index := f.backups.index(backup)
		if index < 0 {
			continue
		}
		rest = slices.Clone(folders[i:])
		rest[0].backups = f.backups.drop(index + 1)
		for q.latest && len(rest) > 0 && rest[0].partition == f.partition {
			rest = rest[1:] // its only entry was on an earlier page
		}
		return rest, true
	}
	return nil, false
}

// documentedToken returns the token for the last entry of a page, in the form of the documentation's examples.
func documentedToken(e entry) string {
	return e.partition.service.Name + "#" + e.partition.ID.String() + "#" + e.backup.ID.String()
}

func parseDocumentedToken(token string) (partition, backup uuid.UUID, ok bool) {
	parts := strings.Split(token, "#")
	if len(parts) != 3 {
		return uuid.Nil, uuid.Nil, false
	}
	partition, errPartition := uuid.Parse(parts[1])
	backup, errBackup := uuid.Parse(parts[2])
	return partition, backup, errPartition == nil && errBackup == nil
}
