package html

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// proof is an anomaly with the drawing of the operations that prove it, what
// else happened to the same object then, and what the nodes logged.
type proof struct {
	checkers.Anomaly
	Checker string
	Drawing template.HTML
	Ops     []opLine
	Faults  []active
	Last    string // the last fault before it, if none was active
}

// active is a fault window that was open during an anomaly.
type active struct{ Kind, Text string }

type opLine struct {
	Index    int
	Process  string
	Node     string
	What     string
	Start    string
	End      string
	Type     string
	Error    string
	Evidence bool // it is one of those that prove the anomaly
}

// logLine is a line that a node logged.
type logLine struct {
	at   int64
	node string
	text string
}

// logLines returns the log of all nodes in the order of time.
func logLines(o *run.Outcome) []logLine {
	lines := make([]logLine, 0, len(o.Logs))
	for _, l := range o.Logs {
		lines = append(lines, logLine{l.Time, fmt.Sprintf("n%d", l.Node+1), l.Text})
	}
	slices.SortStableFunc(lines, func(a, b logLine) int { return cmp.Compare(a.at, b.at) })
	return lines
}

// How much is shown around a proof.
const (
	mostCore   = 12         // operations that prove it
	mostAround = 8          // other operations on the same object
	mostLogs   = 20         // lines of logs
	margin     = int64(5e8) // of what is told before and after, in nanoseconds
)

// scene is what is told of an anomaly, each in the order of time.
type scene struct {
	core    []history.Call
	around  []history.Call
	moments []int64 // when something happened that is part of the proof
	windows []history.Window
	deaths  []*history.Op
	logs    []logLine
}

func (d *drawing) proof(checker string, a checkers.Anomaly) proof {
	p := proof{Anomaly: a, Checker: checker}
	s := d.scene(a)
	if len(s.moments) == 0 {
		return p
	}
	if q := newSequence(s); len(q.rows) > 0 {
		p.Drawing = q.draw()
	}
	if len(s.windows) == 0 {
		p.Last = d.lastBefore(s.moments[0])
	}
	for _, w := range s.windows {
		p.Faults = append(p.Faults, active{w.Kind, fmt.Sprintf("%s of %s from %s to %s, %s",
			shapeOf(w), words.Clip(strings.Join(w.Nodes, " "), mostShort), words.Seconds(w.Start), words.Seconds(w.End), words.Clip(string(w.Witness), mostWord))})
	}
	for _, c := range append(slices.Clone(s.core), s.around...) {
		p.Ops = append(p.Ops, describe(c, slices.Contains(a.Ops, c.Invoke.Index)))
	}
	slices.SortStableFunc(p.Ops, func(x, y opLine) int { return cmp.Compare(x.Index, y.Index) })
	return p
}

// lastBefore names the last fault that was over by then.
func (d *drawing) lastBefore(t int64) string {
	var last history.Window
	for _, w := range d.windows {
		if w.End < t && w.End >= last.End {
			last = w
		}
	}
	if last.Kind == "" {
		return ""
	}
	return fmt.Sprintf("%s of %s ended %s before", shapeOf(last), words.Clip(strings.Join(last.Nodes, " "), mostShort), span(t-last.End))
}

// scene gathers what is told of an anomaly.
func (d *drawing) scene(a checkers.Anomaly) scene {
	s := scene{core: d.callsOf(a.Ops)}
	for _, c := range s.core {
		s.moments = append(s.moments, c.Invoke.Time)
		if definite(c) {
			s.moments = append(s.moments, c.Complete.Time)
		}
	}
	if len(s.core) == 0 {
		s.moments = d.timesOf(a.Ops)
	}
	if len(s.moments) == 0 {
		return s
	}
	slices.Sort(s.moments)
	from, to := s.moments[0], s.moments[len(s.moments)-1]
	if len(s.core) > 0 {
		s.around = d.around(s.core, from, to)
	}
	for _, w := range d.windows {
		if w.Overlaps(from, to) {
			s.windows = append(s.windows, w)
		}
	}
	s.deaths = d.deaths(from-margin, to+margin)
	s.logs = d.logsNear(s.moments)
	return s
}

// definite reports whether it is known when a call was over.
func definite(c history.Call) bool { return c.Complete != nil && c.Complete.Type != history.Info }

// callsOf returns the calls with the given indices of invocation.
func (d *drawing) callsOf(ops []int) []history.Call {
	var calls []history.Call
	for _, c := range d.calls {
		if slices.Contains(ops, c.Invoke.Index) && len(calls) < mostCore {
			calls = append(calls, c)
		}
	}
	return calls
}

// timesOf returns when that happened which the records with the given indices
// tell of: a line of a log is recorded after the run.
func (d *drawing) timesOf(ops []int) []int64 {
	var times []int64
	for _, op := range d.history.Ops {
		if slices.Contains(ops, op.Index) && len(times) < mostCore {
			at, logged := op.Value.Get("at").Int()
			if !logged {
				at = op.Time
			}
			times = append(times, at)
		}
	}
	return times
}

// around returns what else was done to the same object in that time, and is
// known to have happened: the latest if there is too much.
func (d *drawing) around(core []history.Call, from, to int64) []history.Call {
	var others []history.Call
	for _, c := range slices.Backward(d.calls) {
		same := c.Invoke.Key.Equal(core[0].Invoke.Key)
		proves := slices.ContainsFunc(core, func(k history.Call) bool { return k.Invoke == c.Invoke })
		if same && !proves && c.Type() == history.OK && c.Invoke.Time <= to && c.Complete.Time >= from {
			if others = append(others, c); len(others) == mostAround {
				break
			}
		}
	}
	slices.Reverse(others)
	return others
}

// deaths returns the records of nodes that died by themselves in that time.
func (d *drawing) deaths(from, to int64) []*history.Op {
	var deaths []*history.Op
	for i := range d.history.Ops {
		op := &d.history.Ops[i]
		if op.Process == history.Nemesis && op.F == history.FDied && op.Time >= from && op.Time <= to && len(deaths) < mostCore {
			deaths = append(deaths, op)
		}
	}
	return deaths
}

// logsNear returns what nodes logged around moments: the nearest lines if there
// are too many.
func (d *drawing) logsNear(moments []int64) []logLine {
	from, to := moments[0]-margin, moments[len(moments)-1]+margin
	lines := slices.Clone(d.logs)
	lines = slices.DeleteFunc(lines, func(l logLine) bool { return l.at < from || l.at > to })
	slices.SortStableFunc(lines, func(a, b logLine) int { return cmp.Compare(distance(a.at, moments), distance(b.at, moments)) })
	lines = lines[:min(len(lines), mostLogs)]
	slices.SortStableFunc(lines, func(a, b logLine) int { return cmp.Compare(a.at, b.at) })
	return lines
}

// distance is how far t is from the nearest moment.
func distance(t int64, moments []int64) int64 {
	nearest := max(t-moments[0], moments[0]-t)
	for _, m := range moments {
		nearest = min(nearest, max(t-m, m-t))
	}
	return nearest
}

func describe(c history.Call, evidence bool) opLine {
	l := opLine{
		Index: c.Invoke.Index, Process: c.Invoke.Process.String(), Node: c.Invoke.Node, What: action(c),
		Start: precise(c.Invoke.Time), Type: c.Type().String(), Evidence: evidence, End: "never",
	}
	if c.Complete != nil {
		l.End, l.Error = precise(c.Complete.Time), words.Clip(c.Complete.Error, mostShort)
	}
	return l
}

// precise writes a time as explanations do.
func precise(ns int64) string { return fmt.Sprintf("%.3f ms", float64(ns)/1e6) }

// action writes what a call did: "write k6 507", "read k6 → 477".
func action(c history.Call) string {
	text := words.Clip(c.Invoke.F, mostWord)
	if !c.Invoke.Key.IsAbsent() {
		text += " " + words.Clip(word(c.Invoke.Key), mostWord)
	}
	v := c.Value()
	switch {
	case v.IsAbsent():
		return text
	case v.Equal(c.Invoke.Value):
		return text + " " + words.Clip(word(v), mostWord)
	default:
		return text + " → " + words.Clip(word(v), mostWord)
	}
}

// mostWord is how many characters of a key or a value are shown.
const mostWord = 40
