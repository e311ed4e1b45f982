package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A table is a Markdown table whose columns are aligned in plain text too.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	width := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string, fill string) {
		for i, cell := range cells {
			pad := strings.Repeat(fill, width[i]-utf8.RuneCountInString(cell))
			switch {
			case fill == "-" && i > 0:
				b.WriteString("|-" + pad + cell + ":")
			case fill == "-":
				b.WriteString("|-" + pad + cell + "-")
			case i > 0:
				b.WriteString("| " + pad + cell + " ")
			default:
				b.WriteString("| " + cell + pad + " ")
			}
		}
		b.WriteString("|\n")
	}
	line(t.header, " ")
	line(make([]string, len(t.header)), "-")
	for _, row := range t.rows {
		line(row, " ")
	}
	return b.String()
}

// figure formats a number with three significant digits, or more if its integer part has more.
func figure(v float64) string {
	switch {
	case v >= 1000:
		return thousands(int(v + 0.5))
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// thousands formats an integer with its digits in groups of three.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func ratio(v float64) string { return figure(v) }

func megabytes(v float64) string { return figure(v/(1<<20)) + " MiB" }

func kilobytes(v float64) string { return figure(v/(1<<10)) + " KiB" }

func percent(v float64) string { return fmt.Sprintf("%.0f %%", v*100) }

func duration(seconds float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
		if seconds >= 0.9995*unit.size { // so that rounding does not give 1000 of the smaller unit
			return figure(seconds/unit.size) + " " + unit.name
		}
	}
	return figure(seconds*1e9) + " ns"
}
