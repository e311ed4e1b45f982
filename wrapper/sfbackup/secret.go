package sfbackup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"
)

// A Secret is a connection string, a password or a token. Its value is not printed, logged or marshalled as
// JSON or text, even if it is an exported field of a struct. Only requests carry it. Convert it to a string to
// use the value.
//
// Package fmt calls no methods on unexported fields, and package gob encodes the bytes, so a Secret is not
// protected in these two cases. Marshalling a Secret loses its value: it cannot be read back.
type Secret string

const redacted = "[redacted]"

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", for JSON and every other encoding of text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format prints the kind of the storage and redacts the rest, which may be secret, whatever the verb is.
func (s UnknownStorage) Format(f fmt.State, _ rune) {
	printStorage(f, &s)
}

// MarshalText returns what Format prints, for JSON and every other encoding of text.
func (s UnknownStorage) MarshalText() ([]byte, error) { return fmt.Append(nil, s), nil }

func printStorage(w io.Writer, s BackupStorage) {
	v := reflect.ValueOf(s)
	if v.IsNil() {
		fmt.Fprint(w, "<nil>")
		return
	}
	v = v.Elem()
	fmt.Fprint(w, v.Type().Name(), "{")
	for i := range v.NumField() {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprint(w, v.Type().Field(i).Name, ": ")
		switch value := v.Field(i).Interface().(type) {
		case Secret:
			fmt.Fprint(w, value)
		case json.RawMessage:
			fmt.Fprint(w, Secret(value))
		default:
			fmt.Fprintf(w, "%q", value)
		}
	}
	fmt.Fprint(w, "}")
}

// storageSecrets returns what no text may repeat of a storage: its secrets or, of an unknown kind, all its longer
// strings.
func storageSecrets(s BackupStorage) (secrets []string) {
	if unknown, ok := s.(*UnknownStorage); ok {
		dec := jsontext.NewDecoder(bytes.NewReader(unknown.Raw), jsontext.AllowDuplicateNames(true))
		for {
			token, err := dec.ReadToken()
			if err != nil {
				return secrets
			}
			if kind, n := dec.StackIndex(dec.StackDepth()); token.Kind() == '"' && (kind != '{' || n%2 == 0) && len(token.String()) >= minUnknownSecret {
				secrets = append(secrets, token.String())
			}
		}
	}
	v := reflect.ValueOf(s).Elem()
	for _, field := range v.Fields() {
		if secret, ok := reflect.TypeAssert[Secret](field); ok {
			secrets = append(secrets, string(secret))
		}
	}
	return secrets
}

// minUnknownSecret is the length from which a string of an unknown storage may be a secret. Shorter ones are words
// that many texts have.
const minUnknownSecret = 8
