// Package longfork judges snapshots: do all reads agree on the order in which
// independent writes became visible?
//
// Every key is written once, by a transaction of its own, and read together with
// others. A read that has key x and not yet key y says that x was written before
// its snapshot was taken, and y after. If another read has y and not x, the two
// have no common order: the system has forked, and both branches were shown.
// Snapshot isolation rules that out; parallel snapshot isolation, which keeps one
// log per site, allows it. This is Jepsen's long-fork.
//
// Jepsen compares reads of the same group of keys in pairs. Here writes and
// snapshots are the nodes of a graph, with an edge from each key that a read has
// to the read, and from the read to each key that it has not. All snapshots are
// prefixes of one order exactly if the graph has no cycle. That takes linear time,
// and finds forks between more than two reads and between groups that overlap.
//
//	long-fork     reads that no order of the writes explains
//	aborted-read  a read has a key whose only writes failed
//	unexpected    a read has a value of a key that nobody wrote
//
// Transactions are lists of micro-operations, [["w", k, v]] and [["r", k, v], …],
// whatever the operation is called. In histories without a single write whatever
// was read counts as written.
//
// A history in which no read was ok shows nothing and is unknown, and so is one
// in which a key is written twice: then not having seen one write proves nothing.
package longfork

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "long-fork"

// Names of the anomalies.
const (
	LongFork   = "long-fork"
	Aborted    = "aborted-read"
	Unexpected = "unexpected"
)

// Options say what the reads look like.
type Options struct {
	// GroupSize is how many keys every read has to have; 0 means any number.
	GroupSize int
}

// Report has the results of Jepsen's long-fork under their names.
type Report struct {
	Reads int     `json:"reads-count"`
	Early int     `json:"early-read-count"` // reads that had no key yet
	Late  int     `json:"late-read-count"`  // reads that had all their keys
	Forks [][]int `json:"forks"`            // reads that fork, by the indices of their invocations: at most MaxAnomalies

	ForkCount int `json:"fork-count"` // groups of keys, connected by reads, that have forks

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name

	aborted, unexpected int
}

// New returns a checker of long forks.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		result := checkers.Result{}
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case len(report.Anomalies) > 0:
			anomalies := report.Anomalies[:min(len(report.Anomalies), checkers.MaxAnomalies)]
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}
		case report.Reads == 0:
			return checkers.Unknownf("nothing was read: no transaction of reads was ok").Detail(report)
		}
		return certified(h, opts, result.Detail(report))
	})
}

// certified adds the certificate. There is none for records that name no process:
// nobody can say which of them belong together.
func certified(h *history.History, opts Options, r checkers.Result) checkers.Result {
	var parameters map[string]string
	if opts.GroupSize > 0 {
		parameters = map[string]string{"group-size": strconv.Itoa(opts.GroupSize)}
	}
	r = finding.Certified(r, Name, parameters, nil)
	certify := r.Certify
	r.Certify = func() (checkers.Claim, error) {
		if _, err := checkers.Paired(h); err != nil {
			return checkers.Claim{}, checkers.NoClaimf("%v", err)
		}
		return certify()
	}
	return r
}

// Check judges the transactions of h. It is an error if a value is no list of
// micro-operations, a key is written twice, or a read has not as many keys as the
// options ask for, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (Report, error) {
	j := judge{Report: Report{Forks: [][]int{}}, opts: opts}
	calls, err := paired(h)
	if err != nil {
		return j.Report, err
	}
	j.clock = checkers.ClockOf(calls)
	steps := []func(i int) error{
		func(i int) error { return j.writes(calls[i]) },
		func(i int) error { return j.reads(calls[i]) },
	}
	for n, step := range steps {
		for i := range calls {
			if i%4096 == 0 && context.Cause(ctx) != nil {
				return j.Report, fmt.Errorf("stopped after %d of %d transactions, in pass %d of 2: %w", i, len(calls), n+1, context.Cause(ctx))
			}
			if err := step(i); err != nil {
				return j.Report, err
			}
		}
	}
	for i := range j.snapshots {
		if err := j.values(&j.snapshots[i]); err != nil {
			return j.Report, err
		}
	}
	if context.Cause(ctx) != nil {
		return j.Report, fmt.Errorf("stopped after %d reads, before they were put in order: %w", j.Reads, context.Cause(ctx))
	}
	j.forks()
	return j.Report, nil
}

// paired returns the calls of h. Where no record names a process, as in examples
// that people write, nobody can say which completion belongs to which invocation.
// Time does not matter here, so each completion is then taken for a call.
func paired(h *history.History) ([]history.Call, error) {
	calls, err := checkers.Paired(h)
	if err == nil || slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.Process != history.NoProcess }) {
		return calls, err
	}
	calls = nil
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Type != history.Invoke {
			calls = append(calls, history.Call{Invoke: op, Complete: op})
		}
	}
	return calls, nil
}

// mop is a micro-operation.
type mop struct {
	write bool
	key   history.Value
	value history.Value
}

// mops reads the micro-operations of op.
func mops(op *history.Op) ([]mop, error) {
	var list []mop
	for _, e := range op.Value.Elems() {
		parts := e.Elems()
		if op.Value.Kind() != history.KindList || len(parts) < 2 {
			return nil, malformed(op)
		}
		m := mop{key: parts[1]}
		if len(parts) > 2 {
			m.value = parts[2]
		}
		switch parts[0].Text() {
		case "r", "read":
		case "w", "write":
			m.write = true
		default:
			return nil, malformed(op)
		}
		if !op.Key.IsAbsent() {
			m.key = history.Tuple(op.Key, m.key)
		}
		list = append(list, m)
	}
	return list, nil
}

func malformed(op *history.Op) error {
	return fmt.Errorf("index %d: the value of a transaction has to be a list of [\"r\", key, value] and [\"w\", key, value], not %v", op.Index, op.Value)
}
