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
// openapi.Documented is the machine-readable form of the documentation, which is Microsoft's REST API
// reference of Service Fabric, version 6.4. openapi.Runtime describes what running clusters send. A response
// that is valid only under openapi.Runtime deviates from the documentation in a known way. A response that is
// invalid under both deviates in an unknown way.
//
// # What is checked
//
// The validator checks everything that the document states about paths, queries, statuses, content types and
// bodies. A path may begin with any prefix, as behind a gateway. The validator also checks what others often
// do not: undocumented properties, undocumented query parameters, undocumented statuses, formats, integers
// out of range, duplicate keys, trailing data, content types, and bodies where none is documented. Every
// check has a [Rule], and [Validator.Without] disables rules.
//
// All violations of an exchange, that is a request and its response, are reported as [*Violation] values
// joined in one error, at most one for each location and rule. Of a string with an invalid format only the
// format is reported. A violation is one line, without objects, arrays and secrets. Of a response it shows
// numbers, booleans, and strings or the beginning of a long one, unless the document does not have the string
// or marks it as writeOnly or as a password. Of a request it shows only what cannot be a secret, such as the
// method, the content type, or a number where one is expected. Elsewhere it gives the type and size of the
// value.
//
// # Where to use it
//
//   - [ForTest], in a test of a client: an exchange with violations fails the test.
//   - [Validator.Transport], in a client outside tests: it calls a function for each exchange with violations.
//   - [Validator.Handler], in front of a server, a gateway or a fake.
//   - [Validator.CheckRequest] and [Validator.CheckResponse], for single messages.
//   - [Validator.Recording], for the exchanges in a HAR file.
//
// [Validator.Coverage] tells which parts of the document the exchanges used.
package contract
