// Package drawing draws anomalies as SVG files that stand by themselves.
//
// A drawing has up to three parts. Where the proof is a cycle, its operations
// stand in a circle, with an arrow for each step that says of what kind it is.
// Below, time runs from left to right, a lane for each process, with a place for
// each thing that happened, so that what overlapped can be read even where
// operations of a millisecond are seconds apart; the steps of the proof are
// arrows there too. At the bottom each step is a sentence.
package drawing

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/internal/svg"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// WriteAll draws each anomaly of a result into a directory, which it makes if
// need be: CHECKER-1.svg, CHECKER-2.svg and so on.
func WriteAll(dir string, h *history.History, r *run.Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("drawing: %w", err)
	}
	calls, err := h.Calls()
	if err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	for _, checker := range r.Judged {
		for i, anomaly := range r.Checkers[checker].Anomalies {
			path := filepath.Join(dir, fmt.Sprintf("%s-%d.svg", checker, i+1))
			if err := os.WriteFile(path, []byte(Draw(calls, anomaly)), 0o644); err != nil {
				return fmt.Errorf("drawing: %w", err)
			}
		}
	}
	return nil
}

// Draw returns the drawing of an anomaly among calls as an SVG file.
func Draw(calls []history.Call, anomaly checkers.Anomaly) string {
	d := newDrawing(calls, anomaly)
	d.layOut()
	d.canvas = svg.New(width, d.height)
	d.canvas.Rect(0, 0, width, d.height, "paper", "")
	d.drawTitle()
	if d.cycle {
		d.drawCircle()
	}
	d.drawLanes()
	d.drawSentences()
	return d.canvas.File("anomaly: "+anomaly.Name, style)
}

// drawing is a picture on its way.
type drawing struct {
	checkers.Anomaly
	core   []history.Call // the operations that prove it
	lanes  []history.Process
	times  []int // indexes of the records of the core, in their order
	cycle  bool  // the steps lead back to where they began
	canvas *svg.Canvas

	circleTop, lanesTop, textTop, height float64
	lines                                []string // of the sentences
}

// Measures of a drawing.
const (
	width      = 900.0
	left       = 20.0
	laneLeft   = 70.0
	laneHigh   = 58.0
	barHigh    = 26.0
	titleHigh  = 44.0
	circleHigh = 300.0 // of a cycle of three steps or more
	lensHigh   = 130.0 // of one of two steps
	boxWide    = 240.0
	boxHigh    = 24.0
	lineHigh   = 18.0
	textWide   = 130 // characters of a line of sentences
	letters    = 12.0
	mostOps    = 40 // drawn; what a proof has beyond is in its sentences only
	mostLines  = 80
)

func newDrawing(calls []history.Call, anomaly checkers.Anomaly) *drawing {
	d := &drawing{Anomaly: anomaly}
	for _, index := range anomaly.Ops {
		i, found := slices.BinarySearchFunc(calls, index, func(c history.Call, index int) int { return cmp.Compare(c.Invoke.Index, index) })
		if found && len(d.core) < mostOps {
			d.core = append(d.core, calls[i])
		}
	}
	slices.SortFunc(d.core, func(a, b history.Call) int { return cmp.Compare(a.Invoke.Index, b.Invoke.Index) })
	for _, c := range d.core {
		d.times = append(d.times, c.Invoke.Index)
		if c.Complete != nil && c.Type() != history.Info {
			d.times = append(d.times, c.Complete.Index)
		}
		if !slices.Contains(d.lanes, c.Invoke.Process) {
			d.lanes = append(d.lanes, c.Invoke.Process)
		}
	}
	slices.Sort(d.times)
	slices.Sort(d.lanes)
	d.cycle = isCycle(anomaly.Edges)
	return d
}

// isCycle reports whether each step begins where the one before it ended, and
// the first where the last one did.
func isCycle(edges []checkers.Edge) bool {
	for i, e := range edges {
		if e.To != edges[(i+1)%len(edges)].From {
			return false
		}
	}
	return len(edges) > 1
}

// layOut finds out where the parts are.
func (d *drawing) layOut() {
	y := titleHigh
	d.circleTop = y
	if d.cycle {
		y += d.circleHigh()
	}
	d.lanesTop = y
	y += float64(len(d.lanes))*laneHigh + 20
	d.textTop = y
	sentences := []string{d.Explanation}
	for _, e := range d.Edges {
		sentences = append(sentences, fmt.Sprintf("%d → %d (%s): %s", e.From, e.To, e.Kind, e.Why))
	}
	for _, s := range sentences {
		d.lines = append(d.lines, words.Wrap(words.Visible(s), textWide)...)
	}
	if len(d.lines) > mostLines {
		d.lines = append(d.lines[:mostLines], "…")
	}
	d.height = y + float64(len(d.lines))*lineHigh + 16
}

func (d *drawing) drawTitle() {
	title := d.Name
	if d.Key != "" {
		title += " of " + d.Key
	}
	d.canvas.Text(left, 28, "start", "title", words.Fit(words.Visible(title), width-2*left, 18))
}

// drawLanes draws the operations in the order of time.
func (d *drawing) drawLanes() {
	for i, p := range d.lanes {
		y := d.laneY(i)
		d.canvas.Line(laneLeft, y, width-left, y, "lane")
		d.canvas.Text(left, y+4, "start", "small", "p"+p.String())
	}
	for _, c := range d.core {
		d.drawBar(c)
	}
	for _, e := range d.Edges {
		d.drawStep(e)
	}
}

func (d *drawing) laneY(i int) float64 { return d.lanesTop + (float64(i)+0.5)*laneHigh }

// x is the place of a record.
func (d *drawing) x(index int) float64 {
	i, _ := slices.BinarySearch(d.times, index)
	return laneLeft + 10 + float64(i)*d.step()
}

func (d *drawing) step() float64 {
	return (width - left - laneLeft - 30) / float64(max(len(d.times), 1))
}

// span returns where a call begins, where it ends, and its lane. What may still
// be going on reaches to the edge.
func (d *drawing) span(c history.Call) (from, to, y float64) {
	y = d.laneY(slices.Index(d.lanes, c.Invoke.Process))
	to = width - left
	if c.Complete != nil && c.Type() != history.Info {
		to = d.x(c.Complete.Index)
	}
	return d.x(c.Invoke.Index), to, y
}

func (d *drawing) drawBar(c history.Call) {
	from, to, y := d.span(c)
	class := "op " + c.Type().String()
	d.canvas.Rect(from, y-barHigh/2, max(to-from, 4), barHigh, class, fmt.Sprintf("%d: %s, %v", c.Invoke.Index, action(c), c.Type()))
	d.canvas.Text(from+4, y+4, "start", "label", words.Fit(fmt.Sprintf("%d: %s", c.Invoke.Index, action(c)), max(to-from-8, 24), letters))
}

// drawStep draws an arrow for a step between two operations.
func (d *drawing) drawStep(e checkers.Edge) {
	from, to := d.find(e.From), d.find(e.To)
	if from == nil || to == nil || from == to {
		return
	}
	x1, end1, y1 := d.span(*from)
	x2, end2, y2 := d.span(*to)
	switch {
	case end1 < x2:
		x1 = end1 // the order that all can see
	case y1 == y2:
		return
	default:
		x1, x2 = (x1+min(end1, width-left))/2, (x2+min(end2, width-left))/2
	}
	d.canvas.Arrow(x1, y1+shift(y1, y2), x2, y2-shift(y1, y2), 10, "step "+kindClass(e.Kind), e.Kind+": "+e.Why)
	d.canvas.Text((x1+x2)/2, (y1+y2)/2-4, "middle", "kind "+kindClass(e.Kind), e.Kind)
}

// shift is from the middle of a bar to the edge that is nearer to the other one.
func shift(y1, y2 float64) float64 {
	switch {
	case y1 < y2:
		return barHigh / 2
	case y1 > y2:
		return -barHigh / 2
	default:
		return 0
	}
}

func (d *drawing) find(index int) *history.Call {
	for i := range d.core {
		if d.core[i].Invoke.Index == index {
			return &d.core[i]
		}
	}
	return nil
}

func (d *drawing) drawSentences() {
	for i, line := range d.lines {
		d.canvas.Text(left, d.textTop+float64(i)*lineHigh+10, "start", "say", line)
	}
}

// action writes what an operation did.
func action(c history.Call) string {
	text := c.Invoke.F
	if !c.Invoke.Key.IsAbsent() {
		text += " " + checkers.KeyName(c.Invoke.Key)
	}
	if v := c.Value(); !v.IsAbsent() {
		text += " " + words.Clip(v.String(), 60)
	}
	return words.Visible(text)
}

// kindClass is the class of a kind of step: one of those in the style.
func kindClass(kind string) string {
	kind, _, _ = strings.Cut(kind, "-")
	if slices.Contains([]string{"ww", "wr", "rw", "rt", "process"}, kind) {
		return kind
	}
	return "other"
}
