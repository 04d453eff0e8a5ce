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
//	poll-skip              two polls of a process left something out between them
//	nonmonotonic-poll      the second of them began at or before the end of the first
//	int-poll-skip, int-nonmonotonic-poll    the same within one operation
//	nonmonotonic-send      what a process sent later is earlier in the log
//	int-nonmonotonic-send  the same within one operation
//	int-send-skip          something of others lies between what one operation sent
//	G0, G1c                transactions that are each before the other, by what
//	                       they sent (G0) and polled (G1c)
//	G0-realtime, G1c-realtime    the same, where one of them was over before
//	                       another began: polled before it was sent
//
// An info operation that sent something counts as soon as a value of it was polled.
// Then everything it sent has to be there: a transaction that is torn, with only a
// part of it visible, shows as a lost write of the rest.
//
// Not everything is forbidden: see [Options]. Jepsen knows of rebalances from the
// clients' logs; the history has none, so a process that subscribed instead of being
// assigned may skip and repeat between polls.
//
// A history in which nothing was sent or polled with success is unknown. The time is
// that of sorting the offsets.
package eventlog

import (
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "log"

// Names of the anomalies.
const (
	InconsistentOffsets = "inconsistent-offsets"
	Duplicate           = "duplicate"
	LostWrite           = "lost-write"
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
)

// order is the order in which anomalies are shown: the gravest first.
var order = []string{
	InconsistentOffsets, LostWrite, G1a, ThinAirRead, Duplicate, PrecommittedRead, NonmonotonicSend, IntNonmonotonicSend,
	NonmonotonicPoll, IntNonmonotonicPoll, PollSkip, IntPollSkip, G1c, G1cRealtime, Unseen, G0, G0Realtime, IntSendSkip,
}

// maxShown is how many errors of a type go into the details of a result.
const maxShown = 8

// Options say what is allowed. The names in parentheses are Jepsen's.
type Options struct {
	// SubVia is "assign" or "subscribe", the way in which processes get the keys that
	// they poll (sub-via). Those that subscribe lose them to others at any time, so
	// poll-skip and nonmonotonic-poll are allowed. Empty is "subscribe" if the
	// history has any such operation.
	SubVia string
	// WWDeps makes the order of what transactions sent part of the order between
	// them (ww-deps). Logs do not isolate writes, so G1c and G1c-realtime are allowed then.
	WWDeps bool
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
	case G1c, G1cRealtime:
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

	subscribed bool
}

// New returns a checker of logs.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		report, err := Check(h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result()
	})
}

func (r Report) result() checkers.Result {
	var anomalies []checkers.Anomaly
	for _, typ := range r.BadErrorTypes {
		anomalies = append(anomalies, r.Errors[typ].Errs...)
	}
	anomalies = anomalies[:min(len(anomalies), checkers.MaxAnomalies)]
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
	r := Report{ErrorTypes: []string{}, BadErrorTypes: []string{}, InfoTxnCauses: []string{}, Errors: map[string]*Errors{}, UnseenCount: map[string]int{}}
	calls, err := checkers.Paired(h)
	if err != nil {
		return r, err
	}
	j := &judge{Report: r, clock: checkers.ClockOf(calls), names: map[string]int32{}}
	if err := j.decode(calls); err != nil {
		return r, err
	}
	j.place()
	j.judge(opts)
	for _, typ := range order {
		if j.Errors[typ] == nil {
			continue
		}
		j.ErrorTypes = append(j.ErrorTypes, typ)
		if !opts.allows(typ, j.subscribed) {
			j.BadErrorTypes = append(j.BadErrorTypes, typ)
		}
	}
	return j.Report, nil
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
