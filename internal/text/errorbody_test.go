package text_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/internal/text"
)

func TestReadError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, code, message string }{
		{`{"Error":{"Code":"E_INVALIDARG","Message":"m"}}`, "E_INVALIDARG", "m"},
		{"\r\n{ \"Error\" :\t{ \"Code\" : \"E_INVALIDARG\" , \"Message\" : \"m\" } }\n", "E_INVALIDARG", "m"},
		{`{"Code":"E_INVALIDARG","Message":"m"}`, "E_INVALIDARG", "m"},
		{`{"error":{"message":"m","code":7}}`, "7", "m"},
		{`{"code":-2147024809 ,"message":"a\u0041\n\ud83d\ude00\"\\"}`, "-2147024809", "aA\n\U0001f600\"\\"},
		{`{"Message":"m","ExceptionMessage":"e"}`, "", "m"},
		{`{"x":{"Code":"no"},"Error":{"y":[],"Code":"E_ABORT"`, "E_ABORT", ""},
		{`{"x":"}","y":["]",{"Code":"no"}],"z":null,"Code":"E_ABORT"}`, "E_ABORT", ""},
		{`{"Error":{"Code":"E_AB`, "", ""},
		{`{"Error":`, "", ""},
		{`{"Error":"text"}`, "", ""},
		{`{"Code":null,"Message":5}`, "", ""},
		{`{"Code":"E_ABORT",oops`, "E_ABORT", ""},
		{`{"Code":"E_ABORT","Message":"m`, "E_ABORT", ""},
		{"{\"Code\":\"E_\xff\",\"Message\":\"\\ud83d\"}", "E_\ufffd", "\ufffd"},
		{`{"Code":"E_ABORT","x":` + strings.Repeat("[", 10_000), "E_ABORT", ""},
		{`{"Code":"E_ABORT","` + strings.Repeat("n", 10_000) + `":1,"Message":"m"}`, "E_ABORT", "m"},
		{`"E_ABORT"`, "", ""},
		{`<html>`, "", ""},
		{``, "", ""},
	} {
		if code, message := text.ReadError([]byte(tt.body)); code != tt.code || message != tt.message {
			t.Errorf("%.80s: got %q, %q", tt.body, code, message)
		}
	}
}

// In a valid body with no name twice, the code and the message are what package encoding/json finds.
func FuzzReadError(f *testing.F) {
	for _, body := range []string{
		`{"Error":{"Code":"E_INVALIDARG","Message":"m"}}`, `{"Message":"m","ExceptionMessage":"e"}`, `{"error":{"message":"m","code":7}}`,
		`{"x":[{"Code":"\\"}],"Error":{"y":{"z":["\"}"]},"Code":"E_ABORT"}}`, `{"Code":-1.5e3,"Message":"\u00e9\ud83d\ude00\ud83d"}`, `{"a":tr,ue}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code, message := text.ReadError(body)
		var outer map[string]json.RawMessage
		if json.Unmarshal(body, &outer) != nil {
			return
		}
		if inner, ok := outer["Error"]; ok && len(outer) == 1 {
			outer = nil
			if json.Unmarshal(inner, &outer) != nil {
				return
			}
		}
		for name := range outer {
			if strings.EqualFold(name, "Error") || strings.EqualFold(name, "Code") && name != "Code" || strings.EqualFold(name, "Message") && name != "Message" {
				return
			}
		}
		if strings.Count(string(body), "Code") > 1 || strings.Count(string(body), "Message") > 1 || strings.Contains(string(body), `\u`) {
			return // they may come twice
		}
		var want struct {
			Code    any
			Message any
		}
		for name, target := range map[string]*any{"Code": &want.Code, "Message": &want.Message} {
			if raw, ok := outer[name]; ok {
				decoder := json.NewDecoder(strings.NewReader(string(raw)))
				decoder.UseNumber()
				if err := decoder.Decode(target); err != nil {
					t.Fatal(err)
				}
			}
		}
		if s, ok := want.Message.(string); message != s || !ok && message != "" {
			t.Errorf("%q: the message is %q, want %v", body, message, want.Message)
		}
		wantCode := ""
		switch c := want.Code.(type) {
		case string:
			wantCode = c
		case json.Number:
			wantCode = c.String()
		}
		if code != wantCode {
			t.Errorf("%q: the code is %q, want %q", body, code, wantCode)
		}
	})
}
