// Package linear judges whether histories are linearizable: whether every
// operation can be given a moment between its invocation and its completion, so
// that one object, used at those moments by one process after the other, would
// have answered the same (Herlihy and Wing, 1990).
//
// Linearizability is local: a history is linearizable if the operations on each
// key are. So the operations are parted by key, and keys are judged in parallel.
// So are the parts of a key that have nothing to do with each other: registers
// that no transaction uses together, and the elements of a set that nobody reads
// as a whole (P-compositionality: Horn and Kroening, 2015).
//
// What the object is, its [Model] says: a register, a lock, a queue, a set, a
// counter, a store of texts, a log. An operation that failed did not happen; one
// without an answer may have happened at any time after it began, or never.
// Those that nobody can have seen are dropped, which is exact, and matters: it is
// crashed operations that make searches long.
//
// # What decides
//
// Deciding is NP-complete in general (Gibbons and Korach, 1997). But where no two
// operations write the same value, what was read names what it came from, and an
// algorithm in n log n knows the answer:
//
//	object              where values are unique                       elsewhere
//	register, cas       zones                                         frontier
//	kv                  zones, also with append                       frontier
//	fifo queue          package fifo                                  frontier
//	unordered queue     package bag, unless one was called empty      frontier
//	set                 package sets, unless elements are removed     frontier
//	anything else       frontier
//
// Zones: all operations on one value form a cluster that nothing else can come
// between. Let first be the time at which the first of them finished, and last the
// time at which the last of them began: cluster A has to come before cluster B if
// first(A) < last(B). A history is linearizable if no two clusters have to come
// before each other, which a sort and a binary search find out (Gibbons and
// Korach, 1997). Compare-and-set links two clusters to a chain, which is judged
// as one, and so does append. An operation whose outcome is unknown happened if
// its value was seen, directly or through others.
//
// The frontier is a search (Wing and Gong, 1993; Lowe, 2017) that goes along the
// history with nothing but a mask of the operations that are open and the state
// of the object, and never comes to the same place twice: with k operations open
// at a time, n*2^k places at most, times the number of states (Lee and Mathur,
// 2026). How long the history is hardly matters, how many clients there are does.
// Crashed operations take no place in the mask: those that do the same are counted.
//
// Porcupine, a search of another kind, takes over where more than 64 operations
// are open at a time. Searches have a budget of time and memory together. One
// that exceeds it is unknown, never ok. A hard key gets a few steps first, so that
// it does not use up the time for the others, and is left undecided if one of
// these is invalid.
//
// # Explanations
//
// Every anomaly comes with few operations that show it, under the name of its
// shape. Of registers:
//
//	stale-read     an overwritten value was read
//	lost-write     an acknowledged write was never seen, or an update was built on what it had overwritten
//	resurrection   a value that had been seen gave way to an older one for good
//	split-brain    two writes raced, and nodes kept serving one or the other
//	dirty-read     the value of a write that failed was read
//	thin-air-read  a value that nobody wrote was read
//	future-read    a value was read before its write began
//	double-cas     two compare-and-sets replaced the same value
//	circular-cas   compare-and-sets each needed the value of the next one
//	incompatible-order  what was appended once was read behind two different texts
//
// Of queues and sets:
//
//	unexpected   an element came out, or was seen, that nobody had put there
//	duplicate    an element was taken more often than it had been put there
//	lost         an element was left behind by later ones for good
//	reordered    an element was left behind by later ones for a while
//	false-empty  a queue was called empty, and was not at any moment
//	stale-read   a set was seen as it cannot have been at that time
//
// Of locks and counters, and of whatever a search found:
//
//	double-grant    a lock was acquired, or permits were, that others held
//	unheld-release  a lock was released that was not held
//	wrong-count     a counter was read that cannot have had this value
//	nonlinearizable  none of these, but no order explains the operations
//
// Of texts and logs, stale-read, lost-write or lost, reordered, duplicate and
// incompatible-order mean the same as above. Transactions have names of package txn
// where what they found contradicts itself at any time: lost-update, G-single-item,
// G2-item, G1b, G1c, internal.
//
// A search finds a moment by which there is no order any more. Of what had happened
// by then, everything is left out that makes no difference. If few operations stay,
// all their orders are tried, and a name is only given if that proves it: a stale-read
// is one that could be explained if it had been free to take effect earlier, a
// future-read if it had been later; elements of a queue were reordered if they would
// do for a bag. The reason is the first of these that there is:
//
//   - an argument about order: who found what from whom, so that in between nothing
//     else can have been, until an operation would come before itself ([checkers.Edge]);
//   - a count: of permits, of elements, of what had been added;
//   - the orders that the answers allow, if they are no more than three, and for each
//     what in real time speaks against it;
//   - the longest order, what the object held after it, and for each operation that
//     can be next why it cannot.
//
// # Certificates
//
// The evidence for ok is an order of the operations on each key ([Orders]). That
// for invalid is one of [Cycle], [Unwritten], [Excess], [Passed], [Covered],
// [Impossible], or, after a search, [Refuted]: the operations among which no order
// is to be found. The package harness/verify confirms them.
package linear

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "linear"

// Engine is a way to decide.
type Engine uint8

// Auto takes zones for registers and a monitor for queues and sets, where values
// are unique; else the frontier, and Porcupine where too many operations are open
// at a time for that. The others force one engine, for cross-checks and
// benchmarks: they say unknown where it cannot help.
const (
	Auto Engine = iota
	Zones
	Porcupine
	Frontier
	Monitor
)

var engineNames = [...]string{"auto", "zones", "porcupine", "frontier", "monitor"}

// String returns the name of the engine.
func (e Engine) String() string { return engineNames[e] }

// The budget of a search that was given none.
const (
	DefaultTimeout = 30 * time.Second
	DefaultMemory  = 2 << 30
)

// Options say how to judge. The zero Options are ready for use.
type Options struct {
	Model   Model         // the object; without a name it is CASRegister
	Engine  Engine        // Auto unless forced
	Timeout time.Duration // for all searches together; 0 is DefaultTimeout
	Memory  uint64        // bytes by which the heap may grow in a search; 0 is DefaultMemory
	Workers int           // keys judged at the same time; 0 is GOMAXPROCS
}

func (o Options) filled() Options {
	if o.Model.Name == "" {
		m := CASRegister()
		m.Initial, m.NilMatchesAny = o.Model.Initial, o.Model.NilMatchesAny
		o.Model = m
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return o
}

// KeyReport is the verdict on one key.
type KeyReport struct {
	Key       string             `json:"key,omitempty"`
	Verdict   checkers.Verdict   `json:"verdict"`
	Reason    string             `json:"reason,omitempty"`
	Engine    string             `json:"engine"`
	Ops       int                `json:"ops"`     // operations that had to be ordered
	Judged    int                `json:"judged"`  // operations that were ok
	Dropped   int                `json:"dropped"` // info operations that nobody saw
	Anomalies []checkers.Anomaly `json:"anomalies,omitempty"`

	// prove returns the evidence for the verdict: an [Order], or anything else
	// that proves that there is none.
	prove func() (any, error)
	// putOff is true if the search was ended so that other keys have their turn.
	putOff bool
}

// Report is the verdict on a history, key by key in the order of first
// appearance.
type Report struct {
	Keys   []KeyReport
	Reason string // why nothing could be judged at all
}

// Details is what the checker puts into Result.Details.
type Details struct {
	Model   string         `json:"model"`
	Keys    int            `json:"keys"`
	OK      int            `json:"ok"`      // keys that are linearizable
	Idle    int            `json:"idle"`    // keys with nothing to judge
	Ops     int            `json:"ops"`     // operations that had to be ordered
	Judged  int            `json:"judged"`  // operations that were ok
	Dropped int            `json:"dropped"` // info operations that nobody saw
	Engines map[string]int `json:"engines"` // keys by engine
	Bad     []KeyReport    `json:"bad"`     // the first keys that are not ok
}

// New returns a checker of linearizability.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		return Check(ctx, h, opts).result(opts.filled().Model)
	})
}

// Check judges h key by key.
func Check(ctx context.Context, h *history.History, opts Options) Report {
	opts = opts.filled()
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{Reason: err.Error()}
	}
	keys, objects := byKey(calls)
	report := Report{Keys: make([]KeyReport, len(objects))}
	b := newBudget(ctx, opts)
	defer b.stop()
	one := func(i int) {
		k := judge(objects[i], opts, b)
		k.Key = checkers.KeyName(keys.Value(int32(i)))
		for j := range k.Anomalies {
			k.Anomalies[j].Key = k.Key
		}
		report.Keys[i] = k
	}
	// A hard key must not use up the time for the others: each gets a few steps
	// first. If one of them is invalid, so is the history, and those that are hard
	// stay undecided.
	hard := make([]int, len(objects))
	for i := range hard {
		hard[i] = i
	}
	for _, b.steps = range turns {
		parallel(opts.Workers, len(hard), func(i int) { one(hard[i]) })
		if hard = report.putOff(); len(hard) == 0 || report.invalid() {
			break
		}
	}
	return report
}

// turns is how many steps the search of a key may take, turn by turn. The last
// turn has no limit.
var turns = [...]int{2_000, 100_000, 0}

func (r Report) invalid() bool {
	return slices.ContainsFunc(r.Keys, func(k KeyReport) bool { return k.Verdict == checkers.Invalid })
}

// putOff returns the keys whose search was put off.
func (r Report) putOff() []int {
	var keys []int
	for i, k := range r.Keys {
		if k.putOff {
			keys = append(keys, i)
		}
	}
	return keys
}

// byKey parts calls by their keys, which are numbered in the order of first
// appearance.
func byKey(calls []history.Call) (*intern.Table, [][]history.Call) {
	keys := new(intern.Table)
	of := make([]int32, len(calls))
	var sizes []int
	for i := range calls {
		of[i] = keys.ID(calls[i].Invoke.Key)
		if int(of[i]) == len(sizes) {
			sizes = append(sizes, 0)
		}
		sizes[of[i]]++
	}
	if len(sizes) == 1 {
		return keys, [][]history.Call{calls}
	}
	objects := make([][]history.Call, len(sizes))
	for k, n := range sizes {
		objects[k] = make([]history.Call, 0, n)
	}
	for i := range calls {
		objects[of[i]] = append(objects[of[i]], calls[i])
	}
	return keys, objects
}

// parallel calls do for 0 to n-1 from at most the given number of goroutines. A
// panic in one of them is raised again in the caller.
func parallel(workers, n int, do func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var failure atomic.Value
	work := func() {
		defer func() {
			if p := recover(); p != nil {
				failure.CompareAndSwap(nil, fmt.Sprintf("%v\n%s", p, debug.Stack()))
			}
		}()
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	for range min(workers, n) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if p := failure.Load(); p != nil {
		panic(p)
	}
}

// judge judges the calls on one key.
func judge(calls []history.Call, opts Options, b *budget) KeyReport {
	if err := context.Cause(b.ctx); err != nil {
		return KeyReport{Verdict: checkers.Unknown, Reason: "stopped before it was judged: " + err.Error()}
	}
	if opts.Model.isRegister(calls) {
		return judgeRegister(calls, opts, b)
	}
	if opts.Model.texts && (opts.Engine == Auto || opts.Engine == Zones) {
		if c, ok := opts.Model.chained(calls); ok {
			return judgeChains(c, opts.Model)
		}
	}
	p, err := decoded(opts.Model, calls)
	if err != nil {
		return KeyReport{Verdict: checkers.Unknown, Reason: err.Error()}
	}
	k := KeyReport{Engine: opts.Engine.String(), Ops: len(p.ops), Judged: p.judged}
	switch {
	case p.judged == 0:
		k.Verdict, k.Reason = checkers.Unknown, nothing
	case opts.Engine == Zones:
		k.Verdict, k.Reason = checkers.Unknown, "zones are for registers of unique values only"
	case (opts.Engine == Auto || opts.Engine == Monitor) && k.monitor(p, b):
	case opts.Engine == Monitor:
		k.Verdict, k.Reason = checkers.Unknown, "this takes a search: the model has no other algorithm, or elements cannot be told apart"
	default:
		p.drop()
		k.Ops, k.Dropped = len(p.ops), p.total-len(p.ops)
		k.search(p, opts, b)
		k.prove = again{calls, opts}.prove
	}
	return k
}

// isRegister reports whether all that was done can be done to a register.
func (m Model) isRegister(calls []history.Call) bool {
	return m.fs != nil && !(m.texts && slices.ContainsFunc(calls, func(c history.Call) bool { return c.Invoke.F == "append" }))
}

func judgeRegister(calls []history.Call, opts Options, b *budget) KeyReport {
	r, err := opts.Model.decode(calls)
	if err != nil {
		return KeyReport{Verdict: checkers.Unknown, Reason: err.Error()}
	}
	ops := dropUnobserved(r.ops, r.values.Len())
	k := KeyReport{Engine: opts.Engine.String(), Ops: len(ops), Judged: r.judged, Dropped: len(r.ops) - len(ops)}
	simple := unique(ops, r.values.Len())
	switch {
	case r.judged == 0:
		k.Verdict, k.Reason = checkers.Unknown, nothing
	case opts.Engine == Monitor:
		k.Verdict, k.Reason = checkers.Unknown, "this takes zones or a search: the model has no other algorithm"
	case opts.Engine == Zones && !simple:
		k.Verdict, k.Reason = checkers.Unknown, "a value was written twice: zones cannot tell which write a read saw"
	case simple && (opts.Engine == Zones || opts.Engine == Auto):
		k.zones(r, ops)
		k.prove = zoned{calls, opts.Model}.prove
	default:
		k.searchRegister(r, ops, opts, b)
	}
	return k
}

// nothing is the reason of keys that hold nothing to judge.
const nothing = "no operation was ok: there is nothing to judge"

// zones has the key judged by its zones.
func (k *KeyReport) zones(r *register, ops []op) {
	k.Engine = Zones.String()
	z := newZones(r, ops)
	if found := z.check(2 * checkers.MaxAnomalies); len(found) > 0 {
		k.Verdict = checkers.Invalid
		k.Anomalies = z.explain(found, checkers.MaxAnomalies)
	}
}

// result sums the report up.
func (r Report) result(m Model) checkers.Result {
	if r.Reason != "" {
		return checkers.Unknownf("%s", r.Reason)
	}
	d := Details{Model: m.Name, Keys: len(r.Keys), Engines: make(map[string]int), Bad: []KeyReport{}}
	var result checkers.Result
	open := 0
	for _, k := range r.Keys {
		d.Ops, d.Judged, d.Dropped = d.Ops+k.Ops, d.Judged+k.Judged, d.Dropped+k.Dropped
		d.Engines[k.Engine]++
		if k.Reason == nothing {
			d.Idle++
			continue
		}
		if k.Verdict == checkers.OK {
			d.OK++
			continue
		}
		result.Verdict = checkers.Merge(result.Verdict, k.Verdict)
		if k.Verdict == checkers.Unknown {
			open++
			if result.Reason == "" {
				result.Reason = k.Reason
			}
		}
		if len(d.Bad) < checkers.MaxAnomalies {
			d.Bad = append(d.Bad, k)
		}
	}
	if d.Judged == 0 && result.Verdict == checkers.OK {
		result = checkers.Unknownf(nothing)
	}
	switch {
	case result.Verdict != checkers.Unknown:
		result.Reason = ""
	case open > 0 && len(r.Keys) > 1:
		result.Reason = fmt.Sprintf("%s (%d of %d keys are undecided, %d are linearizable)", result.Reason, open, len(r.Keys), d.OK)
	}
	result.Anomalies = r.anomalies()
	verdict := result.Verdict
	result.Certify = func() (checkers.Claim, error) { return r.claim(m, verdict) }
	return result.Detail(d)
}

// anomalies picks as many as can be shown: one of each key, then the next ones.
func (r Report) anomalies() []checkers.Anomaly {
	var list []checkers.Anomaly
	for round := range checkers.MaxAnomalies {
		for _, k := range r.Keys {
			if round < len(k.Anomalies) && len(list) < checkers.MaxAnomalies {
				list = append(list, k.Anomalies[round])
			}
		}
	}
	return list
}
