// Package txn judges histories of transactions: whether the isolation level that
// was promised explains what they read.
//
// # Dependencies
//
// Nothing is assumed about the database. What its transactions must have looked
// like is inferred from what they wrote and read (Adya, 1999; Kingsbury and
// Alvaro, VLDB 2020). Every value is written to a key only once, so a read names
// the transaction that it read from. Where the order of a key's versions is
// known too, transactions depend on each other:
//
//	ww        the second wrote the version after the one that the first wrote
//	wr        the second read what the first wrote
//	rw        the second wrote the version after the one that the first read
//	process   the same client did the second later
//	realtime  the second began after the first had finished
//
// A cycle of dependencies is an anomaly, and its edges say which:
//
//	G0             ww only: writes are interleaved
//	G1c            ww and wr: information flows in a circle
//	G-single       exactly one rw: a transaction saw a part of another one
//	G-nonadjacent  several rw, but no two in a row: long fork
//	G2-item        rw in a row: write skew
//
// with -process or -realtime added if such an edge is needed. Other anomalies
// need no cycle: internal, future-read, G1a (aborted read), G1b (intermediate
// read), dirty-update, duplicate-elements, incompatible-order, cyclic-versions,
// lost-update, thin-air-read.
//
// # Version orders
//
// Appending to lists shows the order of versions in every read. A linked
// register holds {"value": v, "previous": p}, so each version names the one it
// replaced. A plain register shows nothing but that the initial version came
// first; Options add what one is willing to assume. Where that leaves open which of
// two writes came first, and the level is serializability or snapshot isolation in
// any of their variants, package polygraph finds an order or proves that there is
// none; the same goes for elements of lists that nobody read, under snapshots.
//
// A transaction whose outcome is unknown happened if something it wrote was
// read. What it read is not used. Transactions that failed did not happen.
//
// # Search
//
// Strongly connected components find out whether a cycle exists in time linear
// in the size of the graph, also for cycles without two rw in a row: there the
// components are those of a graph with two copies of each transaction. Only then
// is a short cycle searched, inside the component. So there is no time limit on
// the search, and no cycle is missed. Real-time order costs a linear number of
// edges, through nodes that stand for moments.
//
// The cost is linear in the size of the history but for three things: sorting; at
// levels that forbid G-single but not G-nonadjacent (consistent-view and those
// next to it), where each 256 anti-dependencies within one component cost a walk
// through it; and what package polygraph says.
//
// # Certificates
//
// A verdict comes with evidence that the package verify confirms from the
// definitions: for ok a serial order of the transactions, a schedule of snapshots, or
// for levels that ask for no more an order of dependencies; for invalid an anomaly
// with its steps. There is none for ok at levels between read committed and
// serializable other than snapshot isolation, where the history keeps neither of the
// latter two; nor for histories that have completions only, nor where snapshot
// isolation is broken by elements of lists that nobody read, whatever their order was.
//
// # Levels
//
// The levels subpackage knows which levels each anomaly rules out. The verdict is
// on the levels that Options name; which others are impossible, and which remain
// possible, is in the Report.
package txn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Workload is what the transactions do.
type Workload uint8

// The workloads, by what their micro-operations are.
const (
	ListAppend     Workload = iota // [r k list] and [append k element]
	RWRegister                     // [r k value] and [w k value]
	LinkedRegister                 // the same, where values are {value: v, previous: p}
)

var workloadNames = [...]string{"list-append", "rw-register", "linked-register"}

// String returns the name of the workload, which its checker has as well.
func (w Workload) String() string { return workloadNames[w] }

// writes reports whether a micro-operation of the given name writes.
func (w Workload) writes(f string) (bool, error) {
	switch {
	case f == "r" || f == "read":
		return false, nil
	case w == ListAppend && (f == "append" || f == "a"), w != ListAppend && (f == "w" || f == "write"):
		return true, nil
	case w == ListAppend:
		return false, fmt.Errorf("want r or append")
	default:
		return false, fmt.Errorf("want r or w")
	}
}

// wrote is the verb for writes of the workload.
func (w Workload) wrote() string {
	if w == ListAppend {
		return "appended"
	}
	return "wrote"
}

// Options say how to judge. The zero Options ask for strict serializability of
// list-append transactions.
type Options struct {
	Workload Workload
	// Models are the consistency models that have to hold, under any of their
	// names (see levels.Of). If there are none and no Anomalies either, that is
	// strict serializability.
	Models []string
	// Anomalies must not occur either, nor any that imply them.
	Anomalies []string
	// Process and Realtime make cycles use the order of each process, and real
	// time, even where the models do not need them: to learn more than a verdict.
	Process, Realtime bool

	// What to assume about the order of versions of registers, one key taken by
	// itself: that each process meets versions in their order, that a version is
	// not met again once a later one was there before, in real time; and that in
	// a transaction what is written comes after what was read.
	SequentialKeys, LinearizableKeys, WFRKeys bool

	// TransactionOrder says in which order the database claims to have committed
	// the transactions: places by the index of their invocation. The versions of
	// registers that they wrote are then taken to come in this order. There is no
	// certificate for that.
	TransactionOrder map[int]int
}

// forbidden returns the anomalies that make a history invalid.
func (o Options) forbidden() (levels.Set, error) {
	models := o.Models
	if len(models) == 0 && len(o.Anomalies) == 0 {
		models = []string{levels.Default}
	}
	return levels.Forbidden(models, o.Anomalies)
}

// Edge is a dependency in a cycle.
type Edge struct {
	From  int    `json:"from"` // index of the invocation
	To    int    `json:"to"`   // index of the invocation of who depends on it
	Kind  string `json:"kind"` // ww, wr, rw, process or realtime
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"` // the version that the first one wrote or read
	Next  string `json:"next,omitempty"`  // the version after it, for ww and rw
	Steps []int  `json:"steps,omitempty"` // the places of the micro-operations in the two transactions, for ww, wr and rw
	Via   []int  `json:"via,omitempty"`   // indices of invocations of those that show the order of the versions
	Why   string `json:"why"`             // in words
}

// Anomaly is a proof that a level is not kept.
type Anomaly struct {
	checkers.Anomaly
	Cycle  []Edge `json:"cycle,omitempty"`  // if it is one
	Milder bool   `json:"milder,omitempty"` // a worse cycle among transactions that depend on the same ones implies it
	proof  proof
}

// Report is what is known about a history.
type Report struct {
	Verdict   checkers.Verdict
	Reason    string         // why it is unknown
	Anomalies []Anomaly      // the first ones of each name, the worst names first
	Count     map[string]int // how many there are, by name
	Forbidden levels.Set     // the names that the options forbid
	Not       []string       // the weakest models that are ruled out
	AlsoNot   []string       // the stronger ones that are ruled out with them
	Strongest []string       // the strongest models that remain possible
	Txns      int            // transactions
	OK        int            // those that were ok
	Nodes     int            // of the dependency graph
	Edges     int

	blind *blind // what decided which of two writes came first, if that was asked
}

// Details is what the checker puts into Result.Details.
type Details struct {
	Types     []string       `json:"anomaly-types"` // the names of what was found, the worst first
	Count     map[string]int `json:"count"`
	Tolerated []Anomaly      `json:"tolerated,omitempty"` // found, but the level allows them
	Cycles    [][]Edge       `json:"cycles"`              // of the anomalies of the result, by place; null for those that are no cycles
	Not       []string       `json:"not"`
	AlsoNot   []string       `json:"also-not"`
	Strongest []string       `json:"strongest"`
	Txns      int            `json:"txns"`
	OK        int            `json:"ok"`
	Nodes     int            `json:"nodes"`
	Edges     int            `json:"edges"`
}

// New returns a checker that is called after the workload.
func New(opts Options) checkers.Checker {
	forbidden, err := opts.forbidden()
	return checkers.New(opts.Workload.String(), func(ctx context.Context, h *history.History) checkers.Result {
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		report := check(ctx, h, opts, forbidden)
		result := report.Result()
		result.Certify = func() (checkers.Claim, error) { return report.certify(h, opts) }
		return result
	})
}

// nothing is the reason of histories that hold nothing to judge.
const nothing = "no transaction was ok: there is nothing to judge"

// Check judges h.
func Check(ctx context.Context, h *history.History, opts Options) Report {
	forbidden, err := opts.forbidden()
	if err != nil {
		return Report{Verdict: checkers.Unknown, Reason: err.Error()}
	}
	return check(ctx, h, opts, forbidden)
}

func check(ctx context.Context, h *history.History, opts Options, forbidden levels.Set) Report {
	if len(forbidden) == 0 {
		return checkStronger(ctx, h, opts)
	}
	calls, bare, err := transactions(h)
	if err != nil {
		return Report{Verdict: checkers.Unknown, Reason: err.Error()}
	}
	s := newStudy(calls, opts)
	s.bare, s.done = bare, func() bool { return context.Cause(ctx) != nil }
	if err := s.parse(); errors.Is(err, errLate) {
		return Report{Verdict: checkers.Unknown, Reason: err.Error() + ": " + lateness(ctx)}
	} else if err != nil {
		return Report{Verdict: checkers.Unknown, Reason: err.Error()}
	}
	return s.judge(ctx, forbidden)
}

// checkStronger judges by models that forbid nothing that can be looked for, such
// as causal or view-serializable: a history that keeps a stronger level keeps them
// too; of any other one nothing is known.
func checkStronger(ctx context.Context, h *history.History, opts Options) Report {
	stronger := "serializable"
	switch process, realtime := opts.keeps(); {
	case realtime:
		stronger = "strong-serializable"
	case process:
		stronger = "strong-session-serializable"
	}
	asked := strings.Join(opts.models(), ", ")
	opts.Models = []string{stronger}
	r := Check(ctx, h, opts)
	r.Forbidden = nil
	if r.Verdict == checkers.Invalid {
		r.Verdict, r.blind = checkers.Unknown, nil
		r.Reason = fmt.Sprintf("%s forbids nothing that this checker looks for, and the history is not %s, which would imply it", asked, stronger)
	}
	return r
}

func newStudy(calls []history.Call, opts Options) *study {
	return &study{opts: opts, calls: calls, clock: checkers.ClockOf(calls), findings: findings{count: make(map[string]int)}}
}

// infer finds the order of the versions of each key, and the anomalies that are
// no cycles.
func (s *study) infer() {
	if s.opts.Workload == ListAppend {
		s.lists()
	} else {
		s.registers()
	}
	s.lostUpdates()
}

// transactions returns the calls of a history. One that has completions only,
// as people write them down, is taken for transactions of which nobody knows
// when they began.
func transactions(h *history.History) (calls []history.Call, bare bool, err error) {
	bare = len(h.Ops) > 0 && !slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.Type == history.Invoke })
	if !bare {
		calls, err = checkers.Paired(h)
		return calls, false, err
	}
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Process != history.Nemesis {
			calls = append(calls, history.Call{Invoke: op, Complete: op})
		}
	}
	return calls, true, nil
}

// judge comes to a verdict.
func (s *study) judge(ctx context.Context, forbidden levels.Set) Report {
	r := Report{Forbidden: forbidden, Txns: len(s.txns), OK: s.ok}
	if s.ok == 0 {
		r.Verdict, r.Reason = checkers.Unknown, nothing
		return r
	}
	s.infer()
	if s.late {
		s.sum(&r)
		return r.undecided("stopped before the order of all versions was known: " + lateness(ctx))
	}
	process, realtime := s.orders(forbidden)
	g := s.build(process, realtime)
	r.Nodes, r.Edges = g.size(), len(g.to)
	if s.late {
		s.sum(&r)
		return r.undecided("stopped before all dependencies were drawn: " + lateness(ctx))
	}
	found, milder := g.cycles(s.over, !forbidden["G-nonadjacent-item"])
	for _, c := range found {
		s.cycle(c, false)
	}
	for _, c := range milder {
		s.cycle(c, true)
	}
	s.sum(&r)
	if s.over() {
		return r.undecided("stopped before all dependencies were searched: " + lateness(ctx))
	}
	s.decide(ctx, &r)
	return r
}

// lateness says why there is no time left.
func lateness(ctx context.Context) string {
	if err := context.Cause(ctx); err != nil {
		return err.Error()
	}
	return "no time was left"
}

// orders says which orders the forbidden anomalies need. Real time includes the
// order of processes, so both are used only on request.
func (s *study) orders(forbidden levels.Set) (process, realtime bool) {
	process, realtime = s.opts.Process, s.opts.Realtime
	for _, name := range []string{"G0", "G1c", "G-single-item", "G-nonadjacent-item", "G2-item"} {
		realtime = realtime || forbidden[name+"-realtime"]
	}
	if !realtime {
		process = process || forbidden.Has("G0-process", "G1c-process", "G-single-item-process", "G-nonadjacent-item-process", "G2-item-process")
	}
	return process, realtime
}

// sum puts what was found into the report.
func (s *study) sum(r *Report) {
	r.Count, r.Anomalies = s.count, s.list
	slices.SortStableFunc(r.Anomalies, func(a, b Anomaly) int { return severity(a.Name) - severity(b.Name) })
	var names []string
	for name := range s.count {
		names = append(names, name)
		if r.Forbidden[name] {
			r.Verdict = checkers.Invalid
		}
	}
	r.Not, r.AlsoNot = levels.Boundary(names)
	r.Strongest = levels.Strongest(names)
}

// undecided makes a report unknown that has found nothing so far.
func (r Report) undecided(reason string) Report {
	if r.Verdict == checkers.OK {
		r.Verdict, r.Reason = checkers.Unknown, reason
	}
	return r
}

// severities orders names: what is sooner is worse.
var severities = []string{"thin-air-read", "duplicate-elements", "incompatible-order", "cyclic-versions", "G1a", "dirty-update", "G1b", "future-read",
	"internal", "G0", "G1c", "lost-update", "G-single-item", "G-nonadjacent-item", "G2-item",
	"G0-process", "G1c-process", "G-single-item-process", "G-nonadjacent-item-process", "G2-item-process",
	"G0-realtime", "G1c-realtime", "G-single-item-realtime", "G-nonadjacent-item-realtime", "G2-item-realtime"}

func severity(name string) int { return slices.Index(severities, name) }

// Result sums the report up. Of each name the first anomaly comes first.
func (r Report) Result() checkers.Result {
	result := checkers.Result{Verdict: r.Verdict, Reason: r.Reason}
	if r.Txns == 0 || r.Reason == nothing {
		return result
	}
	d := Details{Types: r.types(), Count: r.Count, Not: r.Not, AlsoNot: r.AlsoNot, Strongest: r.Strongest, Txns: r.Txns, OK: r.OK, Nodes: r.Nodes, Edges: r.Edges}
	for _, a := range rounds(r.Anomalies) {
		switch {
		case !r.Forbidden[a.Name]:
			d.Tolerated = append(d.Tolerated, a)
		case len(result.Anomalies) < checkers.MaxAnomalies:
			result.Anomalies = append(result.Anomalies, a.Anomaly)
			d.Cycles = append(d.Cycles, a.Cycle)
		}
	}
	d.Tolerated = d.Tolerated[:min(len(d.Tolerated), checkers.MaxAnomalies)]
	return result.Detail(d)
}

// types returns the names of the anomalies, the worst first.
func (r Report) types() []string {
	names := make([]string, 0, len(r.Count))
	for name := range r.Count {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return severity(a) - severity(b) })
	return names
}

// rounds orders anomalies so that the first of each name come first, then the
// second ones, and so on; those that are implied come last.
func rounds(list []Anomaly) []Anomaly {
	round := make([]int, len(list))
	met := make(map[string]int)
	order := make([]int, len(list))
	for i, a := range list {
		round[i], order[i] = met[a.Name], i
		if a.Milder {
			round[i] += len(list)
		}
		met[a.Name]++
	}
	slices.SortStableFunc(order, func(i, j int) int { return round[i] - round[j] })
	sorted := make([]Anomaly, len(list))
	for i, at := range order {
		sorted[i] = list[at]
	}
	return sorted
}
