// Package text turns texts of servers and of other packages into what errors and logs may show: one
// line, of limited length, without the queries of URLs. It also reads the body of an error response.
package text
