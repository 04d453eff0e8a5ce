// Package lease judges who held what, and when: locks, leases on messages of a
// work queue, and the leadership of a term.
//
//	acquire  LOCK => {"token": 7, "ttl": 500}            LOCK is the key; ttl in milliseconds; both can be left out
//	renew    LOCK => {"ttl": 500}                        ttl as before if it is left out
//	release  LOCK
//	write    LOCK {"token": 7}                           a write that was fenced by a token: ok if it was accepted
//	receive  QUEUE => {"message": M, "visibility": 500}  QUEUE is the key; nil or fail if there is none
//	extend   QUEUE {"message": M} => {"visibility": 500}
//	ack      QUEUE {"message": M}                        done: it must not be delivered again
//	nack     QUEUE {"message": M}                        not done: it may be
//	                                                     these three can have the token that came with the message
//	leader   CLUSTER => {"term": 3, "leader": "n1"}      what the node says that the client asked; leader may be nil
//
// A process certainly holds a lock from the moment at which its acquire came back
// until the first of these: it begins to release it, or to acquire it again; or
// the time that it was given is over, counted from the moment at which it began to
// ask, the earliest at which anybody can have started to count. A renewal that
// came back, and began before that, counts anew. An acquire without an answer
// holds nothing for certain. The same goes for messages.
//
//	overlap          two processes certainly held a lock, or leased a message, at one moment
//	token-reused     two acquires of a lock got one fencing token
//	token-regressed  an acquire got a lower token than one that had ended before it began
//	stale-write      a write was accepted, although one with a higher token had been accepted before it began
//	stale-ack        an ack, a nack or an extend was accepted, although the message had been received with a higher token before it began
//	spent-ack        one of these was accepted, although the token had been given back by a nack before it began, or,
//	                 but for another ack, by an ack
//	foreign-ack      one of these was accepted, although the token had come with another message before it began,
//	                 and no token ever came with two
//	acked-again      a message was delivered after it had been acknowledged
//	two-leaders      one term has two leaders
//	term-regressed   a node went back to an earlier term
//
// Fencing tokens are those of Kleppmann's "How to do distributed locking" (2016):
// a lease alone cannot keep a paused holder from writing, a token that the
// storage checks can. So overlaps may be excused by clocks, but stale writes
// may not. O(n log n).
package lease

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "lease"

// Names of the anomalies.
const (
	Overlap        = "overlap"
	TokenReused    = "token-reused"
	TokenRegressed = "token-regressed"
	StaleWrite     = "stale-write"
	StaleAck       = "stale-ack"
	SpentAck       = "spent-ack"
	ForeignAck     = "foreign-ack"
	AckedAgain     = "acked-again"
	TwoLeaders     = "two-leaders"
	TermRegressed  = "term-regressed"
)

// Anomalies returns the names of all anomalies, the gravest first.
func Anomalies() []string {
	return []string{TwoLeaders, StaleWrite, Overlap, StaleAck, ForeignAck, SpentAck, TokenReused, TokenRegressed, AckedAgain, TermRegressed}
}

// Options say what is promised.
type Options struct {
	// Drift is how much earlier a lease may end than it should, because clocks do
	// not run at the same rate.
	Drift time.Duration
	// Redelivery says that a message may be delivered after it was acknowledged, as
	// queues that deliver at least once do.
	Redelivery bool
}

// Report is what was seen.
type Report struct {
	Held      int            `json:"held"`      // acquires and receives that got something
	Contested int            `json:"contested"` // locks and messages that more than one process got
	Writes    int            `json:"writes"`    // with tokens that were accepted
	Fenced    int            `json:"fenced"`    // with tokens that were refused
	Terms     int            `json:"terms"`     // with a leader
	Broken    map[string]int `json:"broken"`    // how often each rule was

	judged int
	book   rules.Book
}

// New returns a checker of locks, leases and leaders.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := Check(ctx, h, opts)
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case r.judged == 0:
			return checkers.Unknownf("nobody got a lock or a message, wrote with a token or knew a leader: there is nothing to judge").Detail(r)
		}
		parameters := map[string]string{"drift": opts.Drift.String(), "redelivery": fmt.Sprint(opts.Redelivery)}
		return r.book.Result(Anomalies(), Name, parameters, nil).Detail(r)
	})
}

// op is a call with the places in the history where it began and ended.
type op struct {
	history.Call
	inv, res int
}

// thing is a lock or a message.
type thing struct {
	title  string
	holds  []hold // in the order in which they began to ask
	acks   []op
	writes []write
	used   []write // tokens of acks, nacks and extends that were accepted
}

// hold is a time in which a process certainly held a thing.
type hold struct {
	op
	token    int64
	fenced   bool
	ttl, end int64       // milliseconds, and when that is over in nanoseconds; 0 if there is no limit
	until    int         // the place in the history before which it was held
	back     *history.Op // the invocation that begins to give it back, if there is one
	timed    bool        // it is the time that ends it
	renewals []int       // invocations that made it longer
}

type write struct {
	op
	token int64
}

// judge is all things of a history.
type judge struct {
	opts   Options
	clock  checkers.Clock
	times  []int64 // of the records of the history
	ids    intern.Table
	things []thing
	holder map[holder]int // the last hold of a process on a thing
	report *Report
	terms  map[string]op // by cluster and term, who first said who leads
	nodes  map[string][]op
}

type holder struct {
	thing   int32
	process history.Process
}

// Check judges the operations of h that the package names. It is an error if they
// do not have the form that it says, if times go back, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (*Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	j := &judge{opts: opts, clock: checkers.ClockOf(calls), holder: map[holder]int{}, report: &Report{}, terms: map[string]op{}, nodes: map[string][]op{}}
	for i := range h.Ops {
		if i > 0 && h.Ops[i].Time < h.Ops[i-1].Time {
			return nil, fmt.Errorf("index %d: time goes back, so nobody can say how long a lease lasted; record all with one monotonic clock", h.Ops[i].Index)
		}
		j.times = append(j.times, h.Ops[i].Time)
	}
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations were read: %w", i, len(calls), context.Cause(ctx))
		}
		if err := j.call(c); err != nil {
			return nil, fmt.Errorf("index %d: %w; see what the client records", c.Invoke.Index, err)
		}
	}
	for i := range j.things {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("stopped before all locks were judged: %w; broken so far: %v", err, j.report.book.Counts())
		}
		j.overlaps(&j.things[i])
		j.tokens(&j.things[i])
		j.writes(&j.things[i])
		j.receipts(&j.things[i])
		j.spent(&j.things[i])
		j.acked(&j.things[i])
	}
	j.foreign()
	j.regress()
	j.report.Broken = j.report.book.Counts()
	return j.report, nil
}

// overlaps finds two processes that held a thing at one moment. It goes through
// the holds in the order in which they began for certain, with the one of those
// before that lasted longest.
func (j *judge) overlaps(t *thing) {
	var order []*hold
	processes := make(map[history.Process]bool)
	for i := range t.holds {
		h := &t.holds[i]
		processes[h.Invoke.Process] = true
		if h.end > 0 { // the first record at or after the end
			at := sort.Search(len(j.times), func(i int) bool { return j.times[i] >= h.end })
			if at <= h.until {
				h.until, h.timed = at, true
			}
		}
		if h.res < h.until {
			order = append(order, h)
		}
	}
	if len(processes) > 1 {
		j.report.Contested++
	}
	slices.SortFunc(order, func(a, b *hold) int { return cmp.Compare(a.res, b.res) })
	var longest *hold
	for _, h := range order {
		if longest != nil && h.res < longest.until {
			j.add(Overlap, t, fmt.Sprintf("%s got %s by %s, and %s; %s got it by %s, within that time",
				j.who(longest.op), t.title, j.clock.At(longest.Complete), j.lasted(longest), j.who(h.op), j.clock.At(h.Complete)), longest.op, h.op, longest.renewals...)
		}
		if longest == nil || h.until > longest.until {
			longest = h
		}
	}
}

// lasted says how long a thing was held for certain.
func (j *judge) lasted(h *hold) string {
	switch {
	case h.timed && len(h.renewals) > 0:
		return fmt.Sprintf("had it until %s, for %d ms since it began to ask to renew it", checkers.Millis(h.end), h.ttl)
	case h.timed:
		return fmt.Sprintf("had it until %s, for %d ms since it began to ask", checkers.Millis(h.end), h.ttl)
	case h.back != nil:
		return "did not begin to give it back before " + j.clock.At(h.back)
	default:
		return "never began to give it back"
	}
}

// tokens finds acquires whose tokens do not grow.
func (j *judge) tokens(t *thing) {
	first := make(map[int64]*hold)
	var fenced, ended []*hold
	for i := range t.holds {
		if h := &t.holds[i]; h.fenced {
			fenced, ended = append(fenced, h), append(ended, h)
			if old := first[h.token]; old != nil {
				j.add(TokenReused, t, fmt.Sprintf("%s got token %d of %s, and %s got it too", j.who(old.op), h.token, t.title, j.who(h.op)), old.op, h.op)
			} else {
				first[h.token] = h
			}
		}
	}
	slices.SortFunc(ended, func(a, b *hold) int { return cmp.Compare(a.res, b.res) })
	var top *hold
	for _, h := range fenced {
		for ; len(ended) > 0 && ended[0].res < h.inv; ended = ended[1:] {
			if top == nil || ended[0].token > top.token {
				top = ended[0]
			}
		}
		if top != nil && h.token < top.token {
			j.add(TokenRegressed, t, fmt.Sprintf("%s got token %d of %s by %s; after that, %s asked for it and got token %d",
				j.who(top.op), top.token, t.title, j.clock.At(top.Complete), j.who(h.op), h.token), top.op, h.op)
		}
	}
}

// writes finds writes that were accepted after one with a higher token.
func (j *judge) writes(t *thing) {
	ended := slices.SortedFunc(slices.Values(t.writes), func(a, b write) int { return cmp.Compare(a.res, b.res) })
	var top *write
	for _, w := range t.writes {
		for ; len(ended) > 0 && ended[0].res < w.inv; ended = ended[1:] {
			if top == nil || ended[0].token > top.token {
				top = &ended[0]
			}
		}
		if top != nil && w.token < top.token {
			j.add(StaleWrite, t, fmt.Sprintf("the write of %s with token %d was accepted by %s; after that, %s wrote with token %d, and that was accepted too",
				j.who(top.op), top.token, j.clock.At(top.Complete), j.who(w.op), w.token), top.op, w.op)
		}
	}
}

// receipts finds uses of tokens that were accepted after somebody had received the
// message with a higher one: whose was that message?
func (j *judge) receipts(t *thing) {
	for _, w := range t.used {
		for i := range t.holds {
			if h := &t.holds[i]; h.fenced && h.res < w.inv && h.token > w.token {
				j.add(StaleAck, t, fmt.Sprintf("%s received %s with token %d, by %s; after that, the %s of %s with token %d was accepted",
					j.who(h.op), t.title, h.token, j.clock.At(h.Complete), w.Invoke.F, j.who(w.op), w.token), h.op, w.op)
				break
			}
		}
	}
}

// spent finds uses of tokens that were accepted after they had been given back: what
// is waiting, or gone, nobody has a say in.
func (j *judge) spent(t *thing) {
	back, acked := map[int64]*write{}, map[int64]*write{} // what gave a token back first
	soonest := func(of map[int64]*write, w *write) {
		if first := of[w.token]; first == nil || w.res < first.res {
			of[w.token] = w
		}
	}
	for i := range t.used {
		switch w := &t.used[i]; w.Invoke.F {
		case "nack":
			soonest(back, w)
		case "ack":
			soonest(acked, w)
		}
	}
	for _, w := range t.used {
		first := back[w.token]
		if old := acked[w.token]; w.Invoke.F != "ack" && old != nil && (first == nil || old.res < first.res) {
			first = old
		}
		if first != nil && first.res < w.inv {
			j.add(SpentAck, t, fmt.Sprintf("the %s of %s with token %d of %s was accepted by %s; after that, the %s of %s with that token was accepted too",
				first.Invoke.F, j.who(first.op), w.token, t.title, j.clock.At(first.Complete), w.Invoke.F, j.who(w.op)), first.op, w.op)
		}
	}
}

// foreign finds uses of tokens that were accepted for one message and had come with
// another, if tokens are such that no two messages have one in common.
func (j *judge) foreign() {
	type origin struct {
		thing *thing
		hold  *hold // the first, by its end
	}
	from := map[int64]origin{}
	for i := range j.things {
		t := &j.things[i]
		for k := range t.holds {
			h := &t.holds[k]
			if h.Invoke.F != "receive" || !h.fenced {
				continue
			}
			old, known := from[h.token]
			if known && old.thing != t {
				return
			}
			if !known || h.res < old.hold.res {
				from[h.token] = origin{t, h}
			}
		}
	}
	for i := range j.things {
		t := &j.things[i]
		for _, w := range t.used {
			if o, known := from[w.token]; known && o.thing != t && o.hold.res < w.inv {
				j.add(ForeignAck, t, fmt.Sprintf("%s received %s with token %d, by %s; after that, the %s of %s with that token was accepted for %s",
					j.who(o.hold.op), o.thing.title, w.token, j.clock.At(o.hold.Complete), w.Invoke.F, j.who(w.op), t.title), o.hold.op, w.op)
			}
		}
	}
}

// acked finds messages that were delivered after they had been acknowledged.
func (j *judge) acked(t *thing) {
	if len(t.acks) == 0 || j.opts.Redelivery {
		return
	}
	ack := slices.MinFunc(t.acks, func(a, b op) int { return cmp.Compare(a.res, b.res) })
	for _, h := range t.holds {
		if ack.res < h.inv {
			j.add(AckedAgain, t, fmt.Sprintf("%s acknowledged %s, and that was ok by %s; after that, %s received it",
				j.who(ack), t.title, j.clock.At(ack.Complete), j.who(h.op)), ack, h.op)
		}
	}
}

// who says who did something and when: "process 1 through n2 at 3 ms".
func (j *judge) who(o op) string {
	at := ""
	if o.Invoke.Node != "" {
		at = " through " + o.Invoke.Node
	}
	return fmt.Sprintf("process %v%s at %s", o.Invoke.Process, at, j.clock.At(o.Invoke))
}

func (j *judge) add(rule string, t *thing, why string, a, b op, also ...int) {
	f := rules.Finding{Rule: rule, Ops: []int{a.inv, b.inv}, Also: slices.Clone(also), Why: why}
	if t != nil {
		f.Key = t.title
	}
	if a.res < b.inv {
		f.Edges = []checkers.Edge{{From: a.inv, To: b.inv, Kind: "rt", Key: f.Key, Why: fmt.Sprintf("the %s of %s ended at %s, before the %s of %s began",
			a.Invoke.F, j.who(a), j.clock.At(a.Complete), b.Invoke.F, j.who(b))}}
	}
	j.report.book.Add(f)
}
