// Package health makes a run invalid in which a node died by itself, wrote to its
// log what a healthy node never writes, or served nobody any more.
//
// The first two are recorded by the nemesis, which knows what it killed: a "died"
// record is a death that nobody caused, a "log" record is a line that matched one
// of the fatal patterns, such as "panic:" or "DATA RACE". Whatever the clients saw,
// such a run has found a bug.
//
// A node serves nobody if all nodes had recovered, as they said themselves in the
// record "replicas", or had long enough time for that, and then for seconds none of
// the operations of the final phase through it was ok. Byzantine nodes owe nobody an
// answer, and dead ones cannot give any.
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
	NoService    = "no-service"
)

// Event is a death, a fatal line, or a node that serves nobody.
type Event struct {
	Anomaly string   `json:"anomaly"` // NodeDied, FatalLogLine or NoService
	Node    string   `json:"node"`
	Time    int64    `json:"time"`             // nanoseconds since the start of the run
	Reason  string   `json:"reason,omitempty"` // of a death: "exit status 2"; of no service: what was asked in vain
	Lines   []string `json:"lines"`            // from the log of the node
	Index   int      `json:"index"`            // of the record
	late    bool     // not all nodes had recovered
	ops     []int    // that show it besides
}

// Report lists what happened to the nodes, in the order of the records, and then
// who serves nobody.
type Report struct {
	Deaths   int     `json:"deaths"`
	Lines    int     `json:"lines"`
	Unserved int     `json:"unserved"` // nodes that serve nobody
	Events   []Event `json:"events"`
}

// New returns a checker of the health of nodes.
func New() checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		return Check(h).result()
	})
}

// Check finds deaths, fatal lines, and nodes that serve nobody.
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
	r.unserved(h)
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
		result.Anomalies = append(result.Anomalies, checkers.Anomaly{Name: e.Anomaly, Explanation: e.explain(), Ops: append([]int{e.Index}, e.ops...)})
	}
	return result.Detail(r)
}

// shownLines is how many lines of a log an explanation quotes.
const shownLines = 5

func (e Event) explain() string {
	switch e.Anomaly {
	case FatalLogLine:
		return fmt.Sprintf("node %s logged at %s: %s", e.Node, checkers.Millis(e.Time), strings.Join(e.Lines, " | "))
	case NoService:
		had := "all nodes had recovered"
		if e.late {
			had = "all nodes had their time to recover"
		}
		return fmt.Sprintf("%s at %s, but node %s serves nobody: %s", had, checkers.Millis(e.Time), e.Node, e.Reason)
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
