package contract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// Every secret contains one of these markers. One is a number, because a password of digits is easily sent
// without its quotes.
const (
	secretText   = "MARKER0of0a0SECRET"
	secretNumber = "7316502948"
)

// secretBodies are request bodies with secrets, in the right places and in wrong ones.
var secretBodies = map[string]string{
	"connection string": `{"BackupStorage":{"StorageKind":"AzureBlobStore","ContainerName":"c","ConnectionString":"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=MARKER0of0a0SECRET=="}}`,
	"passwords": `{"BackupStorage":{"StorageKind":"FileShare","Path":"\\\\server\\share","PrimaryUserName":"u",
		"PrimaryPassword":"MARKER0of0a0SECRET","SecondaryUserName":"v","SecondaryPassword":"MARKER0of0a0SECRET"}}`,
	"passwords of digits": `{"BackupStorage":{"StorageKind":"FileShare","Path":"p","PrimaryPassword":7316502948,"SecondaryPassword":7316502948}}`,
	"misspelled properties": `{"BackupStorage":{"StorageKind":"FileShare","Path":"p","primaryPassword":"MARKER0of0a0SECRET",
		"Password":"MARKER0of0a0SECRET","SecondaryPasswort":7316502948,"Passwords":["MARKER0of0a0SECRET",7316502948]}}`,
	"in place of the kind":            `{"BackupStorage":{"StorageKind":"AccountName=a;AccountKey=MARKER0of0a0SECRET","ContainerName":"c"}}`,
	"digits in place of the kind":     `{"BackupStorage":{"StorageKind":7316502948,"Path":"p"}}`,
	"in place of the storage":         `{"BackupStorage":"DefaultEndpointsProtocol=https;AccountKey=MARKER0of0a0SECRET"}`,
	"in place of the identity":        `{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"AccountKey=MARKER0of0a0SECRET","BlobServiceUri":"https://a/?sig=MARKER0of0a0SECRET","ContainerName":"c"}}`,
	"in an invalid URI":               `{"BackupStorage":{"StorageKind":"ManagedIdentityAzureBlobStore","ManagedIdentityType":"VMSS","BlobServiceUri":"?sig=MARKER0of0a0SECRET","ContainerName":"c"}}`,
	"of an unknown kind":              `{"BackupStorage":{"StorageKind":"FutureStore","ApiKey":"MARKER0of0a0SECRET","Pin":7316502948,"Nested":{"Token":"MARKER0of0a0SECRET"}}}`,
	"without a kind":                  `{"BackupStorage":{"ConnectionString":"AccountKey=MARKER0of0a0SECRET"}}`,
	"duplicate":                       `{"BackupStorage":{"StorageKind":"FileShare","Path":"p","PrimaryPassword":"MARKER0of0a0SECRET","PrimaryPassword":7316502948}}`,
	"in a name":                       `{"BackupStorage":{"StorageKind":"FileShare","Path":"p","AccountKey=MARKER0of0a0SECRET":1}}`,
	"outside the storage":             `{"ConnectionString":"AccountKey=MARKER0of0a0SECRET","PrimaryPassword":7316502948}`,
	"in a property of the wrong type": `{"BackupStorage":{"StorageKind":"AzureBlobStore","ContainerName":7316502948,"FriendlyName":7316502948,"ConnectionString":["MARKER0of0a0SECRET"]}}`,
	"alone":                           `"MARKER0of0a0SECRET"`,
	"a number alone":                  `7316502948`,
	"not JSON":                        `ConnectionString=MARKER0of0a0SECRET`,
	"invalid JSON":                    `{"BackupStorage":{"PrimaryPassword":"MARKER0of0a0SECRET","SecondaryPassword":MARKER0of0a0SECRET}}`,
	"trailing data":                   `{} MARKER0of0a0SECRET`,
	"truncated":                       `{"BackupStorage":{"PrimaryPassword":"MARKER0of0a0SECRET`,
}

func secretExchange(name, body string) exchange {
	x := newExchange("BackupPartition", name)
	x.requestType, x.requestBody, x.validUnder = "application/json", []byte(body), sortedProfiles
	return x
}

// checkNoSecret fails the test if a value prints a secret.
func checkNoSecret(t *testing.T, x *exchange, output ...any) {
	t.Helper()
	for _, v := range output {
		for _, form := range []string{"%v", "%+v", "%#v", "%q"} {
			if text := fmt.Sprintf(form, v); strings.Contains(text, secretText) || strings.Contains(text, secretNumber) {
				t.Errorf("%s: a secret is in %s", x, text)
				return
			}
		}
	}
}

// printable returns all values of an error that a program may print.
func printable(err error) []any {
	values := []any{err}
	for _, v := range contract.Violations(err) {
		values = append(values, *v)
	}
	return values
}

// The violations of a request with secrets contain no secret, and neither do those of its mutants.
func TestNoSecretInViolations(t *testing.T) {
	t.Parallel()
	for _, profile := range sortedProfiles {
		v := newValidator(t, profiles[profile])
		for name, body := range secretBodies {
			x := secretExchange(name, body)
			check := func(x *exchange) bool {
				req := x.request()
				req.Header.Set("Authorization", "Bearer "+secretText)
				err := v.CheckRequest(req)
				checkNoSecret(t, x, printable(err)...)
				return err != nil
			}
			check(&x)
			if !json.Valid(x.requestBody) {
				continue
			}
			found := 0
			for _, op := range operators {
				op.apply(original{&x, func(...any) bool { return true }}, func(m mutant) {
					if m.side == contract.InRequest && check(&m.exchange) {
						found++
					}
				})
			}
			if found == 0 {
				t.Errorf("%s: no mutant has a violation", name)
			}
		}
		checkNoSecret(t, &exchange{name: "coverage"}, v.Coverage(), v.Coverage().String())
	}
}

// The reports of all seams contain no secret.
func TestNoSecretInSeams(t *testing.T) {
	t.Parallel()
	for _, profile := range sortedProfiles {
		v := newValidator(t, profiles[profile])
		reports := 0
		for name, body := range secretBodies {
			x := secretExchange(name, body)
			x.query = append(x.query, parameter{"Unknown", secretText}, parameter{"AccountKey=" + secretText, ""}) // so that there are violations
			request := func() *http.Request {
				req := x.request()
				req.Header.Set("Authorization", "Bearer "+secretText)
				return req
			}
			// The response is invalid too, and echoes the request, as a careless server might.
			echo := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				sent, _ := io.ReadAll(req.Body)
				fmt.Fprintf(w, `{"Error":{"Code":"E_INVALIDARG","Message":%q},"Request":%q}`, sent, req.Header.Get("Authorization"))
			})
			report := func(_ *http.Request, err error) {
				reports++
				checkNoSecret(t, &x, printable(err)...)
			}
			served := roundTripper(func(req *http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				echo.ServeHTTP(w, req)
				return w.Result(), nil
			})

			v.Handler(echo, report).ServeHTTP(httptest.NewRecorder(), request())
			tb := &recordingTB{TB: t}
			for _, transport := range []http.RoundTripper{v.Transport(served, report), contract.ForTest(tb, v, served)} {
				resp, err := transport.RoundTrip(request())
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if len(tb.errors) == 0 {
				t.Errorf("%s: ForTest reports nothing", name)
			}
			checkNoSecret(t, &x, tb.errors)
			err := v.Recording(bytes.NewReader(har(t, &x)))
			if err == nil {
				t.Errorf("%s: Recording reports nothing", name)
			}
			checkNoSecret(t, &x, printable(err)...)
		}
		if reports != 2*len(secretBodies) {
			t.Errorf("%d reports of %d exchanges through Handler and Transport", reports, 2*len(secretBodies))
		}
		checkNoSecret(t, &exchange{name: "coverage"}, v.Coverage().String())
	}
}

// har returns a HAR file with an exchange.
func har(t *testing.T, x *exchange) []byte {
	t.Helper()
	type object = map[string]any
	data, err := json.Marshal(object{"log": object{"version": "1.2", "entries": []object{{
		"request": object{
			"method": x.method, "url": x.request().URL.String(),
			"headers":  []object{{"name": "Authorization", "value": "Bearer " + secretText}},
			"postData": object{"mimeType": x.requestType, "text": string(x.requestBody)},
		},
		"response": object{"status": x.status, "content": object{"text": secretText}},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}
