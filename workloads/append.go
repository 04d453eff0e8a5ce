package workloads

import (
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/files"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Append is files that grow.
func Append() Workload {
	return Workload{
		Name:   files.AppendName,
		Doc:    "files that grow: what was synced survives every crash, and readers see a beginning of what was appended",
		Level:  durablePrefix,
		Levels: []string{durablePrefix, closeToOpen, Eventual},
		Options: []Option{
			Flag("durable", "an append is durable as soon as it is ok, without a sync"),
			Number("streams", 5, 1, 1000, "how many files grow at a time"),
			Length("life", "after what time another file takes the place of one that grows; none: 5s"),
		},
		Fs:        []string{"append", "sync", "read"},
		Optional:  []string{"remove", "cut", "move"},
		Rare:      []string{"remove", "cut", "move"},
		Generator: newStreams,
		Final:     finalStreams,
		Checkers: func(level string, o Options) []checkers.Checker {
			return []checkers.Checker{files.NewAppend(files.AppendOptions{
				Durable: level != durablePrefix || o.On("durable"), Eventual: level == Eventual,
			})}
		},
		Recovered: func(string, Options) []checkers.Checker {
			return []checkers.Checker{converge.New(converge.Options{})}
		},
	}
}

var streamKinds = []choice.Weighted{{Name: "append", Weight: 55}, {Name: "sync", Weight: 12}, {Name: "read", Weight: 33}}

// change is added to these if the target can do any of them: to delete a file, to cut
// it, or to give it another name. Each is for some of the files.
const change = "change"

// mostLeft is how many records a cut leaves at most: some cuts are within a block,
// and some cut nothing off.
const mostLeft = 60

// growing generates operations on files that grow, a few at a time. Most of the
// appends to a file come through one node, as a file has one writer at a time,
// and now and then one comes through another node, which has to become the writer.
// In the end some files are deleted, cut or moved, or somebody tries to, while they
// are still written.
type growing struct {
	*growingPlan
	n uint64 // operations so far
}

// growingPlan is what does not change.
type growingPlan struct {
	source choice.Source
	kinds  []choice.Weighted
	fates  []string // what happens to files that are changed, by turns
	places int      // how many files grow at a time
	life   int64    // of a file, in nanoseconds
}

func newStreams(p Params) gen.Gen { return &growing{growingPlan: newGrowingPlan(p)} }

func newGrowingPlan(p Params) *growingPlan {
	plan := &growingPlan{source: p.Choices, kinds: streamKinds, places: int(p.Options.Int("streams")), life: int64(5 * time.Second)}
	if life := p.Options.Length("life"); life > 0 {
		plan.life = int64(life)
	}
	for _, fate := range []string{"remove", "move", "cut"} {
		if slices.Contains(p.Fs, fate) {
			plan.fates = append(plan.fates, fate)
		}
	}
	if len(plan.fates) > 0 {
		plan.kinds = append(slices.Clone(plan.kinds), choice.Weighted{Name: change, Weight: 4})
	}
	return plan
}

// key is the file that grows in a place at a time.
func (p *growingPlan) key(place int, time int64) history.Value {
	return history.String("s" + strconv.Itoa(place+1) + "." + strconv.FormatInt(time/p.life+1, 10))
}

// movedKey is what it is called once it is moved.
func (p *growingPlan) movedKey(place int, time int64) history.Value {
	return history.String("moved." + p.key(place, time).Text())
}

// rotation is the files that grow in the place until one of them is changed, which
// is another one of them in each of the first places: so most files are judged
// until the end as what they were at first.
const rotation = 5

// doomed returns the place of the file that is changed at a time, and what happens
// to it, which is nothing if there is no such file.
func (p *growingPlan) doomed(time int64) (place int, fate string) {
	life := time / p.life
	place = int(life % rotation)
	if place < p.places && len(p.fates) > 0 {
		fate = p.fates[life%int64(len(p.fates))]
	}
	return place, fate
}

// changes returns what is done next to the file that is changed. That is in the last
// fifth of its life: writers that come later make a file anew that is gone.
func (p *growingPlan) changes(time int64, draw *choice.Stream) (op history.Op, some bool) {
	place, fate := p.doomed(time)
	op = history.Op{F: fate, Key: p.key(place, time)}
	switch {
	case fate == "" || time%p.life < p.life/5*4:
		return history.Op{}, false
	case fate == "cut":
		op.Value = history.Int(int64(draw.IntN(mostLeft)))
	case fate == "move" && draw.Chance(1, 3):
		op = history.Op{F: "read", Key: p.movedKey(place, time)}
	case fate == "move":
		op.Value = p.movedKey(place, time)
	}
	return op, true
}

// Next returns a random operation.
func (g *growing) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	p, free := ctx.Pick()
	if !free {
		return gen.Wait(gen.Never), g
	}
	draw := g.source.Stream("append", g.n)
	result := gen.Emit(ctx, g.operation(ctx, draw, ctx.Node(ctx.Thread(p))))
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	return result, &growing{g.growingPlan, g.n + 1}
}

// operation returns what a client of a node does.
func (g *growing) operation(ctx *gen.Context, draw *choice.Stream, node int) history.Op {
	op := history.Op{F: choice.Weigh(draw, g.kinds)}
	if op.F == change {
		if op, some := g.changes(ctx.Time, draw); some {
			return op
		}
		op.F = "read"
	}
	place := node % g.places
	if op.F != "append" || draw.Chance(1, 8) {
		place = draw.IntN(g.places)
	}
	op.Key = g.key(place, ctx.Time)
	if op.F == "append" {
		op.Value = history.Int(int64(g.n) + 1)
	}
	return op
}

// Update changes nothing: what to append does not depend on what happened.
func (g *growing) Update(*gen.Context, *history.Op) gen.Gen { return g }

// finalStreams has a client of every node read every file that there was time for.
func finalStreams(p Params) gen.Gen {
	return gen.OnClients(gen.EachNode(&grown{growingPlan: newGrowingPlan(p)}))
}

// grown reads all files that may have grown before it was first asked, and those that
// may have been moved under both names.
type grown struct {
	*growingPlan
	until int64 // when it was first asked
	read  int   // files so far
	moved bool  // the last one has yet to be read under its other name
}

// Next returns the read of the next file.
func (g *grown) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next := *g
	if g.until == 0 {
		next.until = ctx.Time
	}
	at := int64(g.read/g.places) * g.life
	if at > next.until {
		return gen.Result{}, g
	}
	place := g.read % g.places
	key := g.key(place, at)
	doomed, fate := g.doomed(at)
	if next.moved = !g.moved && place == doomed && fate == "move"; !next.moved {
		next.read++
	}
	if g.moved {
		key = g.movedKey(place, at)
	}
	result := gen.Emit(ctx, history.Op{F: "read", Key: key})
	if result.Kind != gen.Ready {
		next.read, next.moved = g.read, g.moved
	}
	return result, &next
}

// Update changes nothing.
func (g *grown) Update(*gen.Context, *history.Op) gen.Gen { return g }
