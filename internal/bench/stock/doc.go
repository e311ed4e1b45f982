// Package stock is the client that oapi-codegen generates from openapi/backup.yaml with its default settings.
package stock

//go:generate go -C ../../.. tool oapi-codegen -generate types,client -package stock -o internal/bench/stock/stock.gen.go openapi/backup.yaml
