package workloads

import (
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/eventlog"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// lossyLog is a log that may have lost what was acknowledged: what is there is
// there in order, was sent, and belongs to no transaction that failed.
const lossyLog = "lossy-log"

// Log is messages that are sent to the partitions of topics and polled from them:
// alone and in transactions, by those who were assigned partitions and by members
// of a group that share them.
func Log() Workload {
	return Workload{
		Name:   eventlog.Name,
		Doc:    "a partitioned log as Kafka's: sends, polls, transactions of both, assign and subscribe",
		Level:  logOrder,
		Levels: []string{logOrder, atLeastOnce, lossyLog},
		Options: []Option{
			Number("topics", 2, 1, 100, "how many topics"),
			Number("partitions", 2, 1, 100, "how many partitions each topic has"),
			Number("producers", 3, 1, 1000, "how many names of producers there are to take from each other"),
			OneOf("sub-via", "how processes get what they poll; none: as the history shows", "", "assign", "subscribe"),
			Flag("ww-deps", "the order of what transactions sent is part of the order between them"),
			Flag("rw-deps", "a poll returns everything that is there, so one that lacks a message came before it"),
			Number("retention", 0, 0, 1_000_000_000, "how many of its newest messages a partition keeps at least; 0: all"),
			Flag("compaction", "messages have keys, and of those with the same key only the last has to stay"),
			List("allow", "more types of errors that are allowed"),
		},
		Fs:        []string{"send", "poll", "txn", "assign", "subscribe", "commit", "init"},
		Optional:  []string{"rebalance"},
		Rare:      []string{"subscribe", "init"},
		Generator: newMessages,
		Final:     pollAll,
		Checkers:  judgeLog,
		Recovered: func(string, Options) []checkers.Checker { return []checkers.Checker{converge.New(converge.Options{})} },
	}
}

// Errors that a level allows. A message that is there twice is out of order
// wherever its second place counts.
var (
	repeated = []string{
		eventlog.Duplicate, eventlog.NonmonotonicSend, eventlog.IntNonmonotonicSend,
		eventlog.NonmonotonicPoll, eventlog.IntNonmonotonicPoll, eventlog.PollSkip, eventlog.IntPollSkip,
	}
	lost = []string{
		eventlog.LostWrite, eventlog.Vanished, eventlog.Unseen, eventlog.Truncation, eventlog.InconsistentOffsets,
		eventlog.TornTransaction, eventlog.CommitAhead,
	}
)

func judgeLog(level string, o Options) []checkers.Checker {
	allow := o.List("allow")
	if level != logOrder {
		allow = append(allow, repeated...)
	}
	if level == lossyLog {
		allow = append(allow, lost...)
	}
	return []checkers.Checker{eventlog.New(eventlog.Options{
		SubVia: o["sub-via"], WWDeps: o.On("ww-deps"), RWDeps: o.On("rw-deps"), Compaction: o.On("compaction"),
		Retention: int(o.Int("retention")), Allow: allow,
	})}
}

// messages generates what producers and consumers do. Clients have roles, by
// their number: one sends and polls by itself, the next takes the name of a
// producer and does transactions, and the third is in a group, which it joins
// first.
type messages struct {
	*messagePlan
	n       uint64 // operations so far
	sent    int64  // messages so far
	members []history.Process
}

// messagePlan is what does not change.
type messagePlan struct {
	source    choice.Source
	keys      []history.Value
	producers int
	compacted bool
}

// roles say how often the clients of each role do what.
var roles = [][]choice.Weighted{
	{{Name: "send", Weight: 60}, {Name: "poll", Weight: 32}, {Name: "assign", Weight: 8}},
	{{Name: "txn", Weight: 60}, {Name: "poll", Weight: 23}, {Name: "init", Weight: 13}, {Name: "assign", Weight: 4}},
	{{Name: "poll", Weight: 56}, {Name: "txn", Weight: 20}, {Name: "commit", Weight: 16}, {Name: "subscribe", Weight: 8}},
}

const groupRole = 2

func newMessages(p Params) gen.Gen {
	return &messages{messagePlan: &messagePlan{
		source: p.Choices, keys: logKeys(p.Options), producers: int(p.Options.Int("producers")), compacted: p.Options.On("compaction"),
	}}
}

func logKeys(o Options) []history.Value {
	var keys []history.Value
	for t := range o.Int("topics") {
		for p := range o.Int("partitions") {
			keys = append(keys, history.String("t"+strconv.FormatInt(t+1, 10)+"-"+strconv.FormatInt(p, 10)))
		}
	}
	return keys
}

// Next returns the next operation of a client that has nothing to do.
func (g *messages) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	p, free := ctx.Pick()
	if !free {
		return gen.Wait(gen.Never), g
	}
	next := *g
	next.n++
	draw := g.source.Stream("log", g.n)
	role := ctx.Thread(p) % len(roles)
	op := history.Op{Type: history.Invoke, F: choice.Weigh(draw, roles[role]), Process: p, Time: ctx.Time}
	if role == groupRole && !slices.Contains(g.members, p) {
		op.F = "subscribe"
	}
	op.Value = next.value(op.F, draw)
	return gen.Result{Kind: gen.Ready, Op: op}, &next
}

// value returns the argument of an operation.
func (g *messages) value(f string, draw *choice.Stream) history.Value {
	switch f {
	case "send":
		return history.List(g.sends(draw)...)
	case "poll":
		return history.List(micro("poll"))
	case "txn":
		return g.txn(draw)
	case "assign":
		some := g.keys[draw.IntN(len(g.keys)):]
		return history.List(slices.Clone(some)...)
	case "subscribe":
		return history.List(slices.Clone(g.keys)...)
	case "commit":
		return history.List(history.List(history.String("commit"), history.Map()))
	default:
		name := history.String("producer-" + strconv.Itoa(draw.IntN(g.producers)+1))
		return history.List(history.List(history.String("init"), history.Map(history.String("id"), name)))
	}
}

func micro(name string) history.Value { return history.List(history.String(name)) }

// txn sends some messages, polls or not, and now and then thinks better of it.
func (g *messages) txn(draw *choice.Stream) history.Value {
	steps := g.sends(draw)
	if draw.Chance(1, 2) {
		steps = slices.Insert(steps, draw.IntN(len(steps)+1), micro("poll"))
	}
	if draw.Chance(1, 10) {
		steps = append(steps, micro("abort"))
	}
	return history.List(steps...)
}

// sends sends up to three messages. Outside of a transaction it may end in the midst
// of them, and then it must not be said to have failed.
func (g *messages) sends(draw *choice.Stream) []history.Value {
	var list []history.Value
	for range 1 + draw.IntN(3) {
		list = append(list, g.send(draw))
	}
	return list
}

// recordKeys is how many keys the messages of a compacted log have.
const recordKeys = 20

func (g *messages) send(draw *choice.Stream) history.Value {
	g.sent++
	v := history.Int(g.sent)
	if g.compacted {
		key := history.String("r" + strconv.Itoa(draw.IntN(recordKeys)+1))
		v = history.Map(history.String("key"), key, history.String("value"), v)
	}
	return history.List(history.String("send"), g.keys[draw.IntN(len(g.keys))], v)
}

// Update notes who is in the group.
func (g *messages) Update(_ *gen.Context, ev *history.Op) gen.Gen {
	if ev.Type != history.OK || ev.F != "subscribe" || slices.Contains(g.members, ev.Process) {
		return g
	}
	next := *g
	next.members = append(slices.Clone(g.members), ev.Process)
	return &next
}

// pollAll has every client poll every partition from its beginning to its end. It
// gives up what it had first, and with that the place up to which it had polled.
func pollAll(p Params) gen.Gen {
	keys := logKeys(p.Options)
	return gen.OnClients(gen.EachThread(gen.Sequence(
		gen.Ops(history.Op{F: "assign", Value: history.List()}, history.Op{F: "assign", Value: history.List(keys...)}),
		gen.Limit(maxPolls, &untilEnd{keys: len(keys)}),
	)))
}

// maxPolls is after how many polls a client gives up.
const maxPolls = 60

// untilEnd polls until a poll finds every partition at its end and brings nothing.
type untilEnd struct {
	keys int
	done bool
}

// Next returns the next poll.
func (g *untilEnd) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	if g.done {
		return gen.Result{}, g
	}
	return gen.Emit(ctx, history.Op{F: "poll", Value: history.List(micro("poll"))}), g
}

// Update looks at what came back.
func (g *untilEnd) Update(_ *gen.Context, ev *history.Op) gen.Gen {
	if ev.Type != history.OK || ev.F != "poll" || g.done {
		return g
	}
	ended := 0
	for _, m := range ev.Value.Elems() {
		parts := m.Elems()
		if parts[0].Text() != "poll" {
			continue // where it begins to poll says nothing of the end
		}
		kvs := parts[len(parts)-1].Elems()
		for i := 1; i < len(kvs); i += 2 {
			if len(kvs[i].Elems()) == 0 {
				ended++
			}
		}
	}
	if ended < g.keys {
		return g
	}
	return &untilEnd{g.keys, true}
}
