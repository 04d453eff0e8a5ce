package html

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/svg"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// Measures of the overview: three strips on one time axis.
const (
	chartWidth  = 1060.0
	chartLeft   = 70.0
	chartRight  = 14.0
	latencyTop  = 20.0
	latencyHigh = 170.0
	rateTop     = latencyTop + latencyHigh + 28
	rateHigh    = 90.0
	lanesTop    = rateTop + rateHigh + 28
	laneHigh    = 19.0
	axisHigh    = 30.0
)

// axis maps time to a place from left to right.
type axis struct{ from, to int64 }

func (a axis) x(t int64) float64 {
	share := float64(t-a.from) / float64(max(a.to-a.from, 1))
	return chartLeft + min(max(share, 0), 1)*(chartWidth-chartLeft-chartRight)
}

// overview draws latency, throughput and fault windows over the whole run.
func (d *drawing) overview() template.HTML {
	if len(d.calls) == 0 {
		return ""
	}
	a := axis{0, d.end}
	tracks := d.tracks()
	height := lanesTop + float64(tracks.count)*laneHigh + axisHigh
	c := svg.New(chartWidth, height)
	timeTicks(c, a, height-axisHigh/2+2)
	for _, w := range d.windows {
		c.Rect(a.x(w.Start), latencyTop, a.x(w.End)-a.x(w.Start), height-axisHigh-latencyTop, "band "+fault(w.Kind), "")
	}
	d.latencies(c, a)
	d.rates(c, a)
	d.lanes(c, a, tracks)
	return template.HTML(c.String("latency, throughput and faults over time"))
}

// kinds returns the kinds of faults in the order in which they first appear.
func (d *drawing) kinds() []string {
	var kinds []string
	for _, w := range d.windows {
		if !slices.Contains(kinds, w.Kind) {
			kinds = append(kinds, w.Kind)
		}
	}
	return kinds
}

// fault is the class of a kind of fault; kinds that the page has no colour for
// share one.
func fault(kind string) string {
	if slices.Contains([]string{"partition", "kill", "pause", "clock", "power"}, kind) {
		return "f-" + kind
	}
	return "f-other"
}

// latencyScale maps latencies to places, on a logarithmic scale from 0.1 ms.
type latencyScale struct{ top float64 }

func (s latencyScale) y(ns int64) float64 {
	share := (math.Log10(float64(max(ns, 1e5))) - 5) / (s.top - 5)
	return latencyTop + latencyHigh*(1-share)
}

// latencies draws a dot for each operation.
func (d *drawing) latencies(c *svg.Canvas, a axis) {
	longest := int64(1e6)
	var dots [4][][2]float64
	for _, call := range d.calls {
		if call.Complete != nil {
			longest = max(longest, call.Complete.Time-call.Invoke.Time)
		}
	}
	scale := latencyScale{math.Log10(float64(longest)) + 0.15}
	for _, call := range d.calls {
		if call.Complete != nil {
			t := call.Type() & 3
			dots[t] = append(dots[t], [2]float64{a.x(call.Invoke.Time), scale.y(call.Complete.Time - call.Invoke.Time)})
		}
	}
	for exp := 5; exp <= int(scale.top); exp++ {
		at := scale.y(int64(math.Pow10(exp)))
		c.Line(chartLeft, at, chartWidth-chartRight, at, "grid")
		c.Text(chartLeft-6, at+4, "end", "tick", decade(exp))
	}
	c.Text(chartLeft, latencyTop-7, "start", "strip", "latency of each operation")
	for _, t := range []history.Type{history.OK, history.Fail, history.Info} {
		c.Dots("dot "+t.String(), dots[t])
	}
}

// decade writes a power of ten nanoseconds.
func decade(exp int) string {
	switch {
	case exp < 6:
		return "0.1 ms"
	case exp < 9:
		return fmt.Sprintf("%.0f ms", math.Pow10(exp-6))
	default:
		return fmt.Sprintf("%.0f s", math.Pow10(exp-9))
	}
}

// rates draws operations per second, stacked by how they ended.
func (d *drawing) rates(c *svg.Canvas, a axis) {
	series, width := d.perf.Series, d.perf.Width
	if width <= 0 || len(series) == 0 {
		return
	}
	most := 1
	for _, b := range series {
		most = max(most, b.OK+b.Fail+b.Info)
	}
	base := rateTop + rateHigh
	y := func(n int) float64 { return base - rateHigh*float64(n)/float64(most) }
	layers := []struct {
		class string
		upTo  func(i int) int
	}{
		{"area info", func(i int) int { return series[i].OK + series[i].Fail + series[i].Info }},
		{"area fail", func(i int) int { return series[i].OK + series[i].Fail }},
		{"area ok", func(i int) int { return series[i].OK }},
	}
	for _, l := range layers {
		var points [][2]float64
		for i, b := range series {
			points = append(points, [2]float64{a.x(b.Start), y(l.upTo(i))}, [2]float64{a.x(b.Start + width), y(l.upTo(i))})
		}
		c.Area(l.class, base, points)
	}
	c.Text(chartLeft, rateTop-7, "start", "strip", "operations that ended per second, stacked")
	c.Text(chartLeft-6, rateTop+8, "end", "tick", fmt.Sprintf("%.0f", float64(most)*1e9/float64(width)))
	c.Text(chartLeft-6, base, "end", "tick", "0")
}

// tracks gives every window a track of its own kind in which no other is open.
type tracks struct {
	of    []int    // the track of each window
	names []string // of the tracks; empty for further ones of the same kind
	count int
}

// mostTracks bounds the height of the overview; further windows share the last
// track of their kind.
const mostTracks = 4

func (d *drawing) tracks() tracks {
	t := tracks{of: make([]int, len(d.windows))}
	for _, kind := range d.kinds() {
		var busyUntil []int64
		for i, w := range d.windows {
			if w.Kind != kind {
				continue
			}
			free := slices.IndexFunc(busyUntil, func(end int64) bool { return end <= w.Start })
			switch {
			case free < 0 && len(busyUntil) < mostTracks:
				free = len(busyUntil)
				busyUntil = append(busyUntil, 0)
			case free < 0:
				free = mostTracks - 1
			}
			busyUntil[free] = w.End
			t.of[i] = t.count + free
		}
		t.names = append(t.names, append([]string{kind}, make([]string, len(busyUntil)-1)...)...)
		t.count = len(t.names)
	}
	return t
}

// lanes draws the fault windows below each other, those of a kind together.
func (d *drawing) lanes(c *svg.Canvas, a axis, t tracks) {
	if t.count > 0 {
		c.Text(chartLeft, lanesTop-7, "start", "strip", "faults and the nodes they were aimed at")
	}
	for i, name := range t.names {
		c.Text(chartLeft-6, lanesTop+float64(i)*laneHigh+13, "end", "tick", words.Fit(name, chartLeft-6, 11))
	}
	for i, w := range d.windows {
		drawWindow(c, a, w, lanesTop+float64(t.of[i])*laneHigh)
	}
}

func drawWindow(c *svg.Canvas, a axis, w history.Window, y float64) {
	label := strings.TrimSpace(w.Injected.Get("shape").Text() + " " + strings.Join(w.Nodes, " "))
	class := "window " + fault(w.Kind)
	if w.Witness != history.Confirmed {
		class += " doubtful"
	}
	title := fmt.Sprintf("%s %s, %s to %s, %s, exercised: %v", w.Kind, label, words.Seconds(w.Start), words.Seconds(w.End), w.Witness, w.Exercised)
	width := a.x(w.End) - a.x(w.Start)
	c.Rect(a.x(w.Start), y+2, width, laneHigh-4, class, words.Clip(title, mostShort))
	if width >= leastLabel {
		c.Text(a.x(w.Start)+4, y+13, "start", "inside", words.Fit(label, width-6, 10))
	}
}

// leastLabel is how wide a box must be to have words in it.
const leastLabel = 20.0

// timeTicks writes the time below a chart that begins at 0.
func timeTicks(c *svg.Canvas, a axis, y float64) {
	step := tickStep(a.to - a.from)
	for n := int64(0); n <= a.to/step; n++ {
		t := n * step
		c.Line(a.x(t), latencyTop, a.x(t), y-12, "grid")
		anchor := "middle"
		if a.x(t) > chartWidth-2*chartRight {
			anchor = "end"
		}
		c.Text(a.x(t), y, anchor, "tick", tickLabel(t, step))
	}
}

// tickStep returns a round step that gives at most a dozen ticks.
func tickStep(span int64) int64 {
	for step := int64(1e3); step < math.MaxInt64/10; step *= 10 {
		for _, m := range []int64{1, 2, 5} {
			if span/(m*step) <= 12 {
				return m * step
			}
		}
	}
	return math.MaxInt64
}

func tickLabel(t, step int64) string {
	switch {
	case step >= 1e9:
		return fmt.Sprintf("%d s", t/1e9)
	case step >= 1e6:
		return fmt.Sprintf("%d ms", t/1e6)
	default:
		return fmt.Sprintf("%d µs", t/1e3)
	}
}
