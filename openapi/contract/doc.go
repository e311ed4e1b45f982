// Package contract checks requests and responses of the Service Fabric backup API against its OpenAPI
// document.
//
//	v, err := contract.New(openapi.Documented) // or openapi.Runtime
//	...
//	client := &http.Client{Transport: v.Transport(nil, func(req *http.Request, err error) {
//		log.Print(err)
//	})}
//
// # Two documents
//
// openapi.Documented describes what the documentation promises, openapi.Runtime what running clusters
// send. A response that is valid only under Runtime has a known deviation. A response that is invalid
// under both has an unknown one.
//
// # What is checked
//
// The validator checks everything that the document states. It also checks what validators often do
// not: undocumented properties, query parameters and statuses, formats, integers out of range,
// duplicate keys, trailing data, content types, and bodies where none is documented. Every check has a
// [Rule], and [Validator.Without] disables rules.
//
// All violations of an exchange are reported, as [*Violation] values joined in one error. A violation is
// one line. It contains no body and no secret: it shows the value that was found, or the beginning of a
// long one, only where that cannot be a secret. Elsewhere it gives the type and size of the value.
//
// # Where to use it
//
//   - [ForTest], in a test of a client: an exchange with violations fails the test.
//   - [Validator.Transport], in a client outside tests: it calls a function for each such exchange.
//   - [Validator.Handler], in front of a server, a gateway or a fake.
//   - [Validator.CheckRequest] and [Validator.CheckResponse], for single messages.
//   - [Validator.Recording], for the exchanges in a HAR file.
//
// [Validator.Coverage] tells which parts of the document the exchanges used.
package contract
