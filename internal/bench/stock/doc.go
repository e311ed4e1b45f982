// Package stock is what oapi-codegen makes of the document with its default settings: the client that
// a reader of openapi/backup.yaml has after one command.
package stock

//go:generate go -C ../../.. tool oapi-codegen -generate types,client -package stock -o internal/bench/stock/stock.gen.go openapi/backup.yaml
