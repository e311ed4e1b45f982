// Command overlay applies an OpenAPI Overlay to an OpenAPI document and writes the result to standard output,
// with a header that names both files.
//
//	go run ./internal/overlay openapi/backup.yaml openapi/runtime.overlay.yaml
//
// An action whose target matches nothing is an error. Otherwise a deviation could silently get lost.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/speakeasy-api/openapi/overlay"
	"github.com/speakeasy-api/openapi/overlay/loader"
	"gopkg.in/yaml.v3"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: overlay DOCUMENT OVERLAY")
		os.Exit(2)
	}
	if err := apply(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "overlay:", err)
		os.Exit(1)
	}
}

func apply(w io.Writer, documentPath, overlayPath string) error {
	o, err := overlay.Parse(overlayPath)
	if err != nil {
		return err
	}
	document, err := loader.LoadSpecification(documentPath)
	if err != nil {
		return err
	}
	warnings, err := o.ApplyToStrict(document)
	if err != nil {
		return fmt.Errorf("%s: correct or remove this action: %w", overlayPath, err)
	}
	if len(warnings) > 0 {
		return fmt.Errorf("%s: %q", overlayPath, warnings)
	}
	if _, err := fmt.Fprintf(w, "# Code generated from %s with %s by make generate. DO NOT EDIT.\n", documentPath, overlayPath); err != nil {
		return err
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(document); err != nil {
		return err
	}
	return enc.Close()
}
