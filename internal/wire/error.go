package wire

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadError reads the code and the message of an error from the body of an answer, as far as it is
// JSON: wrapped in an "Error" as the document says, flat as in the progress of a backup, or with
// just a message as ASP.NET Web API writes it. A body that breaks off gives what stood before the
// break; a body that is not JSON gives nothing.
func ReadError(body []byte) (code, message string) {
	end, _ := CheckLimits(body)                                       // nothing behind it is worth its memory
	dec := jsontext.NewDecoder(bytes.NewBuffer(body[:end]), Tolerant) // which reads a Buffer without a copy
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return "", ""
	}
	for {
		if dec.PeekKind() != '"' {
			return code, message
		}
		name, err := readText(dec)
		switch {
		case err != nil:
		case strings.EqualFold(name, "Error") && dec.PeekKind() == '{':
			// Read on inside; the object that is around it has nothing else to say.
			if _, err := dec.ReadToken(); err != nil {
				return code, message
			}
		case strings.EqualFold(name, "Code") && isScalar(dec.PeekKind()):
			code, err = readText(dec)
		case strings.EqualFold(name, "Message") && dec.PeekKind() == '"':
			message, err = readText(dec)
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return code, message
		}
	}
}

func isScalar(k jsontext.Kind) bool { return k == '"' || k == '0' }

// readText reads a string or a number.
func readText(dec *jsontext.Decoder) (string, error) {
	value, err := dec.ReadValue()
	if err != nil || value.Kind() != '"' {
		return string(value), err
	}
	return (*interner)(nil).text(value), nil
}
