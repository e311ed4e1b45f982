//go:build tools

// Package tools pins the generator that writes package generated. The tool line of go.mod makes it
// available as "go tool oapi-codegen"; this import keeps the version where people expect it.
package tools

import _ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
