package sfbackup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
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

// The reference decoder decodes a page with encoding/json into structs of its own. It is slow and simple: a
// value that may have several JSON types has an UnmarshalJSON method.

type referencePage struct {
	Items             []referenceBackup
	ContinuationToken string
}

type referenceBackup struct {
	BackupID                uuid.UUID `json:"BackupId"`
	BackupChainID           uuid.UUID `json:"BackupChainId"`
	ApplicationName         string
	ServiceManifestVersion  string
	ServiceName             string
	PartitionInformation    json.RawMessage
	BackupLocation          string
	BackupType              referenceText
	EpochOfLastBackupRecord struct{ DataLossVersion, ConfigurationVersion, DataLossNumber, ConfigurationNumber referenceInt64 }
	LsnOfLastBackupRecord   referenceInt64
	CreationTimeUtc         referenceTime
	FailureError            *struct {
		Code    referenceText
		Message string
	}
}

type (
	referenceText  string
	referenceInt64 int64
	referenceTime  time.Time
)

// maxReferenceScalar is the maximum length of a number or time.
const maxReferenceScalar = 1 << 10

// scalarText returns the text of a string or a number.
func scalarText(data []byte) (string, error) {
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

func (s *referenceText) UnmarshalJSON(data []byte) (err error) {
	t, err := scalarText(data)
	*s = referenceText(t)
	return err
}

func (n *referenceInt64) UnmarshalJSON(data []byte) error {
	if len(data) > maxReferenceScalar {
		return errors.New("too long for a number")
	}
	t, err := scalarText(data)
	if err != nil || t == "" {
		return err
	}
	v, err := strconv.ParseInt(t, 10, 64)
	*n = referenceInt64(v)
	return err
}

func (t *referenceTime) UnmarshalJSON(data []byte) error {
	if len(data) > maxReferenceScalar {
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
				break // it cannot be written with a year of four digits
			}
			*t = referenceTime(v)
			return nil
		}
	}
	return fmt.Errorf("%q is not a time", s)
}

func decodeReferencePartition(data []byte) (PartitionInformation, error) {
	if len(data) == 0 || string(data) == "null" {
		return &UnknownPartition{}, nil
	}
	var head struct{ ServicePartitionKind referenceText }
	var id struct {
		ID uuid.UUID `json:"Id"`
	}
	_ = json.Unmarshal(data, &head) // sets what it can
	if json.Unmarshal(data, &id) != nil {
		id.ID = uuid.Nil // it may be set in part
	}
	var p struct {
		LowKey, HighKey referenceInt64
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

func decodeReference(data []byte) (*Page, error) {
	var w referencePage
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, err
	}
	page := &Page{ContinuationToken: w.ContinuationToken}
	for _, s := range w.Items {
		partition, err := decodeReferencePartition(s.PartitionInformation)
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

func decodePage(data []byte) (*Page, error) {
	p := wire.NewPageDecoder[generated.BackupInfo](bytes.NewReader(data))
	page := &Page{}
	for {
		var info generated.BackupInfo
		err := p.Next(&info)
		if errors.Is(err, io.EOF) {
			page.ContinuationToken = p.ContinuationToken()
			return page, nil
		}
		if err != nil {
			return nil, err
		}
		page.Backups = append(page.Backups, newBackup(&info))
	}
}

// withinLimits reports whether valid JSON without duplicate keys is within the limits that only the decoder of
// package wire has. The two decoders agree on everything else: types, numbers out of range, times, invalid
// UTF-8 and unpaired surrogates. (Both reject a number or time of more than 1 KiB; package strconv would accept
// one with that many zeros.)
func withinLimits(data []byte) bool {
	// The limits are 1 MiB for a value such as an item, and 4 KiB more for white space before it. Input of at
	// most 1 MiB cannot exceed them.
	if len(data) > 1<<20 {
		return false
	}
	var page map[string]json.RawMessage
	if json.Unmarshal(data, &page) != nil || page == nil { // null is not a page
		return false
	}
	if hasLongName(data) {
		return false
	}
	known := len(page) == 0 // an object with other properties only is not a page
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

// hasLongName reports whether the name of a property has more than 256 bytes as it is written. The decoder of
// package wire rejects such a name only where it scans a value, so it may accept the page all the same.
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

// backupNames are the names of the properties of a backup.
var backupNames = func() (names []string) {
	for f := range reflect.TypeFor[generated.BackupInfo]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// isBackup reports whether an item is an object that is empty or has a property of a backup.
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

// depthOf returns the nesting depth of a valid value.
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

// The decoder of package wire and the reference decoder return the same page. If the reference decoder returns
// an error, so does the other. The converse holds within the limits.
func FuzzPageAgainstEncodingJSON(f *testing.F) {
	addBodies(f)
	for _, item := range []string{
		`{"BackupId":null,"LsnOfLastBackupRecord":-7,"BackupType":3,"FailureError":{"Code":1,"Message":"m"}}`,
		`{"backupid":"{3a056ac9-7206-43c3-8424-6f6103003eba}","CreationTimeUtc":"2018-01-01T00:00:00.5+02:00"}`,
		`{"Back\u0075pId":"3a056ac9-7206-43c3-8424-6f6103003eba","PartitionInformation":{"Name":"\ud800","ServicePartitionKind":"Named"}}`,
		`{"PartitionInformation":{"LowKey":{},"ServicePartitionKind":"Ring"},"EpochOfLastBackupRecord":{"DataLossNumber":"-1"}}`,
		// UUIDs in other forms, and with escapes, which some encoders use for every character.
		`{"BackupId":"3a056ac9720643c384246f6103003eba","BackupChainId":"urn:uuid:3a056ac9-7206-43c3-8424-6f6103003eba"}`,
		`{"BackupId":"\u0033a056ac9-7206-43c3-8424-6f6103003eba","PartitionInformation":{"Id":"3a056ac9\u002d7206-43c3-8424-6f6103003eba","ServicePartitionKind":"Singleton"}}`,
		`{"BackupId":"\b3a056ac-7206-43c3-8424-6f6103003eba0"}`, "{\"BackupId\":\"\xff3a056ac9-7206-43c3-8424-6f6103003eba\xff\"}",
		// Times at the limits, leap seconds, and a fraction after a comma.
		`{"CreationTimeUtc":"9999-12-31T23:59:59.9999999-14:00"}`, `{"CreationTimeUtc":"0000-01-01T00:00:00+00:01"}`,
		`{"CreationTimeUtc":"2016-12-31T23:59:60Z"}`, `{"CreationTimeUtc":"2018-01-01T00:00:00,5"}`, `{"CreationTimeUtc":"0001-01-01T00:00:00+14:00"}`,
		// Numbers that are out of range, have a sign, or have another form.
		`{"LsnOfLastBackupRecord":9223372036854775808}`, `{"LsnOfLastBackupRecord":"+1"}`, `{"LsnOfLastBackupRecord":-0}`, `{"LsnOfLastBackupRecord":1E2,"BackupType":1E2}`,
		`{"FailureError":{"co-de":"a","MESS_AGE":"b"}}`, `{"FailureError":null,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`,
		`{"x":1}`, `{}`, `null`, `[]`,
	} {
		f.Add([]byte(`{"ContinuationToken":"t","Items":[` + item + `,` + item + `]}`))
	}
	f.Add([]byte(`{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `,"items":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if json.Valid(data) && hasDuplicateKeys(data) {
			t.Skip("duplicate keys may be merged or replaced")
		}
		got, gotErr := decodePage(data)
		want, wantErr := decodeReference(data)
		switch {
		case gotErr != nil && wantErr == nil && withinLimits(data):
			t.Fatalf("%q is read as %+v, but %v", data, want, gotErr)
		case gotErr != nil:
			return
		case wantErr != nil:
			t.Fatalf("%q is read as %+v, but %v", data, got, wantErr)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q: -reference +got\n%s", data, diff)
		}
	})
}

// hasDuplicateKeys reports whether an object within valid JSON has a key twice, ignoring case.
func hasDuplicateKeys(data []byte) bool {
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
