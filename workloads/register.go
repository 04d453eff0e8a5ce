package workloads

import (
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/causal"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// registerKinds are the operations on a register and how often they are done.
var registerKinds = []choice.Weighted{{Name: "read", Weight: 50}, {Name: "write", Weight: 35}, {Name: "cas", Weight: 15}}

// registers generates operations on many independent registers. Every value is
// written once in a run, which makes the history checkable in n log n. A
// compare-and-set expects the value that was last seen under its key, so that a
// fair share of them succeeds; now and then one that is still on its way there, so
// that whether it succeeds depends on which of the two comes first.
//
// The keys in use at a time may be fewer than there are: then they are a window
// that moves over all of them. What became of a key when it was left shows at the
// end, so that a write that was lost in the middle of a run is seen too. Some of the
// operations go to any key: where little is written, what was lost stays lost until
// somebody looks.
//
// Now and then what was changed is looked at at once, and word of it is passed on,
// see relay: where a change is on some replicas and not yet on others, one client
// may see it, and another not, although it has heard of it.
//
// Now and then a client stays on the key that it changed: what it does next is there
// as well, and as long as that fails, which it does while its node is down, it tries
// again. So what a node made of a change, and what it makes of the next one, follow
// each other closely, with its restart between them.
//
// Every fourth key is deleted now and then. What is deleted leaves nothing that is
// unique, and histories with that take longer to judge, so the other keys have none.
type registers struct {
	*registerPlan
	n     uint64            // operations so far
	seen  []history.Value   // by key: what was last read or written with success
	seers []history.Process // by key: who did that
	last  attempt           // the last one to write something

	relay relay
	stays []stay // by thread
}

// stay is that a client stays on a key.
type stay struct {
	by    history.Process
	key   int
	on    bool
	tried bool // it has come back to the key
}

// staying returns how a client stays on a key, if it does.
func (g *registers) staying(thread int, p history.Process) stay {
	if thread < len(g.stays) && g.stays[thread].by == p {
		return g.stays[thread]
	}
	return stay{}
}

// settle has a client stay on a key, or go on.
func (g *registers) settle(thread int, s stay) {
	g.stays = append(slices.Clone(g.stays), make([]stay, max(0, thread+1-len(g.stays)))...)
	g.stays[thread] = s
}

// relay has word of a change passed on: one client reads the key, and then writes
// another; a second client reads that, and then the key. By that, what the second
// one has to see follows from what the first one saw, which it does only where
// operations of different clients depend on each other, and they do by luck alone
// if keys are random. The first one is whoever saw last what was there before, so that
// it is known to come after that what it sees, even if that is nothing.
type relay struct {
	stage         relayStage
	key, word     int // what was changed, and what is written to pass that on
	first, second history.Process
	end           uint64 // the operation at which it is given up
}

type relayStage uint8

const (
	noRelay relayStage = iota
	seeKey
	writeWord
	readWord
	seeKeyToo
)

// next returns the next step, if the client that has to do it is free.
func (r *relay) next(ctx *gen.Context, fresh history.Value, keys []history.Value) (op history.Op, ok bool) {
	var by history.Process
	switch r.stage {
	case seeKey:
		if by, ok = r.first, free(ctx, r.first); !ok {
			by, ok = ctx.Pick()
		}
		op, r.first = history.Op{F: "read", Key: keys[r.key]}, by
	case writeWord:
		by, ok = r.first, free(ctx, r.first)
		op = history.Op{F: "write", Key: keys[r.word], Value: fresh}
	case readWord:
		by, ok = ctx.Pick()
		ok = ok && by != r.first && free(ctx, r.first)
		op, r.second = history.Op{F: "read", Key: keys[r.word]}, by
	case seeKeyToo:
		by, ok = r.second, free(ctx, r.second)
		op = history.Op{F: "read", Key: keys[r.key]}
	default:
		return op, false
	}
	op.Process, op.Time, op.Type = by, ctx.Time, history.Invoke
	r.stage = (r.stage + 1) % (seeKeyToo + 1)
	return op, ok
}

// free reports whether a client has nothing under way, and has not crashed since.
func free(ctx *gen.Context, p history.Process) bool {
	thread := ctx.Thread(p)
	return ctx.IsFree(thread) && ctx.Process(thread) == p
}

// attempt is a value that may be on its way to a key.
type attempt struct {
	key   int
	value history.Value // nil if there is none
}

// registerPlan is what does not change.
type registerPlan struct {
	source   choice.Source
	keys     []history.Value
	active   int // keys in use at a time
	kinds    []choice.Weighted
	deleting []choice.Weighted // on keys that are deleted as well
}

// tenure is how many operations there are until the window of keys in use moves on
// by one.
const tenure = 25

// stray is how many operations there are to each one on any key.
const stray = 3

// deletedKeys is how many keys there are to each one that is deleted as well.
const deletedKeys = 4

// passed is how many writes there are to each one of which word is passed on, and
// passedDeletes the same for deletes, which are few; lasting is after how many
// operations that is given up.
const (
	passed        = 8
	passedDeletes = 2
	lasting       = 12
)

// faithful is how many changes there are to each one after which a client stays on
// the key.
const faithful = 4

// eager is how many compare-and-sets there are to each one that expects what is on
// its way.
const eager = 4

func newRegisters(p Params) gen.Gen {
	g := &registers{registerPlan: &registerPlan{source: p.Choices}}
	for i := range p.Options.Int("keys") {
		g.keys = append(g.keys, history.String("k"+strconv.FormatInt(i+1, 10)))
		g.seen = append(g.seen, history.Nil)
		g.seers = append(g.seers, 0)
	}
	if g.active = min(len(g.keys), int(p.Options.Int("active"))); g.active == 0 {
		g.active = len(g.keys)
	}
	for _, k := range registerKinds {
		if slices.Contains(p.Fs, k.Name) {
			g.kinds = append(g.kinds, k)
		}
	}
	g.deleting = g.kinds
	if deletes := p.Options.Int("deletes"); deletes > 0 && slices.Contains(p.Fs, "delete") {
		g.deleting = append(slices.Clone(g.kinds), choice.Weighted{Name: "delete", Weight: deletes})
	}
	return g
}

// kindsOf returns what is done to a key.
func (p *registerPlan) kindsOf(key int) []choice.Weighted {
	if key%deletedKeys == deletedKeys-1 {
		return p.deleting
	}
	return p.kinds
}

// Next returns a random operation on a random key, or the next step of a relay.
func (g *registers) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next := *g
	next.n++
	if next.n > next.relay.end {
		next.relay.stage = noRelay
	}
	r := next.relay
	if op, ok := r.next(ctx, history.Int(int64(next.n)), g.keys); ok {
		if next.relay = r; op.F == "write" {
			next.last = attempt{r.word, op.Value}
		}
		return gen.Result{Kind: gen.Ready, Op: op}, &next
	}
	by, ok := ctx.Pick()
	if !ok {
		return gen.Wait(gen.Never), g // the same operation is offered again
	}
	op := next.draw(g.source.Stream("register", g.n), ctx.Thread(by), by)
	op.Process, op.Time, op.Type = by, ctx.Time, history.Invoke
	return gen.Result{Kind: gen.Ready, Op: op}, &next
}

// draw returns a random operation of a client on a random key, or on the one that it
// stays on, and notes what it is to change.
func (g *registers) draw(draw *choice.Stream, thread int, by history.Process) history.Op {
	key := draw.IntN(g.active)
	if g.active < len(g.keys) {
		key = (key + int((g.n-1)/tenure)) % len(g.keys)
		if draw.Chance(1, stray) {
			key = draw.IntN(len(g.keys))
		}
	}
	kept := g.staying(thread, by)
	if kept.on {
		key, kept.tried = kept.key, true
		g.settle(thread, kept)
	}
	op := history.Op{F: choice.Weigh(draw, g.kindsOf(key)), Key: g.keys[key]}
	if again := draw.Chance(1, 2); again && kept.on {
		op.F = "write"
	}
	fresh, last := history.Int(int64(g.n)), g.last
	expected := g.seen[key]
	if op.F == "cas" && draw.Chance(1, eager) && !last.value.IsNil() && !kept.on {
		key, expected = last.key, last.value
		op.Key = g.keys[key]
	}
	switch {
	case op.F == "cas" && expected.IsNil():
		op.F, op.Value = "write", fresh // there is nothing yet to compare with
	case op.F == "cas":
		op.Value = history.List(expected, fresh)
	case op.F == "write":
		op.Value = fresh
	}
	if stays := draw.Chance(1, faithful); stays && !kept.on && op.F != "read" {
		g.settle(thread, stay{by: by, key: key, on: true})
	}
	chance := int64(passed)
	switch op.F {
	case "write", "cas":
		g.last = attempt{key, fresh}
	case "delete":
		chance = passedDeletes
	}
	if word := draw.IntN(g.active); op.F != "read" && g.relay.stage == noRelay && word != key && draw.Chance(1, chance) {
		g.relay = relay{stage: seeKey, key: key, word: word, first: g.seers[key], end: g.n + lasting}
	}
	return op
}

// Update remembers the values that were seen, and lets clients go on that did what
// they stayed for.
func (g *registers) Update(_ *gen.Context, ev *history.Op) gen.Gen {
	if ev.Type != history.OK {
		return g
	}
	key := slices.IndexFunc(g.keys, func(k history.Value) bool { return k.Equal(ev.Key) })
	if key < 0 {
		return g
	}
	if at := slices.IndexFunc(g.stays, func(s stay) bool { return s.by == ev.Process && s.tried }); at >= 0 {
		next := *g
		next.settle(at, stay{})
		g = &next
	}
	value := ev.Value
	switch {
	case ev.F == "delete":
		value = history.Nil
	case ev.F == "cas" && len(ev.Value.Elems()) != 2:
		return g // a client that answers in its own way; checkers will say so
	case ev.F == "cas":
		value = ev.Value.Elems()[1]
	}
	if value.Equal(g.seen[key]) {
		return g
	}
	next := *g
	next.seen, next.seers = slices.Clone(g.seen), slices.Clone(g.seers)
	next.seen[key], next.seers[key] = value, ev.Process
	return &next
}

// finalReads has a client of every node read every key.
func finalReads(p Params) gen.Gen {
	var reads []history.Op
	for i := range p.Options.Int("keys") {
		reads = append(reads, history.Op{F: "read", Key: history.String("k" + strconv.FormatInt(i+1, 10))})
	}
	return gen.OnClients(gen.EachNode(gen.Ops(reads...)))
}

// Register is reads, writes and, where the target has it, compare-and-set on
// many independent registers.
func Register() Workload {
	return Workload{
		Name:   "register",
		Doc:    "read, write and compare-and-set on independent registers, every value written once",
		Level:  Linearizable,
		Levels: []string{Linearizable, CausalConvergent, CausalWrites, Eventual},
		Options: []Option{
			Number("keys", 100, 1, 10_000, "how many registers"),
			Number("active", 10, 0, 10_000, "how many of them most operations go to at a time, a window that moves on; 0: all"),
			Number("deletes", 30, 0, 100, "how many deletes there are to a hundred other operations on every fourth register, if the target has them"),
		},
		Fs:        []string{"read", "write"},
		Optional:  []string{"cas", "delete"},
		Rare:      []string{"delete"},
		Generator: newRegisters,
		Final:     finalReads,
		Checkers:  judgeRegisters,
		Recovered: judgeRecoveredRegisters,
	}
}

func judgeRegisters(level string, _ Options) []checkers.Checker {
	switch level {
	case Linearizable:
		return []checkers.Checker{linear.New(linear.Options{Model: linear.CASRegister()})}
	case CausalConvergent:
		return []checkers.Checker{session.New(session.Options{Guarantee: session.CausalConvergent})}
	default:
		return nil
	}
}

func judgeRecoveredRegisters(level string, _ Options) []checkers.Checker {
	all := []checkers.Checker{converge.New(converge.Options{})}
	if level == CausalConvergent || level == CausalWrites {
		all = append(all, causal.New())
	}
	return all
}
