package sfbackup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/wire"
)

// The slow way to read a page: encoding/json into structs of its own, with a method for each value
// that is more than one type.

type slowPage struct {
	Items             []slowBackup
	ContinuationToken string
}

type slowBackup struct {
	BackupID                uuid.UUID `json:"BackupId"`
	BackupChainID           uuid.UUID `json:"BackupChainId"`
	ApplicationName         string
	ServiceManifestVersion  string
	ServiceName             string
	PartitionInformation    json.RawMessage
	BackupLocation          string
	BackupType              slowText
	EpochOfLastBackupRecord struct{ DataLossVersion, ConfigurationVersion, DataLossNumber, ConfigurationNumber slowInt64 }
	LsnOfLastBackupRecord   slowInt64
	CreationTimeUtc         slowTime
	FailureError            *struct {
		Code    slowText
		Message string
	}
}

type (
	slowText  string
	slowInt64 int64
	slowTime  time.Time
)

// text is what a string or a number holds.
func text(data []byte) (string, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("%s is neither a string nor a number", data)
}

func (s *slowText) UnmarshalJSON(data []byte) (err error) {
	t, err := text(data)
	*s = slowText(t)
	return err
}

func (n *slowInt64) UnmarshalJSON(data []byte) error {
	t, err := text(data)
	if err != nil || t == "" {
		return err
	}
	v, err := strconv.ParseInt(t, 10, 64)
	*n = slowInt64(v)
	return err
}

func (t *slowTime) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil || s == "" {
		return err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if v, err := time.Parse(layout, s); err == nil {
			if v.Year() != 1 {
				*t = slowTime(v.UTC())
			}
			return nil
		}
	}
	return fmt.Errorf("%q is not a time", s)
}

func slowPartition(data []byte) (PartitionInformation, error) {
	if len(data) == 0 || string(data) == "null" {
		return &UnknownPartition{}, nil
	}
	var head struct{ ServicePartitionKind slowText }
	var id struct {
		ID uuid.UUID `json:"Id"`
	}
	_ = json.Unmarshal(data, &head) // what can be had
	if json.Unmarshal(data, &id) != nil {
		id.ID = uuid.Nil // and not half of it
	}
	var p struct {
		LowKey, HighKey slowInt64
		Name            string
		ID              uuid.UUID `json:"Id"`
	}
	err := json.Unmarshal(data, &p)
	switch PartitionKind(head.ServicePartitionKind) {
	case PartitionKindInt64Range:
		return &Int64RangePartition{p.ID, int64(p.LowKey), int64(p.HighKey)}, err
	case PartitionKindNamed:
		return &NamedPartition{p.ID, p.Name}, err
	case PartitionKindSingleton:
		return &SingletonPartition{p.ID}, err
	default:
		return &UnknownPartition{id.ID, PartitionKind(head.ServicePartitionKind), data}, nil
	}
}

func readSlowly(data []byte) (*Page, error) {
	var w slowPage
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, err
	}
	page := &Page{ContinuationToken: w.ContinuationToken}
	for _, s := range w.Items {
		partition, err := slowPartition(s.PartitionInformation)
		if err != nil {
			return nil, err
		}
		e := s.EpochOfLastBackupRecord
		b := Backup{
			BackupID: s.BackupID, BackupChainID: s.BackupChainID, ApplicationName: s.ApplicationName,
			ServiceName: ServiceName(s.ServiceName), ServiceManifestVersion: s.ServiceManifestVersion,
			PartitionInformation: partition, BackupLocation: s.BackupLocation, BackupType: BackupType(s.BackupType),
			EpochOfLastBackupRecord: newEpoch(generated.BackupEpoch{
				DataLossVersion: wire.Int64(e.DataLossVersion), ConfigurationVersion: wire.Int64(e.ConfigurationVersion),
				DataLossNumber: wire.Int64(e.DataLossNumber), ConfigurationNumber: wire.Int64(e.ConfigurationNumber),
			}),
			LSNOfLastBackupRecord: int64(s.LsnOfLastBackupRecord), CreationTimeUTC: time.Time(s.CreationTimeUtc),
		}
		if s.FailureError != nil {
			b.FailureError = &FabricError{Code: ErrorCode(s.FailureError.Code), Message: s.FailureError.Message}
		}
		page.Backups = append(page.Backups, b)
	}
	return page, nil
}

func readFast(data []byte) (*Page, error) {
	p := wire.NewPage[backupFields](bytes.NewReader(data))
	page := &Page{}
	for {
		var info backupFields
		err := p.Next(&info)
		if errors.Is(err, io.EOF) {
			page.ContinuationToken = p.ContinuationToken()
			return page, nil
		}
		if err != nil {
			return nil, err
		}
		page.Backups = append(page.Backups, newBackup((*generated.BackupInfo)(&info)))
	}
}

// Whatever the fast reader reads, the slow one reads the same; and what the slow one does not read,
// the fast one does not. (The fast one has limits that the slow one lacks.)
func FuzzPageAgainstEncodingJSON(f *testing.F) {
	addBodies(f)
	for _, item := range []string{
		`{"BackupId":null,"LsnOfLastBackupRecord":-7,"BackupType":3,"FailureError":{"Code":1,"Message":"m"}}`,
		`{"backupid":"{3a056ac9-7206-43c3-8424-6f6103003eba}","CreationTimeUtc":"2018-01-01T00:00:00.5+02:00"}`,
		`{"Back\u0075pId":"3a056ac9-7206-43c3-8424-6f6103003eba","PartitionInformation":{"Name":"\ud800","ServicePartitionKind":"Named"}}`,
		`{"PartitionInformation":{"LowKey":{},"ServicePartitionKind":"Ring"},"EpochOfLastBackupRecord":{"DataLossNumber":"-1"}}`,
	} {
		f.Add([]byte(`{"ContinuationToken":"t","Items":[` + item + `,` + item + `]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var keys map[string]any
		if json.Unmarshal(data, &keys) == nil && repeatsKeys(data) {
			t.Skip("a key that comes twice may be merged or replaced")
		}
		fast, fastErr := readFast(data)
		if fastErr != nil {
			return
		}
		slow, err := readSlowly(data)
		if err != nil {
			t.Fatalf("%q is read as %+v, but %v", data, fast, err)
		}
		if diff := cmp.Diff(slow, fast); diff != "" {
			t.Fatalf("%q: -slow +fast\n%s", data, diff)
		}
	})
}

// repeatsKeys reports whether an object within valid JSON has a key twice, in any case of letters.
func repeatsKeys(data []byte) bool {
	var walk func(*json.Decoder) (bool, error)
	walk = func(dec *json.Decoder) (bool, error) {
		tok, err := dec.Token()
		if err != nil {
			return false, err
		}
		delim, ok := tok.(json.Delim)
		if !ok {
			return false, nil
		}
		seen := map[string]bool{}
		for dec.More() {
			if delim == '{' {
				key, err := dec.Token()
				if err != nil {
					return false, err
				}
				folded := string(bytes.ToUpper(bytes.ToLower([]byte(fmt.Sprint(key)))))
				if seen[folded] {
					return true, nil
				}
				seen[folded] = true
			}
			if twice, err := walk(dec); twice || err != nil {
				return twice, err
			}
		}
		_, err = dec.Token()
		return false, err
	}
	twice, err := walk(json.NewDecoder(bytes.NewReader(data)))
	return twice || err != nil
}
