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
// openapi.Documented describes what the documentation promises, openapi.Runtime what running
// clusters send. A response that is valid under Runtime only is a known deviation of clusters. A
// response that is invalid under both has an unknown one.
//
// # What is checked
//
// The validator checks everything that the document states. It also checks what validators often do
// not: undocumented properties, query parameters and statuses, formats, integers out of range,
// duplicate keys, trailing data, content types, and bodies where none is documented. Every check has a
// [Rule], and [Validator.Without] disables rules.
//
// A check reports all violations of an exchange, as [*Violation] values joined in one error. A
// violation is one line. It contains no body and no secret: it shows a value only if the value is short
// and cannot be a secret, and otherwise says what kind of value it is.
//
// # Where to use it
//
//   - [ForTest] checks what a client sends and receives in a test, and fails the test.
//   - [Validator.Transport] does the same in a program, and calls a function.
//   - [Validator.Handler] checks a server, a gateway or a fake from the inside.
//   - [Validator.CheckRequest] and [Validator.CheckResponse] check single messages.
//   - [Validator.Recording] checks the exchanges of a HAR file.
//
// [Validator.Coverage] tells which parts of the document the exchanges used.
package contract
