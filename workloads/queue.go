package workloads

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/lease"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/checkers/queue"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Queue is elements that go through queues, each put in once: with dequeue they
// come out for good, with receive under a lease that ends by ack, by nack or by
// time.
func Queue() Workload {
	return Workload{
		Name:   queue.PlainName,
		Doc:    "elements that are enqueued once each and come out, for good or under a lease: none that was not put in, and in the end all",
		Level:  atLeastOnce,
		Levels: []string{atLeastOnce, inOrder, atMostOnce, exactlyOnce, Linearizable, fromSomewhere},
		Options: []Option{
			Number("queues", 16, 1, 1000, "how many queues"),
			Length("settle", "for how long the queues have to be found empty in the end; none: 6s"),
			Length("drift", "how much earlier a lease may end than it should, because clocks differ"),
			Number("max-deliveries", 0, 0, 1_000_000, "how often a message is delivered before it is a dead letter; 0: nobody says"),
			Flag("never-falsely-empty", "a receive only gets nothing if nothing waits"),
			Flag("redelivery", "a message may be delivered after it was acknowledged"),
		},
		Fs:        []string{"enqueue"},
		Optional:  []string{"dequeue", "receive", "ack", "nack", "extend"},
		Generator: newWork,
		Final:     newDrain,
		Checkers:  judgeQueue,
		Recovered: judgeEmptiedQueue,
	}
}

// judgeQueue looks at what came out and at who had it when.
func judgeQueue(level string, o Options) []checkers.Checker {
	switch level {
	case fromSomewhere:
		return []checkers.Checker{queue.NewPlain()}
	case Linearizable:
		return []checkers.Checker{linear.New(linear.Options{Model: must(linear.ModelNamed("fifo-queue"))})}
	case atMostOnce:
		return []checkers.Checker{queue.NewPlain()}
	default:
		return []checkers.Checker{queue.NewPlain(), leased{lease.New(lease.Options{Drift: o.Length("drift"), Redelivery: o.On("redelivery")})}}
	}
}

// leased judges leases where there are any: a queue that hands out for good has
// none, and nothing is wrong with that.
type leased struct{ checkers.Checker }

// Check judges the history if anybody asked for a lease.
func (l leased) Check(ctx context.Context, h *history.History) checkers.Result {
	if !slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.F == "receive" }) {
		return checkers.Result{}
	}
	return l.Checker.Check(ctx, h)
}

// judgeEmptiedQueue looks at what never came out, or too often, and at what the
// replicas hold: who has forgotten something that no client has asked for since is
// seen by that alone.
func judgeEmptiedQueue(level string, options Options) []checkers.Checker {
	if level == fromSomewhere {
		return nil
	}
	o := queue.Options{Ordered: level == inOrder, MaxDeliveries: int(options.Int("max-deliveries")), NeverFalselyEmpty: options.On("never-falsely-empty")}
	o.ExactlyOnce = level != atLeastOnce && level != inOrder
	o.AtMostOnce = level == atMostOnce || level == Linearizable
	return []checkers.Checker{queue.New(o), converge.New(converge.Options{})}
}

// inOrder is the level of queues that deliver at least once, and nothing while the
// message before it may come back.
const inOrder = "fifo"

// work generates what producers and consumers do. There is more of the one and of
// the other by turns, like the tide: queues grow long, and run empty, which is when
// it matters whether a message is there.
type work struct {
	*workPlan
	n     uint64 // operations so far
	added int64  // elements so far
	held  []held
}

// workPlan is what does not change.
type workPlan struct {
	source choice.Source
	keys   []history.Value
	tides  [2]tide
	ends   []choice.Weighted // of what is held
}

// tide is what is done as long as there is more to put in, or to take out.
type tide struct {
	kinds []choice.Weighted
	flow  []choice.Weighted // of these, what puts in and takes out
}

// turn is how many operations there are until the tide turns.
const turn = 350

// held is a message that a process received and has not settled.
type held struct {
	process history.Process
	key     history.Value
	message history.Value
	token   history.Value
	lease   int64  // how long it lasts, in nanoseconds
	after   int64  // it is not touched before that
	next    string // what is done then; "" for anything
	spent   bool   // it was given back, or acknowledged
}

// settle is the kind of operation that ends or extends what is held, and later
// that which leaves it alone until the lease is over, or nearly.
const (
	settle = "settle"
	later  = "later"
)

func newWork(p Params) gen.Gen {
	g := &work{workPlan: &workPlan{source: p.Choices, keys: queueKeys(p.Options)}}
	g.tides = [2]tide{newTide(p.Fs, 30, 20), newTide(p.Fs, 4, 46)}
	if !slices.Contains(p.Fs, "receive") {
		return g
	}
	g.ends = []choice.Weighted{{Name: later, Weight: 8}}
	for _, k := range []choice.Weighted{{Name: "ack", Weight: 64}, {Name: "nack", Weight: 18}, {Name: "extend", Weight: 16}} {
		if slices.Contains(p.Fs, k.Name) {
			g.ends = append(g.ends, k)
		}
	}
	return g
}

// newTide returns what is done if elements go in and come out so often, each for a
// kind of operation that does it.
func newTide(fs []string, in, out int64) tide {
	t := tide{flow: []choice.Weighted{{Name: "enqueue", Weight: in}}}
	for _, f := range []string{"dequeue", "receive"} {
		if slices.Contains(fs, f) {
			t.flow = append(t.flow, choice.Weighted{Name: f, Weight: out})
		}
	}
	if t.kinds = t.flow; slices.Contains(fs, "receive") {
		t.kinds = append(slices.Clone(t.flow), choice.Weighted{Name: settle, Weight: 50})
	}
	return t
}

func queueKeys(o Options) []history.Value {
	var keys []history.Value
	for i := range o.Int("queues") {
		keys = append(keys, history.String("q"+strconv.FormatInt(i+1, 10)))
	}
	return keys
}

// Next puts the next element in, takes one out, or settles what is held.
func (g *work) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	draw := g.source.Stream("queue", g.n)
	next := *g
	next.n++
	t := &g.tides[min(1, g.n/turn%3)] // the ebb is the longer one: what is leased holds others up
	op := history.Op{F: choice.Weigh(draw, t.kinds), Key: g.keys[draw.IntN(len(g.keys))]}
	if op.F == settle {
		if at := g.free(ctx, draw); at >= 0 {
			if result := next.settle(ctx, draw, at); result.Kind == gen.Ready {
				return result, &next
			}
		}
		op.F = choice.Weigh(draw, t.flow)
	}
	switch {
	case op.F == "enqueue":
		next.added++
		op.Value = history.Int(next.added)
	case op.F == "receive" && draw.IntN(oneIsDead) == 0:
		op.Value = ofDead()
	}
	result := gen.Emit(ctx, op)
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	return result, &next
}

// free returns one of the messages whose process has nothing to do, or -1.
func (g *work) free(ctx *gen.Context, draw *choice.Stream) int {
	var all []int
	for i, h := range g.held {
		if thread := ctx.Thread(h.process); h.after <= ctx.Time && ctx.IsFree(thread) && ctx.Process(thread) == h.process {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return -1
	}
	return all[draw.IntN(len(all))]
}

// One in so many.
const (
	oneIsPoison = 10 // elements is never done, as far as its consumers can tell,
	oneIsDone   = 20 // times but one,
	oneIsDead   = 12 // receives asks for dead letters,
	oneIsAgain  = 8  // messages is settled twice under one receipt,
	oneIsForged = 24 // times the receipt is that of another message
)

// ofDead is what a receive asks for that wants dead letters.
func ofDead() history.Value {
	return history.Map(history.String("dead"), history.Bool(true))
}

// poison reports whether an element is one that goes from consumer to consumer: what
// nobody gets done is what dead letters are for.
func poison(element history.Value) bool {
	n, _ := element.Int()
	return n%oneIsPoison == 0
}

// settle does something about a message, or notes that it is left alone until
// the lease is over, or nearly, or long enough for an extend to matter.
func (g *work) settle(ctx *gen.Context, draw *choice.Stream, at int) gen.Result {
	if result := g.forged(ctx, draw, at); result.Kind == gen.Ready {
		return result
	}
	g.held = slices.Clone(g.held)
	h := &g.held[at]
	f, planned := h.next, h.next != ""
	if !planned {
		f = choice.Weigh(draw, g.ends)
	}
	if f == "ack" && !h.spent && poison(h.message) && draw.IntN(oneIsDone) > 0 && slices.ContainsFunc(g.ends, func(k choice.Weighted) bool { return k.Name == "nack" }) {
		f = "nack"
	}
	switch {
	case f == later:
		// Whoever comes late does anything: a receipt that is over must be refused for all.
		h.after = ctx.Time + draw.Between(h.lease/4, 3*h.lease)
		if len(g.ends) > 1 {
			h.next = g.ends[1+draw.IntN(len(g.ends)-1)].Name
		}
		return gen.Result{}
	case f == "extend" && !planned && draw.IntN(2) == 0:
		h.after, h.next = ctx.Time+draw.Between(h.lease/4, h.lease*9/10), f
		return gen.Result{}
	}
	result := gen.Result{Kind: gen.Ready, Op: h.op(ctx, f)}
	switch {
	case !h.spent && f != "extend" && draw.IntN(oneIsAgain) == 0:
		// Whoever is not sure that it was heard says it again, or something else.
		h.after, h.next, h.spent = ctx.Time+draw.Between(0, h.lease/4), g.ends[1+draw.IntN(len(g.ends)-1)].Name, true
		return result
	case !h.spent && f == "extend":
		h.after, h.next = ctx.Time+draw.Between(h.lease/10, h.lease*19/20), []string{"ack", "extend"}[draw.IntN(2)]
		return result
	}
	g.held = slices.Delete(g.held, at, at+1)
	return result
}

// forged does, once in a while, something about a message under a receipt that is not
// its own: that of another message, or in another queue. Nothing comes of that.
func (g *work) forged(ctx *gen.Context, draw *choice.Stream, at int) gen.Result {
	if len(g.ends) < 2 || draw.IntN(oneIsForged) > 0 {
		return gen.Result{}
	}
	wrong, other := g.held[at], g.held[draw.IntN(len(g.held))]
	switch {
	case !other.message.Equal(wrong.message):
		wrong.token = other.token
	case len(g.keys) > 1:
		wrong.key = g.keys[draw.IntN(len(g.keys))]
	}
	if wrong.token.Equal(g.held[at].token) && wrong.key.Equal(g.held[at].key) {
		return gen.Result{}
	}
	return gen.Result{Kind: gen.Ready, Op: wrong.op(ctx, g.ends[1+draw.IntN(len(g.ends)-1)].Name)}
}

// op is an operation of its process on what is held.
func (h *held) op(ctx *gen.Context, f string) history.Op {
	return history.Op{Type: history.Invoke, F: f, Process: h.process, Time: ctx.Time, Key: h.key,
		Value: history.Map(history.String("message"), h.message, history.String("token"), h.token)}
}

// Update notes what is received, and forgets what belongs to a process that is
// no more: nobody will settle it but time.
func (g *work) Update(_ *gen.Context, ev *history.Op) gen.Gen {
	next := *g
	next.held = holding(g.held, ev)
	if len(next.held) == len(g.held) {
		return g
	}
	return &next
}

// holding returns what is held after something was completed.
func holding(all []held, ev *history.Op) []held {
	if ev.Type == history.Info {
		return slices.DeleteFunc(slices.Clone(all), func(h held) bool { return h.process == ev.Process })
	}
	if ev.Type != history.OK || ev.F != "receive" || ev.Value.Get("token").IsNil() {
		return all
	}
	ms, _ := ev.Value.Get("visibility").Int()
	return append(slices.Clone(all), held{
		process: ev.Process, key: ev.Key, message: ev.Value.Get("message"), token: ev.Value.Get("token"), lease: ms * int64(time.Millisecond),
	})
}

// drain takes out what is there in the end: it receives and acknowledges, or
// dequeues, until every queue was found empty for a while. Leases from before
// have to end meanwhile, and dead letters count as well.
type drain struct {
	*drainPlan
	sources []source
	held    []held
	began   int64
}

type drainPlan struct {
	f      string
	settle int64
}

// source is a queue, or its dead letters.
type source struct {
	key, value    history.Value
	asked         bool // an operation is under way,
	by            history.Process
	next          int64 // when to ask again
	since, looked int64 // nothing was found from the one time to the other; -1 if there was something
}

const (
	drainPause = int64(200 * time.Millisecond) // before an empty queue is asked again
	drainLimit = int64(2 * time.Minute)        // after which it is given up
)

func newDrain(p Params) gen.Gen {
	g := &drain{drainPlan: &drainPlan{settle: int64(6 * time.Second)}, began: -1}
	if p.Options.Has("settle") {
		g.settle = p.Options.Length("settle").Nanoseconds()
	}
	values := []history.Value{{}}
	switch {
	case slices.Contains(p.Fs, "receive"):
		g.f = "receive"
		values = append(values, ofDead())
	case slices.Contains(p.Fs, "dequeue"):
		g.f, g.settle = "dequeue", 0
	default:
		return gen.Nothing()
	}
	for _, key := range queueKeys(p.Options) {
		for _, v := range values {
			g.sources = append(g.sources, source{key: key, value: v, since: -1})
		}
	}
	return gen.OnClients(g)
}

// Next acknowledges what is held, or asks a queue that may have something.
func (g *drain) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next := *g
	if g.began < 0 {
		next.began = ctx.Time
	}
	if ctx.Time-next.began > drainLimit {
		return gen.Result{}, g
	}
	for i, h := range g.held {
		if thread := ctx.Thread(h.process); ctx.IsFree(thread) && ctx.Process(thread) == h.process {
			next.held = slices.Delete(slices.Clone(g.held), i, i+1)
			return gen.Result{Kind: gen.Ready, Op: h.op(ctx, "ack")}, &next
		}
	}
	at, wake := g.due(ctx.Time)
	switch {
	case at < 0 && wake == gen.Never && len(g.held) == 0 && !slices.ContainsFunc(g.sources, func(s source) bool { return s.asked }):
		return gen.Result{}, g
	case at < 0:
		return gen.Wait(wake), &next
	}
	result := gen.Emit(ctx, history.Op{F: g.f, Key: g.sources[at].key, Value: g.sources[at].value})
	if result.Kind != gen.Ready {
		return result, g
	}
	next.sources = slices.Clone(g.sources)
	next.sources[at].asked, next.sources[at].by = true, result.Op.Process
	return result, &next
}

// due returns the queue to ask now, or -1 and when to ask one.
func (g *drain) due(now int64) (at int, wake int64) {
	at, wake = -1, gen.Never
	for i, s := range g.sources {
		switch {
		case s.asked || g.done(s.key):
		case s.next > now:
			wake = min(wake, s.next)
		case at < 0 || s.next < g.sources[at].next:
			at = i
		}
	}
	return at, wake
}

// done reports whether a queue and its dead letters were found empty for long enough.
func (g *drain) done(key history.Value) bool {
	return !slices.ContainsFunc(g.sources, func(s source) bool {
		return s.key.Equal(key) && (s.since < 0 || s.looked-s.since < g.settle)
	})
}

// Update notes what was found.
func (g *drain) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	if ev.Type == history.Invoke {
		return g
	}
	next := *g
	next.held = holding(g.held, ev)
	next.sources = slices.Clone(g.sources)
	for i := range next.sources {
		next.sources[i].note(ctx.Time, ev)
	}
	return &next
}

// note takes in the completion of an operation: whoever got a message, or could
// not say what became of it, may have to give one back.
func (s *source) note(now int64, ev *history.Op) {
	mine := s.asked && s.by == ev.Process
	switch nothing := ev.Type == history.OK && ev.Value.IsNil(); {
	case mine && nothing:
		s.next, s.looked = now+drainPause, now
		if s.since < 0 {
			s.since = now
		}
	case mine && ev.Type != history.OK:
		s.next = now + drainPause
		fallthrough
	case !nothing && s.key.Equal(ev.Key):
		s.since = -1
	}
	s.asked = s.asked && !mine
}
