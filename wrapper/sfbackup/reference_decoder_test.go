package sfbackup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
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

// maxSlowScalar is the length of the longest number or time.
const maxSlowScalar = 1 << 10

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
	if len(data) > maxSlowScalar {
		return errors.New("too long for a number")
	}
	t, err := text(data)
	if err != nil || t == "" {
		return err
	}
	v, err := strconv.ParseInt(t, 10, 64)
	*n = slowInt64(v)
	return err
}

func (t *slowTime) UnmarshalJSON(data []byte) error {
	if len(data) > maxSlowScalar {
		return errors.New("too long for a time")
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil || s == "" {
		return err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if v, err := time.Parse(layout, s); err == nil {
			if v.Year() == 1 {
				return nil
			}
			if v = v.UTC(); v.Year() < 0 || v.Year() > 9999 {
				break // it cannot be written as it is read
			}
			*t = slowTime(v)
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
	p := wire.NewPageDecoder[backupFields](bytes.NewReader(data))
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

// withinLimits reports whether valid JSON without a key that comes twice keeps to what the fast reader
// asks for and the slow one does not. There is nothing else: types, numbers out of range, times, texts
// that are not UTF-8 or only half of a surrogate pair, are all the same to both. (A number or time
// of over 1 KiB is none to either; package strconv would take one with that many zeros.)
func withinLimits(data []byte) bool {
	// No value is longer than 1 MiB, an item for example, and there are not 4 KiB of white space where
	// it does not belong to the value. What is shorter as a whole cannot exceed either.
	if len(data) > 1<<20 {
		return false
	}
	var page map[string]json.RawMessage
	if json.Unmarshal(data, &page) != nil || page == nil { // null is no page
		return false
	}
	if hasLongName(data) {
		return false
	}
	known := len(page) == 0 // an object of somebody else has properties, but none of a page
	for name, value := range page {
		isItems := strings.EqualFold(name, "Items")
		known = known || isItems || strings.EqualFold(name, "ContinuationToken")
		var items []json.RawMessage
		if !isItems {
			items = []json.RawMessage{value}
		} else if json.Unmarshal(value, &items) != nil {
			return false
		}
		for _, item := range items {
			if depthOf(item) > 64 || isItems && !isBackup(item) {
				return false
			}
		}
	}
	return known
}

// hasLongName reports whether the name of a property has over 256 bytes as it is written. Where such a
// name is, decides whether it is seen.
func hasLongName(data []byte) bool {
	for rest := data; ; {
		i := bytes.IndexByte(rest, '"')
		if i < 0 {
			return false
		}
		n := 1
		for rest = rest[i:]; rest[n] != '"'; n++ {
			if rest[n] == '\\' {
				n++
			}
		}
		rest = rest[n+1:]
		if n-1 > 256 && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(":")) {
			return true
		}
	}
}

// isBackup reports whether an item is an object with a property of a backup, or with none at all. null
// is none, and neither is the object of something else.
func isBackup(item []byte) bool {
	var properties map[string]json.RawMessage
	if json.Unmarshal(item, &properties) != nil || properties == nil {
		return false
	}
	for name := range properties {
		if slices.ContainsFunc(backupNames, func(n string) bool { return strings.EqualFold(n, name) }) {
			return true
		}
	}
	return len(properties) == 0
}

// depthOf returns how deep a valid value is nested.
func depthOf(value []byte) (deepest int) {
	depth := 0
	for dec := json.NewDecoder(bytes.NewReader(value)); ; {
		tok, err := dec.Token()
		if err != nil {
			return deepest
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// Whatever the fast reader reads, the slow one reads the same; what the slow one does not read, the
// fast one does not; and what the slow one reads, the fast one does as well, within its limits.
func FuzzPageAgainstEncodingJSON(f *testing.F) {
	addBodies(f)
	for _, item := range []string{
		`{"BackupId":null,"LsnOfLastBackupRecord":-7,"BackupType":3,"FailureError":{"Code":1,"Message":"m"}}`,
		`{"backupid":"{3a056ac9-7206-43c3-8424-6f6103003eba}","CreationTimeUtc":"2018-01-01T00:00:00.5+02:00"}`,
		`{"Back\u0075pId":"3a056ac9-7206-43c3-8424-6f6103003eba","PartitionInformation":{"Name":"\ud800","ServicePartitionKind":"Named"}}`,
		`{"PartitionInformation":{"LowKey":{},"ServicePartitionKind":"Ring"},"EpochOfLastBackupRecord":{"DataLossNumber":"-1"}}`,
		// An identity in its other forms, and with escapes, which some writers have for every character.
		`{"BackupId":"3a056ac9720643c384246f6103003eba","BackupChainId":"urn:uuid:3a056ac9-7206-43c3-8424-6f6103003eba"}`,
		`{"BackupId":"\u0033a056ac9-7206-43c3-8424-6f6103003eba","PartitionInformation":{"Id":"3a056ac9\u002d7206-43c3-8424-6f6103003eba","ServicePartitionKind":"Singleton"}}`,
		`{"BackupId":"\b3a056ac-7206-43c3-8424-6f6103003eba0"}`, "{\"BackupId\":\"\xff3a056ac9-7206-43c3-8424-6f6103003eba\xff\"}",
		// Times at the end of time, seconds that no minute has, and fractions that end in nothing.
		`{"CreationTimeUtc":"9999-12-31T23:59:59.9999999-14:00"}`, `{"CreationTimeUtc":"0000-01-01T00:00:00+00:01"}`,
		`{"CreationTimeUtc":"2016-12-31T23:59:60Z"}`, `{"CreationTimeUtc":"2018-01-01T00:00:00,5"}`, `{"CreationTimeUtc":"0001-01-01T00:00:00+14:00"}`,
		// Numbers out of range, with a sign, or in another form.
		`{"LsnOfLastBackupRecord":9223372036854775808}`, `{"LsnOfLastBackupRecord":"+1"}`, `{"LsnOfLastBackupRecord":-0}`, `{"LsnOfLastBackupRecord":1E2,"BackupType":1E2}`,
		`{"FailureError":{"co-de":"a","MESS_AGE":"b"}}`, `{"FailureError":null,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`,
		`{"x":1}`, `{}`, `null`, `[]`,
	} {
		f.Add([]byte(`{"ContinuationToken":"t","Items":[` + item + `,` + item + `]}`))
	}
	f.Add([]byte(`{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `,"items":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if json.Valid(data) && repeatsKeys(data) {
			t.Skip("a key that comes twice may be merged or replaced")
		}
		fast, fastErr := readFast(data)
		slow, slowErr := readSlowly(data)
		switch {
		case fastErr != nil && slowErr == nil && withinLimits(data):
			t.Fatalf("%q is read as %+v, but %v", data, slow, fastErr)
		case fastErr != nil:
			return
		case slowErr != nil:
			t.Fatalf("%q is read as %+v, but %v", data, fast, slowErr)
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
				folded := strings.ToUpper(strings.ToLower(fmt.Sprint(key)))
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
