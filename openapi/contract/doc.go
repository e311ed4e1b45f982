// Package contract checks requests and answers of the Service Fabric backup API against its OpenAPI
// document: in front of a cluster, a gateway or a fake, or on a recording.
//
//	v, err := contract.New(openapi.Documented) // or openapi.Runtime
//	...
//	client := &http.Client{Transport: v.Transport(nil, func(req *http.Request, err error) {
//		log.Print(err)
//	})}
//
// # Two documents
//
// openapi.Documented is what the documentation promises, openapi.Runtime what running clusters
// really answer. An answer that is right under the second and wrong under the first is one of the
// known deviations; one that is wrong under both is news.
//
// # What is checked
//
// Everything that the document says, and what validators commonly let pass: properties, query
// parameters and statuses that are not documented, formats, numbers that no int64 holds, keys that
// come twice, bytes after the end, content types, bodies where none belongs. Each of these is a
// [Rule] that [Validator.Without] switches off.
//
// All mistakes of an exchange are reported, as [*Violation] values joined in one error. A violation
// is one line. It shows no secret and no body: what is found is shown where it is short and cannot
// be secret, and described otherwise.
//
// # Where
//
// [Validator.CheckRequest] and [Validator.CheckResponse] check what is at hand;
// [Validator.Transport] sits in a client, [Validator.Handler] before a server, [ForTest] in a test,
// and [Validator.Recording] reads HAR files. [Validator.Coverage] tells what was exercised.
package contract
