package sfbackuptest

import (
	"strings"
	"time"
)

// This file is the position in continuation tokens for a file share. It names the last file that was
// listed:
//
//	<application>+<service>+<partition>+<yyyy-MM-dd HH.mm.ss>.bkmetadata

// sharePosition returns the position of an entry on a share.
func (e *entry) sharePosition() string {
	return strings.ReplaceAll(e.partition.folder(), `\`, tokenSeparator) +
		tokenSeparator + e.backup.fileName() + metadataExtension
}

// resumeShare returns the rest of the folders after a position. The files of the folder that it names are
// compared by the time in their names, so that the file itself may have been deleted. Folders with smaller
// names are omitted if there are several; a single folder is listed even if the position names another.
func resumeShare(folders []folder, position string) (rest []folder, ok bool) {
	parts := strings.Split(position, tokenSeparator)
	if len(parts) != 4 {
		return nil, false
	}
	name := strings.Join(parts[:3], `\`)
	for _, f := range folders {
		switch strings.Compare(f.partition.folder(), name) {
		case 0:
			file, isMetadata := strings.CutSuffix(parts[3], metadataExtension)
			t, err := time.Parse(fileNameFormat, file)
			if err != nil || !isMetadata {
				return nil, false
			}
			f.backups = f.backups.since(t.Add(time.Second)) // the names have whole seconds
		case -1:
			if len(folders) > 1 {
				continue
			}
		}
		rest = append(rest, f)
	}
	return rest, true
}
