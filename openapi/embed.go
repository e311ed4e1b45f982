// Package openapi holds the two OpenAPI documents of the Service Fabric backup API, for programs
// that check requests and answers against them.
//
// README.md beside this file says where each fact of the documents comes from.
package openapi

import _ "embed"

// Documented is backup.yaml, an OpenAPI 3.0.3 document: what the API promises.
//
//go:embed backup.yaml
var Documented []byte

// Runtime is runtime.gen.yaml: Documented with every change of runtime.overlay.yaml applied, which
// makes it what running clusters answer. The generated code and the client are made from it.
//
//go:embed runtime.gen.yaml
var Runtime []byte
