// Package health makes a run invalid in which a node died by itself or wrote to
// its log what a healthy node never writes.
//
// Both are recorded by the nemesis, which knows what it killed: a "died" record
// is a death that nobody caused, a "log" record is a line that matched one of
// the fatal patterns, such as "panic:" or "DATA RACE". Whatever the clients saw,
// such a run has found a bug.
package health

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "health"

// Names of the anomalies.
const (
	NodeDied     = "node-died"
	FatalLogLine = "fatal-log-line"
)

// Event is a death or a fatal line.
type Event struct {
	Anomaly string   `json:"anomaly"` // NodeDied or FatalLogLine
	Node    string   `json:"node"`
	Time    int64    `json:"time"`             // nanoseconds since the start of the run
	Reason  string   `json:"reason,omitempty"` // of a death: "exit status 2"
	Lines   []string `json:"lines"`            // from the log of the node
	Index   int      `json:"index"`            // of the record
}

// Report lists what happened to the nodes, in the order of the records.
type Report struct {
	Deaths int     `json:"deaths"`
	Lines  int     `json:"lines"`
	Events []Event `json:"events"`
}

// New returns a checker of the health of nodes.
func New() checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		return Check(h).result()
	})
}

// Check finds deaths and fatal lines.
func Check(h *history.History) Report {
	r := Report{Events: []Event{}}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Process != history.Nemesis {
			continue
		}
		switch op.F {
		case history.FDied:
			r.Deaths++
			r.Events = append(r.Events, event(NodeDied, op, op.Value.Get("lines")))
		case history.FLog:
			r.Lines++
			r.Events = append(r.Events, event(FatalLogLine, op, op.Value.Get("line")))
		}
	}
	return r
}

func event(anomaly string, op *history.Op, lines history.Value) Event {
	e := Event{Anomaly: anomaly, Node: op.Value.Get("node").Text(), Time: op.Time, Index: op.Index, Lines: []string{}}
	if e.Node == "" {
		e.Node = op.Node
	}
	if at, ok := op.Value.Get("at").Int(); ok {
		e.Time = at
	}
	e.Reason = text(op.Value.Get("reason"))
	if lines.Kind() == history.KindList {
		for _, line := range lines.Elems() {
			e.Lines = append(e.Lines, text(line))
		}
	} else if !lines.IsNil() {
		e.Lines = append(e.Lines, strings.Split(strings.TrimRight(text(lines), "\n"), "\n")...)
	}
	return e
}

// text returns a string as it is and anything else as it would be written.
func text(v history.Value) string {
	switch v.Kind() {
	case history.Absent, history.KindNil:
		return ""
	case history.KindString, history.KindKeyword:
		return v.Text()
	default:
		return v.String()
	}
}

func (r Report) result() checkers.Result {
	var result checkers.Result
	for _, e := range r.Events[:min(len(r.Events), checkers.MaxAnomalies)] {
		result.Verdict = checkers.Invalid
		result.Anomalies = append(result.Anomalies, checkers.Anomaly{Name: e.Anomaly, Explanation: e.explain(), Ops: []int{e.Index}})
	}
	return result.Detail(r)
}

// shownLines is how many lines of a log an explanation quotes.
const shownLines = 5

func (e Event) explain() string {
	if e.Anomaly == FatalLogLine {
		return fmt.Sprintf("node %s logged at %s: %s", e.Node, checkers.Millis(e.Time), strings.Join(e.Lines, " | "))
	}
	s := fmt.Sprintf("node %s died at %s, and no fault killed it", e.Node, checkers.Millis(e.Time))
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if n := len(e.Lines); n > 0 {
		s += "; its log says: " + strings.Join(e.Lines[:min(n, shownLines)], " | ")
	}
	return s
}
