// Package contract checks requests and responses of the Service Fabric backup API against its OpenAPI
// document.
//
//	func TestBackup(t *testing.T) {
//		client := &http.Client{Transport: contract.ForTest(t, validator, nil)}
//
// The validator is shared by all tests of a package; see TestMain below.
//
// # Two documents
//
// openapi.Documented is the machine-readable form of the documentation, which is Microsoft's REST API
// reference of Service Fabric, version 6.4. openapi.Runtime describes what running clusters send and accept. A
// response that is valid only under openapi.Runtime deviates from the documentation in a known way. A response that
// is invalid under both deviates in an unknown way. Tests of a client or of a fake take openapi.Runtime.
//
// # Where to use it
//
//   - [ForTest], in a test of a client: an exchange with violations fails the test.
//   - [ForTestHandler], in a test with a fake server: the same, whichever client calls it.
//   - [Validator.Transport], in a client outside tests: it calls a function for each exchange with violations.
//   - [Validator.Handler], in front of a server, a gateway or a fake outside tests.
//   - [Validator.Recording], for the exchanges in a HAR file.
//   - [Validator.CheckRequest] and [Validator.CheckResponse], for single messages.
//
// A test of a fake should require what every server sends, so that the fake does not forget it: [Validator.Strict].
// A deviation that is known and stays is allowed at its place with [Validator.Allow], and a kind of check that is of
// no interest is disabled with [Validator.Without]. [Validator.Unused] finds allowances that nothing needs any more,
// and [Validator.Coverage] the parts of the document that no exchange used; some of them, such as the values Invalid of
// the enumerations, never occur. Both are for TestMain, after all tests:
//
//	var validator *contract.Validator
//
//	func TestMain(m *testing.M) {
//		v, err := contract.New(openapi.Runtime)
//		if err != nil {
//			log.Fatal(err)
//		}
//		validator = v.Allow("GetPartitionBackupList", "/Items/*/Tag", contract.RuleProperty) // our gateway adds it
//		flag.Parse()
//		code := m.Run()
//		if flag.Lookup("test.run").Value.String() == "" { // all tests ran
//			for _, unused := range validator.Unused() {
//				fmt.Println("not needed:", unused)
//				code = 1
//			}
//			for _, item := range validator.Coverage().Missing() {
//				if item.Kind == contract.CoverageOperation {
//					fmt.Println("not tested:", item.Name)
//				}
//			}
//		}
//		os.Exit(code)
//	}
//
// # What is checked
//
// The validator checks everything that the document states about paths, queries, statuses, content types and
// bodies. A path may begin with any prefix, as behind a gateway. The validator also checks what others often
// do not: undocumented properties, undocumented query parameters, undocumented statuses, formats, integers
// out of range, duplicate keys, trailing data, content types, compressed bodies that are corrupt, and bodies where
// none is documented. Every check has a [Rule].
//
// All violations of an exchange, that is a request and its response, are reported as [*Violation] values
// joined in one error. Violations that differ only in the indices of arrays are one with a count. Of a string with an
// invalid format only the format is reported. A violation is one line, without objects, arrays and secrets. Of a
// response it shows numbers, booleans, and strings or the beginning of a long one, unless the document does not have
// the string or marks it as writeOnly or as a password. Of a request it shows only what cannot be a secret, such as
// the method, the content type, or a number where one is expected. Elsewhere it gives the type and size of the value.
//
// # What is not checked
//
//   - What one message alone cannot show: whether a continuation token is the one of the page before, was encoded
//     twice, or lost a "+" that arrived as a space; whether a list is complete or a progress goes back.
//   - Headers other than Content-Type and Content-Encoding, and so credentials.
//   - Bodies in an encoding other than gzip and deflate, bodies of which no complete value was read, and texts that are
//     not JSON, such as pages of HTML.
//   - The values of strings that the document does not describe, such as locations and messages.
//
// # Limits
//
// Time and memory are linear in the size of what is checked, whatever it contains. Bodies are kept up to a limit
// ([Validator.WithBodyLimit], 32 MiB); a longer one passes and is a violation of [RuleLimit]. An error has at most
// 1,000 violations and says how many more there are, and its text at most 64 KiB. README.md compares what this package
// and other validators find, and at what cost.
package contract
