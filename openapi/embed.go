// Package openapi embeds the two OpenAPI documents of the Service Fabric backup API, for programs that
// validate requests and responses.
//
// README.md in the same directory gives the source of each fact in the documents.
package openapi

import _ "embed"

// Documented is backup.yaml, an OpenAPI 3.0.3 document that describes what the API promises.
//
//go:embed backup.yaml
var Documented []byte

// Runtime is runtime.gen.yaml: Documented with runtime.overlay.yaml applied, which adds the deviations of
// running clusters. The generated code and the client are based on it.
//
//go:embed runtime.gen.yaml
var Runtime []byte
