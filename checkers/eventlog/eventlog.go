// Package eventlog judges logs that producers append to and consumers poll, as in
// Kafka: does every offset hold one message, every message one offset, and does
// every consumer see all of them in order?
//
// Keys are partitions, each a log. Operations are send, poll and txn; their values
// are lists of micro-operations:
//
//	["send", key, value]                   as invoked, or acknowledged without an offset
//	["send", key, [offset, value]]         acknowledged at an offset
//	["poll"]                               as invoked
//	["poll", {key: [[offset, value], …]}]  what came back
//
// and assign and subscribe, whose values are lists of keys, say what a process polls
// from then on. These are the operations of Jepsen's Kafka test, and so are the rules.
// Six more micro-operations are for what Jepsen leaves out. They stand among the
// others, or in operations of their own that are called rebalance, commit and init:
//
//	["assigned", {"group": g, "generation": n, "member": m, "keys": [key, …]}]
//	                       the process owns these keys of the group, and no others, from
//	                       now on; it begins to poll them anew
//	["revoked", …]         it owns none any more
//	["commit", {key: offset, …}]   all messages of the group below the offsets are done
//	["from", {key: offset, …}]     the process polls the keys from these offsets on
//	["init", {"id": t, "epoch": n}]   it sends as the producer t from now on
//	["abort"]              the transaction is to be given up here
//
// All fields but keys and id may be left out: the group is then "", the member the
// process, and nothing is known of generations and epochs.
//
// From all polls, and all sends that certainly took effect, follows for each key
// what is at which offset. Gaps between offsets mean nothing: transactions leave
// markers in them. Compared with that order are
//
//	inconsistent-offsets   one offset with two values
//	duplicate              one value at two offsets
//	lost-write             nobody polled a value, although others polled what comes after it
//	unseen                 acknowledged, and never polled by anybody until the end
//	G1a                    polled, although its transaction failed
//	precommitted-read      a transaction polled what it sent itself
//	thin-air-read          polled, but nobody sent it
//	poll-skip              two polls of a process left something out between them, or the
//	                       first one did after the offset that it was to begin at
//	nonmonotonic-poll      the second of them began at or before the end of the first
//	int-poll-skip, int-nonmonotonic-poll    the same within one operation
//	nonmonotonic-send      what a process sent later is earlier in the log
//	int-nonmonotonic-send  the same within one operation
//	int-send-skip          something of others lies between what one operation sent
//	G0, G1c                transactions that are each before the other, by what
//	                       they sent (G0) and polled (G1c)
//	G-single, G2           the same with one, or more, that polled up to what another
//	                       sent (see Options.RWDeps)
//	G0-realtime, G1c-realtime, G-single-realtime, G2-realtime    the same, where one
//	                       of them was over before another began
//
// and beyond Jepsen's rules
//
//	truncation             an offset was used again after it was acknowledged
//	vanished               acknowledged or polled, and not found by a process that, after
//	                       that and in the final phase, polled from an offset before it
//	                       until nothing more came
//	torn-transaction       a part of a transaction was polled, the rest passed over
//	double-assignment      a key belonged to two members of a group, in one generation
//	                       or, where these are not known, at one time
//	commit-ahead           an offset was committed, but nobody of the group had polled
//	                       some message below it
//	lost-commit            a member of a group was told what it owns, and polled what
//	                       is below an offset that had been committed before that, or
//	                       was committed in a generation that was over by then
//	zombie-write           sent under an epoch after a newer one had begun
//	zombie-commit          committed in a generation after a newer one had begun
//
// An info operation that sent something counts as soon as a value of it was polled.
// Then everything it sent has to be there.
//
// Not everything is forbidden: see [Options]. A process that subscribed instead of
// being assigned may skip and repeat between polls, unless the history says when it
// was assigned what.
//
// A history in which nothing was sent or polled with success is unknown. The time is
// that of sorting the offsets. A certificate says that a history meets the definition
// "log"; for an ok, it holds an order of the operations that no edge contradicts.
package eventlog

import (
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "log"

// Names of the anomalies.
const (
	InconsistentOffsets = "inconsistent-offsets"
	Duplicate           = "duplicate"
	LostWrite           = "lost-write"
	Vanished            = "vanished"
	Unseen              = "unseen"
	G1a                 = "G1a"
	PrecommittedRead    = "precommitted-read"
	ThinAirRead         = "thin-air-read"
	PollSkip            = "poll-skip"
	NonmonotonicPoll    = "nonmonotonic-poll"
	IntPollSkip         = "int-poll-skip"
	IntNonmonotonicPoll = "int-nonmonotonic-poll"
	NonmonotonicSend    = "nonmonotonic-send"
	IntNonmonotonicSend = "int-nonmonotonic-send"
	IntSendSkip         = "int-send-skip"
	G0                  = "G0"
	G1c                 = "G1c"
	G0Realtime          = "G0-realtime"
	G1cRealtime         = "G1c-realtime"
	GSingle             = "G-single"
	G2                  = "G2"
	GSingleRealtime     = "G-single-realtime"
	G2Realtime          = "G2-realtime"
	Truncation          = "truncation"
	TornTransaction     = "torn-transaction"
	DoubleAssignment    = "double-assignment"
	CommitAhead         = "commit-ahead"
	LostCommit          = "lost-commit"
	ZombieWrite         = "zombie-write"
	ZombieCommit        = "zombie-commit"
)

// order is the order in which anomalies are shown: the gravest first.
var order = []string{
	Truncation, InconsistentOffsets, TornTransaction, LostWrite, Vanished, G1a, ThinAirRead, Duplicate, PrecommittedRead, NonmonotonicSend, IntNonmonotonicSend,
	NonmonotonicPoll, IntNonmonotonicPoll, PollSkip, IntPollSkip, DoubleAssignment, ZombieWrite, ZombieCommit, CommitAhead, LostCommit,
	G1c, G1cRealtime, GSingle, GSingleRealtime, G2, G2Realtime, Unseen, G0, G0Realtime, IntSendSkip,
}

// maxShown is how many errors of a type go into the details of a result.
const maxShown = 8

// Options say what is allowed. The names in parentheses are Jepsen's.
type Options struct {
	// SubVia is "assign" or "subscribe", the way in which processes get the keys that
	// they poll (sub-via). Those that subscribe lose them to others at any time, so
	// poll-skip and nonmonotonic-poll are allowed. Empty is "subscribe" if the
	// history has any such operation and does not record what was assigned.
	SubVia string
	// WWDeps makes the order of what transactions sent part of the order between
	// them (ww-deps). Logs do not isolate writes, so G1c and G1c-realtime are allowed then.
	WWDeps bool
	// RWDeps says that a poll returns everything that is there, so that one that did
	// not get what comes next in the log was before that (rw-deps). Kafka's polls
	// promise no such thing.
	RWDeps bool
	// Compaction says that of messages with the same record key only the last has to
	// stay (compaction). The values are then maps {"key": record key, "value": …}, and
	// one whose value is nil, a tombstone, may go too.
	Compaction bool
	// Retention is how many of its newest messages a log keeps at least; 0 stands for
	// all. A message may be gone once so many had been sent that may be after it.
	Retention int
	// Allow names more types of errors that are allowed. Those that always are:
	// int-send-skip, G0 and G0-realtime.
	Allow []string
}

// allows reports whether an error of the given type is no violation.
func (o Options) allows(typ string, subscribed bool) bool {
	switch typ {
	case IntSendSkip, G0, G0Realtime:
		return true
	case PollSkip, NonmonotonicPoll:
		if o.SubVia == "subscribe" || o.SubVia == "" && subscribed {
			return true
		}
	case G1c, G1cRealtime, GSingle, GSingleRealtime, G2, G2Realtime:
		if o.WWDeps {
			return true
		}
	}
	return slices.Contains(o.Allow, typ)
}

// Lag is how far behind a poll was: for how long, when the poll began, something
// newer than all that its process had got had been in the log.
type Lag struct {
	Time    int64  `json:"time"` // nanoseconds, when the poll began
	Process int    `json:"process"`
	Key     string `json:"key"`
	Lag     int64  `json:"lag"` // nanoseconds
}

// Errors are all errors of one type.
type Errors struct {
	Count int                `json:"count"`
	Errs  []checkers.Anomaly `json:"errs"` // at most 8
}

// Report has the results of Jepsen's Kafka checker under their names.
type Report struct {
	ErrorTypes       []string           `json:"error-types"`
	BadErrorTypes    []string           `json:"bad-error-types"` // those that are not allowed
	WorstRealtimeLag Lag                `json:"worst-realtime-lag"`
	InfoTxnCauses    []string           `json:"info-txn-causes"` // why operations did not come back
	Errors           map[string]*Errors `json:"errors"`          // by type
	UnseenCount      map[string]int     `json:"unseen"`          // by key: acknowledged, and never polled
	Sent             int                `json:"send-count"`      // messages that were acknowledged
	Polled           int                `json:"poll-count"`      // messages that came back
}

// New returns a checker of logs.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		j, err := reduced(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		result := j.result()
		result.Certify = func() (checkers.Claim, error) { return j.claim(opts, result) }
		return result
	})
}

func (r Report) result() checkers.Result {
	var anomalies []checkers.Anomaly
	for _, typ := range r.BadErrorTypes {
		anomalies = append(anomalies, r.Errors[typ].Errs...)
	}
	anomalies = checkers.Some(anomalies)
	switch {
	case len(anomalies) > 0:
		return checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}.Detail(r)
	case r.Sent+r.Polled == 0:
		return checkers.Unknownf("the log was not used: no message was sent or polled with success").Detail(r)
	default:
		return checkers.Result{}.Detail(r)
	}
}

// Check judges the operations of h. It is an error if a value is not what the
// package says it has to be.
func Check(h *history.History, opts Options) (Report, error) {
	j, err := reduced(context.Background(), h, opts)
	return j.Report, err
}

// reduced checks h, and leaves only those operations in each anomaly without which
// it would not be one.
func reduced(ctx context.Context, h *history.History, opts Options) (*judge, error) {
	j, err := check(ctx, h, opts)
	if err != nil {
		return j, err
	}
	calls := make([]history.Call, len(j.txns))
	for i := range j.txns {
		calls[i] = j.txns[i].Call
	}
	cutter := core.New(calls)
	for _, e := range j.Errors {
		for i := range e.Errs {
			if len(e.Errs[i].Edges) > 1 {
				continue // of a cycle every edge is needed
			}
			cutter.Cut(&e.Errs[i], func(h *history.History) []checkers.Anomaly {
				some, err := check(ctx, h, opts)
				if e := some.Errors[e.Errs[i].Name]; err == nil && e != nil {
					return e.Errs
				}
				return nil
			})
		}
	}
	return j, nil
}

func check(ctx context.Context, h *history.History, opts Options) (*judge, error) {
	j := &judge{ctx: ctx, opts: opts, names: map[string]int32{}}
	j.Report = Report{ErrorTypes: []string{}, BadErrorTypes: []string{}, InfoTxnCauses: []string{}, Errors: map[string]*Errors{}, UnseenCount: map[string]int{}}
	calls, err := checkers.Paired(h)
	if err != nil {
		return j, err
	}
	j.clock = checkers.ClockOf(calls)
	if err := j.decode(calls); err != nil {
		return j, err
	}
	j.place()
	j.removals(opts)
	if err := j.judge(opts); err != nil {
		return j, err
	}
	for _, typ := range order {
		if j.Errors[typ] == nil {
			continue
		}
		j.ErrorTypes = append(j.ErrorTypes, typ)
		if !opts.allows(typ, j.subscribed && !j.assigns) {
			j.BadErrorTypes = append(j.BadErrorTypes, typ)
		}
	}
	return j, nil
}

// note counts an error, and keeps the first ones.
func (r *Report) note(typ string, explain func() checkers.Anomaly) {
	e := r.Errors[typ]
	if e == nil {
		e = new(Errors)
		r.Errors[typ] = e
	}
	e.Count++
	if e.Count <= maxShown {
		a := explain()
		a.Name = typ
		slices.Sort(a.Ops)
		a.Ops = slices.Compact(a.Ops)
		e.Errs = append(e.Errs, a)
	}
}
