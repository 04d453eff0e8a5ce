package html

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/svg"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// sequence is a drawing of an anomaly. Time runs downwards and has a row for
// each thing that happened, so that the order of things and what overlapped can
// be read even where operations of a millisecond are seconds apart. Each process
// has a lane, with its operations as bars; beside them stand the faults that came
// and went and what the nodes logged, at the moment when they did.
type sequence struct {
	scene
	lanes  []lane
	width  float64 // of a lane
	textX  float64
	rows   []row
	starts map[*history.Op]float64 // places of the invocations of calls
	ends   map[*history.Op]float64 // places of their completions, by invocation
	height float64
}

type lane struct {
	process history.Process
	node    string
}

// row is a moment of a sequence.
type row struct {
	at    int64
	class string
	text  []string // lines
	call  *history.Call
	begin bool    // of call, or else its end
	gap   string  // how much time passed before it, if that was long
	y     float64 // of the middle of its first line
}

// Measures of a sequence.
const (
	timeRight  = 92.0 // where times end
	lanesLeft  = 104.0
	headHigh   = 40.0
	textLine   = 15.0
	rowHigh    = 22.0
	quietHigh  = 16.0 // of rows of what is not part of the proof
	gapHigh    = 24.0
	barWide    = 16.0
	quietWide  = 8.0
	charWide   = 6.8  // of the fixed-width letters of logs
	sayHigh    = 12.0 // of proportional letters
	mostLines  = 5    // of one text
	longGap    = 8    // a gap that takes more than this part of the time is written down
	leastLane  = 42.0
	mostLane   = 84.0
	lanesWidth = 470.0
)

func newSequence(s scene) *sequence {
	q := &sequence{scene: s, starts: map[*history.Op]float64{}, ends: map[*history.Op]float64{}}
	q.assignLanes()
	q.gather()
	q.layOut()
	return q
}

// assignLanes gives each process a lane, those of a node beside each other.
func (q *sequence) assignLanes() {
	for _, c := range slices.Concat(q.core, q.around) {
		if l := laneOf(c); !slices.Contains(q.lanes, l) {
			q.lanes = append(q.lanes, l)
		}
	}
	slices.SortFunc(q.lanes, func(a, b lane) int {
		return cmp.Or(cmp.Compare(len(a.node), len(b.node)), cmp.Compare(a.node, b.node), cmp.Compare(a.process, b.process))
	})
	q.width = min(max(lanesWidth/float64(max(len(q.lanes), 1)), leastLane), mostLane)
	q.textX = lanesLeft + float64(len(q.lanes))*q.width + 16
}

func laneOf(c history.Call) lane { return lane{c.Invoke.Process, c.Invoke.Node} }

// x is the middle of the lane of a call.
func (q *sequence) x(c history.Call) float64 {
	return lanesLeft + (float64(slices.Index(q.lanes, laneOf(c)))+0.5)*q.width
}

// gather collects the rows in the order of time.
func (q *sequence) gather() {
	for i := range q.core {
		q.addCall(&q.core[i], "say", "begins ")
	}
	for i := range q.around {
		q.addCall(&q.around[i], "quiet", "")
	}
	for _, w := range q.windows {
		q.addWindow(w)
	}
	for _, op := range q.deaths {
		q.add(op.Time, "bad", fmt.Sprintf("%s died: %s", op.Value.Get("node").Text(), op.Value.Get("reason").Text()))
	}
	for _, l := range q.logs {
		q.add(l.at, "log", l.node+" │ "+l.text)
	}
	slices.SortStableFunc(q.rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
}

func (q *sequence) add(at int64, class, text string) {
	lines := words.Wrap(words.Clip(words.Visible(text), mostLong), int((chartWidth-q.textX)/charWide))
	if len(lines) > mostLines {
		lines = append(lines[:mostLines-1], lines[mostLines-1]+" …")
	}
	for i := range lines {
		if class != "log" { // whose letters are all as wide
			lines[i] = words.Fit(lines[i], chartWidth-q.textX, sayHigh)
		}
	}
	q.rows = append(q.rows, row{at: at, class: class, text: lines})
}

// addCall adds the beginning of a call and, if it is known, its end. Only the
// end of what is not part of the proof is put in words.
func (q *sequence) addCall(c *history.Call, class, begins string) {
	who := strings.TrimSpace(words.Clip(c.Invoke.Node, mostWord) + " p" + c.Invoke.Process.String() + " ")
	text := ""
	if begins != "" {
		text = who + " " + begins + asked(*c)
	}
	q.add(c.Invoke.Time, class, text)
	q.rows[len(q.rows)-1].call, q.rows[len(q.rows)-1].begin = c, true
	if !definite(*c) {
		return
	}
	q.add(c.Complete.Time, class, who+" "+action(*c)+" "+c.Type().String())
	q.rows[len(q.rows)-1].call = c
}

// asked writes what a call was asked to do, without the answer.
func asked(c history.Call) string { return action(history.Call{Invoke: c.Invoke}) }

// addWindow adds the moments when a fault began and ended, if they are within
// the time that is told.
func (q *sequence) addWindow(w history.Window) {
	from, to := q.moments[0]-margin, q.moments[len(q.moments)-1]+margin
	what := shapeOf(w) + " of " + strings.Join(w.Nodes, " ")
	if w.Start >= from {
		q.add(w.Start, "edge "+fault(w.Kind), "▼ "+what+" in force")
	}
	if w.Healed > 0 && w.End <= to {
		q.add(w.End, "edge "+fault(w.Kind), "▲ "+what+" being healed")
	}
}

// layOut gives each row its place.
func (q *sequence) layOut() {
	y := headHigh
	if len(q.lanes) == 0 {
		y = 6
	}
	for i := range q.rows {
		r := &q.rows[i]
		if i > 0 {
			r.gap = q.gapBefore(i)
		}
		if r.gap != "" {
			y += gapHigh
		}
		r.y = y + textLine/2 + 1
		q.place(r)
		y += q.heightOf(r)
	}
	q.height = y + 8
}

func (q *sequence) heightOf(r *row) float64 {
	extra := float64(max(len(r.text)-1, 0)) * textLine
	if r.class == "say" {
		return rowHigh + extra
	}
	return quietHigh + extra
}

func (q *sequence) place(r *row) {
	switch {
	case r.call == nil:
	case r.begin:
		q.starts[r.call.Invoke] = r.y
	default:
		q.ends[r.call.Invoke] = r.y
	}
}

// gapBefore says how much time passed before row i, if it was a large part of
// all the time that is told.
func (q *sequence) gapBefore(i int) string {
	gap := q.rows[i].at - q.rows[i-1].at
	if gap <= (q.rows[len(q.rows)-1].at-q.rows[0].at)/longGap {
		return ""
	}
	return span(gap)
}

// span writes a length of time.
func span(ns int64) string {
	if ns >= 1e9 {
		return words.Seconds(ns)
	}
	return words.Millis(ns)
}

func (q *sequence) draw() template.HTML {
	c := svg.New(chartWidth, q.height)
	q.drawFaults(c)
	q.drawHead(c)
	for i := range q.rows {
		q.drawRow(c, i)
	}
	for _, call := range q.around {
		q.drawBar(c, call, quietWide, " context")
	}
	for _, call := range q.core {
		q.drawBar(c, call, barWide, "")
	}
	q.drawRelations(c)
	return template.HTML(c.String("the operations that prove it in the order of time, with faults and logs"))
}

// drawHead names nodes and processes, and draws the lanes.
func (q *sequence) drawHead(c *svg.Canvas) {
	if len(q.lanes) > 0 {
		c.Text(timeRight, 28, "end", "tick", "time")
	}
	for i, l := range q.lanes {
		x := lanesLeft + (float64(i)+0.5)*q.width
		if i == 0 || q.lanes[i-1].node != l.node {
			last := i
			for last+1 < len(q.lanes) && q.lanes[last+1].node == l.node {
				last++
			}
			c.Text(lanesLeft+float64(i+last+1)/2*q.width, 13, "middle", "node", words.Fit(l.node, q.width*float64(last+1-i), 11))
			c.Line(lanesLeft+float64(i)*q.width+4, 17, lanesLeft+float64(last+1)*q.width-4, 17, "node-line")
		}
		c.Text(x, 30, "middle", "tick", "p"+l.process.String())
		c.Line(x, headHigh-4, x, q.height-4, "grid")
	}
}

// drawFaults shades the lanes of the nodes that faults were aimed at, while
// they were.
func (q *sequence) drawFaults(c *svg.Canvas) {
	for _, w := range q.windows {
		top, bottom := q.y(w.Start), q.y(w.End)
		for i, l := range q.lanes {
			if slices.Contains(w.Nodes, l.node) {
				c.Rect(lanesLeft+float64(i)*q.width, top, q.width, bottom-top, "aimed "+fault(w.Kind), words.Clip(shapeOf(w)+" of "+l.node, mostShort))
			}
		}
	}
}

// y is the place of a moment between rows.
func (q *sequence) y(t int64) float64 {
	for i := range q.rows {
		if q.rows[i].at >= t {
			if i == 0 && q.rows[i].at > t {
				return headHigh - 4
			}
			return q.rows[i].y
		}
	}
	return q.height - 4
}

func (q *sequence) drawRow(c *svg.Canvas, i int) {
	r := &q.rows[i]
	if r.gap != "" {
		y := r.y - textLine/2 - gapHigh/2
		c.Line(lanesLeft, y-2, chartWidth, y-2, "break")
		c.Line(lanesLeft, y+2, chartWidth, y+2, "break")
		c.Text(timeRight, y+4, "end", "gap", r.gap+" later")
	}
	if i == 0 || q.rows[i-1].at != r.at {
		c.Text(timeRight, r.y+4, "end", "tick", precise(r.at))
	}
	if r.class == "say" {
		c.Line(q.x(*r.call)+barWide/2, r.y, q.textX-5, r.y, "leader")
	}
	for n, line := range r.text {
		c.Text(q.textX, r.y+4+float64(n)*textLine, "start", r.class, line)
	}
}

// drawBar draws a call from its beginning to its end. One whose end nobody
// knows goes on to the bottom and stays open there.
func (q *sequence) drawBar(c *svg.Canvas, call history.Call, width float64, class string) {
	top := q.starts[call.Invoke]
	bottom, known := q.ends[call.Invoke]
	if !known {
		bottom, class = q.height+10, class+" open" // beyond the edge, which cuts it
	}
	title := fmt.Sprintf("%d: %s, %s", call.Invoke.Index, action(call), call.Type())
	c.Rect(q.x(call)-width/2, top, width, max(bottom-top, 4), "op "+call.Type().String()+class, title)
}

// drawRelations draws what came before what, and what read from what, among
// the calls that prove the anomaly.
func (q *sequence) drawRelations(c *svg.Canvas) {
	for i, a := range q.core {
		for j, b := range q.core {
			if i == j {
				continue
			}
			ax, bx := q.x(a), q.x(b)
			if readsFrom(a, b) {
				c.Arrow(ax, q.starts[a.Invoke]+4, bx-3, q.answered(b), -22, "arrow from", action(b)+" got what "+action(a)+" wrote")
			}
			if directlyBefore(q.core, a, b) {
				c.Arrow(ax, q.ends[a.Invoke], bx, q.starts[b.Invoke], 12, "arrow before", action(a)+" ended before "+action(b)+" began")
			}
		}
	}
}

// answered is where the answer of a call came.
func (q *sequence) answered(c history.Call) float64 {
	if y, ok := q.ends[c.Invoke]; ok {
		return y
	}
	return q.height
}

// readsFrom reports whether b, of the same object, got the value that a wrote.
func readsFrom(a, b history.Call) bool {
	wrote, read := written(a), got(b)
	return !wrote.IsNil() && a.Type() != history.Fail && wrote.Equal(read) && a.Invoke.Key.Equal(b.Invoke.Key)
}

// written is the value that a call writes, if it writes one.
func written(c history.Call) history.Value {
	switch elems := c.Invoke.Value.Elems(); {
	case c.Invoke.F == "write" || c.Invoke.F == "put":
		return c.Invoke.Value
	case c.Invoke.F == "cas" && len(elems) == 2:
		return elems[1]
	default:
		return history.Value{}
	}
}

// got is the value that a call is known to have found.
func got(c history.Call) history.Value {
	if c.Type() != history.OK {
		return history.Value{}
	}
	switch elems := c.Complete.Value.Elems(); {
	case c.Invoke.F == "read" || c.Invoke.F == "get":
		return c.Complete.Value
	case c.Invoke.F == "cas" && len(elems) == 2:
		return elems[0]
	default:
		return history.Value{}
	}
}

// directlyBefore reports whether a ended before b began and no other of the
// calls lies between them.
func directlyBefore(calls []history.Call, a, b history.Call) bool {
	return before(a, b) && !slices.ContainsFunc(calls, func(c history.Call) bool { return before(a, c) && before(c, b) })
}

func before(a, b history.Call) bool { return definite(a) && a.Complete.Index < b.Invoke.Index }
