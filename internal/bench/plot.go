package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A plot is a line chart with two logarithmic axes, rendered as SVG.
type plot struct {
	title  string
	x, y   axis
	lines  []line
	accent string // the name of the line that is drawn thicker
}

type axis struct {
	title string
	ticks []float64
	label func(float64) string
}

type line struct {
	name   string
	points [][2]float64
}

// The size of the chart and of its margins.
const (
	plotWidth, plotHeight     = 860, 460
	plotLeft, plotRight       = 90, 250
	plotTop, plotBottom       = 50, 60
	plotInnerW                = plotWidth - plotLeft - plotRight
	plotInnerH                = plotHeight - plotTop - plotBottom
	labelHeight               = 17
	gridColour, textColour    = "#d9dde3", "#30363d"
	plotFont                  = "font-family=\"Helvetica, Arial, sans-serif\""
	thickLine, thinLine       = 3.0, 1.6
	bigText, mediumText, text = 16, 13, 12
)

// colours is a palette that is safe for colour-blind readers.
var colours = []string{"#b2182b", "#d98032", "#8c6bb1", "#4292c6", "#08519c", "#1b7837", "#737373"}

func (p *plot) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" %s role="img">`+"\n",
		plotWidth, plotHeight, plotWidth, plotHeight, plotFont)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(p.title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", plotWidth, plotHeight)
	b.WriteString(words(plotLeft, 28, bigText, "start", textColour, "bold", p.title))
	for _, v := range p.x.ticks {
		x := p.atX(v)
		fmt.Fprintf(&b, `<path d="M%.1f %d V%d" stroke="%s"/>`+"\n", x, plotTop, plotTop+plotInnerH, gridColour)
		b.WriteString(words(x, plotTop+plotInnerH+20, text, "middle", textColour, "normal", p.x.label(v)))
	}
	for _, v := range p.y.ticks {
		y := p.atY(v)
		fmt.Fprintf(&b, `<path d="M%d %.1f H%d" stroke="%s"/>`+"\n", plotLeft, y, plotLeft+plotInnerW, gridColour)
		b.WriteString(words(plotLeft-8, y+4, text, "end", textColour, "normal", p.y.label(v)))
	}
	b.WriteString(words(plotLeft+plotInnerW/2, plotHeight-16, mediumText, "middle", textColour, "normal", p.x.title))
	fmt.Fprintf(&b, `<g transform="translate(20 %d) rotate(-90)">%s</g>`+"\n", plotTop+plotInnerH/2,
		strings.TrimSpace(words(0, 0, mediumText, "middle", textColour, "normal", p.y.title)))

	labels := p.labelHeights()
	for i, l := range p.lines {
		colour, width := colours[i%len(colours)], thinLine
		if l.name == p.accent {
			width = thickLine
		}
		var path strings.Builder
		for j, point := range l.points {
			command := "L"
			if j == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, p.atX(point[0]), p.atY(point[1]))
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="%.1f" stroke-linejoin="round"/>`+"\n", &path, colour, width)
		for _, point := range l.points {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`+"\n", p.atX(point[0]), p.atY(point[1]), width+1, colour)
		}
		last := l.points[len(l.points)-1]
		fmt.Fprintf(&b, `<path d="M%.1f %.1f L%d %.1f" stroke="%s" stroke-width="0.6" stroke-dasharray="2 3"/>`+"\n",
			p.atX(last[0])+6, p.atY(last[1]), plotLeft+plotInnerW+14, labels[i]-4, colour)
		weight := "normal"
		if l.name == p.accent {
			weight = "bold"
		}
		b.WriteString(words(plotLeft+plotInnerW+18, labels[i], mediumText, "start", colour, weight, l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func words(x, y float64, size int, anchor, colour, weight, s string) string {
	return fmt.Sprintf(`<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s" font-weight="%s">%s</text>`+"\n",
		x, y, size, anchor, colour, weight, html.EscapeString(s))
}

// labelHeights returns the height of the label of each line: that of the end of the line, moved as far as needed
// to keep the labels apart.
func (p *plot) labelHeights() []float64 {
	heights := make([]float64, len(p.lines))
	order := make([]int, len(p.lines))
	for i, l := range p.lines {
		heights[i] = p.atY(l.points[len(l.points)-1][1]) + 4
		order[i] = i
	}
	for range 200 { // push overlapping labels apart; this converges quickly for a few lines
		for i := range order {
			for j := range order[:i] {
				gap := heights[i] - heights[j]
				if math.Abs(gap) >= labelHeight {
					continue
				}
				push := (labelHeight - math.Abs(gap)) / 2
				if gap < 0 {
					push = -push
				}
				heights[i] += push
				heights[j] -= push
			}
		}
	}
	return heights
}

func (p *plot) atX(v float64) float64 {
	return plotLeft + plotInnerW*share(v, p.x.ticks)
}

func (p *plot) atY(v float64) float64 {
	return plotTop + plotInnerH*(1-share(v, p.y.ticks))
}

// share returns the position of a value on the axis: 0 at the first tick, 1 at the last.
func share(v float64, ticks []float64) float64 {
	from, to := math.Log(ticks[0]), math.Log(ticks[len(ticks)-1])
	return (math.Log(v) - from) / (to - from)
}

// decades returns ticks for values: powers of ten, and also 2 and 5 times these if the range is small.
func decades(values []float64) []float64 {
	least, most := math.Inf(1), 0.0
	for _, v := range values {
		least, most = min(least, v), max(most, v)
	}
	steps := []float64{1, 2, 5}
	if most/least > 1000 {
		steps = []float64{1}
	}
	var ticks []float64
	for power := math.Floor(math.Log10(least)); power <= math.Ceil(math.Log10(most)); power++ {
		for _, step := range steps {
			ticks = append(ticks, step*math.Pow(10, power))
		}
	}
	for len(ticks) > 2 && ticks[1] <= least {
		ticks = ticks[1:]
	}
	for len(ticks) > 2 && ticks[len(ticks)-2] >= most {
		ticks = ticks[:len(ticks)-1]
	}
	return ticks
}

func (g *growth) plot() *plot {
	p := &plot{
		title:  "Time per backup of a page",
		accent: iterator,
		x:      axis{title: "backups in the page", label: func(v float64) string { return thousands(int(v)) }},
		y: axis{title: "time per backup", label: func(v float64) string {
			return strings.NewReplacer(".00 ", " ", ".0 ", " ").Replace(duration(v))
		}},
	}
	var all []float64
	for _, n := range g.sizes {
		p.x.ticks = append(p.x.ticks, float64(n))
	}
	for _, name := range g.names {
		l := line{name: name}
		for i, cost := range g.perItem[name] {
			l.points = append(l.points, [2]float64{float64(g.sizes[i]), cost})
			all = append(all, cost)
		}
		p.lines = append(p.lines, l)
	}
	p.y.ticks = decades(all)
	return p
}

func (g fleetGrowth) plot() *plot {
	p := &plot{
		title:  "Backups per second against the cluster in memory",
		accent: backupMany,
		x:      axis{title: "backups in flight", label: func(v float64) string { return fmt.Sprint(v) }},
		y:      axis{title: "backups per second", label: func(v float64) string { return thousands(int(v)) }},
	}
	var all []float64
	for _, r := range g {
		p.x.ticks = append(p.x.ticks, float64(r.concurrency))
	}
	for _, name := range []string{bareLoop, backupMany} {
		l := line{name: name}
		for _, r := range g {
			l.points = append(l.points, [2]float64{float64(r.concurrency), r.throughput(name)})
			all = append(all, r.throughput(name))
		}
		p.lines = append(p.lines, l)
	}
	p.y.ticks = decades(all)
	return p
}
