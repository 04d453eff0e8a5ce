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
		Optional:  []string{"remove"},
		Rare:      []string{"remove"},
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

// remove, to delete a file, is added to these if the target can do it.
var remove = choice.Weighted{Name: "remove", Weight: 3}

// growing generates operations on files that grow, a few at a time. Most of the
// appends to a file come through one node, as a file has one writer at a time,
// and now and then one comes through another node, which has to become the writer.
// Some files are deleted in the end, while they are still written.
type growing struct {
	*growingPlan
	n uint64 // operations so far
}

// growingPlan is what does not change.
type growingPlan struct {
	source choice.Source
	kinds  []choice.Weighted
	places int   // how many files grow at a time
	life   int64 // of a file, in nanoseconds
}

func newStreams(p Params) gen.Gen { return &growing{growingPlan: newGrowingPlan(p)} }

func newGrowingPlan(p Params) *growingPlan {
	plan := &growingPlan{source: p.Choices, kinds: streamKinds, places: int(p.Options.Int("streams")), life: int64(5 * time.Second)}
	if life := p.Options.Length("life"); life > 0 {
		plan.life = int64(life)
	}
	if slices.Contains(p.Fs, remove.Name) {
		plan.kinds = append(slices.Clone(plan.kinds), remove)
	}
	return plan
}

// key is the file that grows in a place at a time.
func (p *growingPlan) key(place int, time int64) history.Value {
	return history.String("s" + strconv.Itoa(place+1) + "." + strconv.FormatInt(time/p.life+1, 10))
}

// rotation is the files that grow in the place until one of them is deleted, which
// is another one of them in each of the first places: so most files are judged
// until the end.
const rotation = 5

// doomed returns the place of the file that is deleted at a time, and reports
// whether there is one. That is in the last fifth of its life: writers that come
// later make the file anew.
func (p *growingPlan) doomed(time int64) (place int, some bool) {
	place = int(time / p.life % rotation)
	return place, place < p.places && time%p.life >= p.life/5*4
}

// Next returns a random operation.
func (g *growing) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	p, free := ctx.Pick()
	if !free {
		return gen.Wait(gen.Never), g
	}
	draw := g.source.Stream("append", g.n)
	op := history.Op{F: choice.Weigh(draw, g.kinds)}
	place := ctx.Node(ctx.Thread(p)) % g.places
	if op.F != "append" || draw.Chance(1, 8) {
		place = draw.IntN(g.places)
	}
	if op.F == remove.Name {
		doomed, some := g.doomed(ctx.Time)
		if place = doomed; !some {
			op.F, place = "read", draw.IntN(g.places)
		}
	}
	op.Key = g.key(place, ctx.Time)
	if op.F == "append" {
		op.Value = history.Int(int64(g.n) + 1)
	}
	result := gen.Emit(ctx, op)
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	return result, &growing{g.growingPlan, g.n + 1}
}

// Update changes nothing: what to append does not depend on what happened.
func (g *growing) Update(*gen.Context, *history.Op) gen.Gen { return g }

// finalStreams has a client of every node read every file that there was time for.
func finalStreams(p Params) gen.Gen {
	return gen.OnClients(gen.EachNode(&grown{growingPlan: newGrowingPlan(p)}))
}

// grown reads all files that may have grown before it was first asked.
type grown struct {
	*growingPlan
	until int64 // when it was first asked
	read  int   // files so far
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
	next.read++
	result := gen.Emit(ctx, history.Op{F: "read", Key: g.key(g.read%g.places, at)})
	if result.Kind != gen.Ready {
		next.read = g.read
	}
	return result, &next
}

// Update changes nothing.
func (g *grown) Update(*gen.Context, *history.Op) gen.Gen { return g }
