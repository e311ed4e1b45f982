package sfbackuptest

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// This file is the position in continuation tokens for a container of Azure blob storage: which of its two
// locations the request went to, and the marker where the list continues. The content of a marker is
// opaque; that of this cluster names the next blob.
//
//	Primary+2!<length>!<base64, with '-' for '='>

const (
	containerLocation = "Primary"
	markerVersion     = "2!"
)

// marker returns the position after the first files of a folder. It is empty if no file is left.
func (s *storageView) marker(i, files int) string {
	f := s.folders[i]
	if files == f.backups.len() {
		if i == len(s.folders)-1 {
			return ""
		}
		f, files = s.folders[i+1], 0
	}
	next := f.backups.at(files)
	blob := strings.ReplaceAll(f.partition.folder(), `\`, "/") + "/" + next.fileName() + metadataExtension
	text := strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(blob)), "=", "-")
	return containerLocation + tokenSeparator + markerVersion + strconv.Itoa(len(text)) + "!" + text
}

// resumeContainer returns the rest of the folders from a marker on. The blob that the marker names may
// have been deleted.
func resumeContainer(folders []folder, position string) (rest []folder, ok bool) {
	location, marker, _ := strings.Cut(position, tokenSeparator)
	text, isMarker := strings.CutPrefix(marker, markerVersion)
	_, text, hasLength := strings.Cut(text, "!")
	blob, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "-", "="))
	if location != containerLocation && location != "Secondary" && location != "Null" || !isMarker || !hasLength || err != nil {
		return nil, false
	}
	slash := strings.LastIndexByte(string(blob), '/')
	if slash < 0 {
		return nil, false
	}
	file, isMetadata := strings.CutSuffix(string(blob[slash+1:]), metadataExtension)
	t, err := time.Parse(fileNameFormat, file)
	if err != nil || !isMetadata {
		return nil, false
	}
	name := strings.ReplaceAll(string(blob[:slash]), "/", `\`)
	for _, f := range folders {
		switch strings.Compare(f.partition.folder(), name) {
		case -1:
			continue
		case 0:
			f.backups = f.backups.since(t)
		}
		rest = append(rest, f)
	}
	return rest, true
}
