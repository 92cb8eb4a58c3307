// Package chart draws the results of benchmarks as an SVG.
package chart

import (
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// A Side is one of those that a chart compares. All sides ran the same
// benchmarks, or some of them.
type Side struct {
	Name   string
	Output io.Reader // of go test -bench, of any number of rounds
}

// widest limits the length of a bar, as a multiple of the first side's. Only the text
// of a bar that is cut off tells its value.
const widest = 1.5

// Write draws a row for each benchmark of the second side that the first has,
// too, in the order of the first side's output, and in each row a bar for each
// side: the median time per operation, in relation to the first side's.
func Write(w io.Writer, title string, sides []Side) error {
	var names []string
	seconds := make([]map[string][]float64, len(sides))
	for i, s := range sides {
		seconds[i] = map[string][]float64{}
		r := benchfmt.NewReader(s.Output, s.Name)
		for r.Scan() {
			res, ok := r.Result().(*benchfmt.Result)
			if !ok {
				continue // a line of a failed test, say
			}
			name := string(res.Name.Full())
			if j := strings.LastIndexByte(name, '-'); j > 0 {
				name = name[:j] // GOMAXPROCS
			}
			if sec, ok := res.Value("sec/op"); ok {
				if i == 0 && !slices.Contains(names, name) {
					names = append(names, name)
				}
				seconds[i][name] = append(seconds[i][name], sec)
			}
		}
		if err := r.Err(); err != nil {
			return fmt.Errorf("results of %s: %w", s.Name, err)
		}
	}
	var d drawing
	d.Title = title
	for i, s := range sides {
		d.Legend = append(d.Legend, bar{X: left + 120*float64(i), Y: 40, Class: class(i), Text: s.Name})
	}
	y := 70.0
	for _, name := range names {
		if len(sides) < 2 || len(seconds[1][name]) == 0 {
			continue
		}
		base := median(seconds[0][name])
		r := row{Name: name, Y: y + barHeight*float64(len(sides))/2}
		for i := range sides {
			if len(seconds[i][name]) == 0 {
				continue
			}
			sec := median(seconds[i][name])
			b := bar{X: left, Y: y, Width: unit * min(sec/base, widest), Class: class(i), Text: duration(sec)}
			if i > 0 {
				b.Text += fmt.Sprintf(", %.2f ×", sec/base)
			}
			b.End = b.X + b.Width + 4
			r.Bars = append(r.Bars, b)
			y += barHeight
		}
		d.Rows = append(d.Rows, r)
		y += 8
	}
	if len(d.Rows) == 0 {
		return fmt.Errorf("no benchmark has results of two sides")
	}
	d.Height = y + 10
	return svg.Execute(w, d)
}

// Lengths are in pixels.
const (
	left      = 260.0 // where the bars begin
	unit      = 300.0 // the first side's bar
	barHeight = 12.0
)

type drawing struct {
	Title  string
	Height float64
	Legend []bar
	Rows   []row
}

type row struct {
	Name string
	Y    float64
	Bars []bar
}

type bar struct {
	X, Y, Width, End float64
	Class, Text      string
}

func class(side int) string { return string(rune('a' + side)) }

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// duration formats seconds with three digits.
func duration(sec float64) string {
	for _, u := range []struct {
		name  string
		scale float64
	}{{"ns", 1e9}, {"µs", 1e6}, {"ms", 1e3}} {
		if x := sec * u.scale; x < 999.5 {
			return fmt.Sprintf("%.3g %s", x, u.name)
		}
	}
	return fmt.Sprintf("%.3g s", sec)
}

// A template of html/template escapes in SVG, too.
var svg = template.Must(template.New("svg").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{{.Height}}" font-family="sans-serif" font-size="11">
<style>.a { fill: #9aa5b1 } .b { fill: #00758d } .c { fill: #d9a441 } text { fill: #222 }</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="22" font-size="14">{{.Title}}</text>
{{- range .Legend}}
<rect x="{{.X}}" y="{{.Y}}" width="12" height="10" class="{{.Class}}"/><text x="{{.X}}" dx="16" y="{{.Y}}" dy="9">{{.Text}}</text>
{{- end}}
{{- range .Rows}}
<text x="250" y="{{.Y}}" dy="4" text-anchor="end">{{.Name}}</text>
{{- range .Bars}}
<rect x="{{.X}}" y="{{.Y}}" width="{{printf "%.1f" .Width}}" height="10" class="{{.Class}}"/><text x="{{printf "%.1f" .End}}" y="{{.Y}}" dy="9">{{.Text}}</text>
{{- end}}
{{- end}}
</svg>
`))
