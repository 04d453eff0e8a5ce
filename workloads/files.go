package workloads

import (
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/files"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Files is files that are written as a whole and opened again, and names that
// come and go.
func Files() Workload {
	return Workload{
		Name:   files.Name,
		Doc:    "files that are written as a whole, cut, moved and opened again, and names that are created, renamed and deleted",
		Level:  closeToOpen,
		Levels: []string{closeToOpen, Eventual},
		Options: []Option{
			Number("files", 8, 1, 10_000, "how many files are written and read"),
			Number("names", 20, 2, 1000, "about how many other names there are at a time"),
		},
		Fs:        []string{"read", "write", "create", "rename", "delete", "list"},
		Optional:  []string{"move"},
		Rare:      []string{"move"},
		Generator: newFiles,
		Final:     finalFiles,
		Checkers: func(level string, _ Options) []checkers.Checker {
			return []checkers.Checker{files.New(files.Options{Eventual: level == Eventual})}
		},
		Recovered: func(string, Options) []checkers.Checker {
			return []checkers.Checker{converge.New(converge.Options{})}
		},
	}
}

// fileKinds are the operations and how often they are done. The others do
// nothing to the files that are written and read.
var fileKinds = []choice.Weighted{
	{Name: "read", Weight: 32}, {Name: "write", Weight: 24}, {Name: "create", Weight: 12},
	{Name: "rename", Weight: 12}, {Name: "delete", Weight: 8}, {Name: "list", Weight: 12},
}

// edit is the kind of what is done on desks.
const edit = "edit"

// tree generates operations on files. A name is used for one file only, and each
// write has a tag of its own. What is renamed or deleted is mostly a name that
// is there and that nobody else is after, and now and then one that may be gone.
// A few names stay, for others to be created and renamed to in vain.
type tree struct {
	*treePlan
	n     uint64 // operations so far
	there []history.Value
	taken []history.Value // lately
	kept  []history.Value // nobody takes them
	desks []desk
}

// treePlan is what does not change.
type treePlan struct {
	source choice.Source
	keys   []history.Value
	most   int
	kinds  []choice.Weighted
}

const (
	remembered = 4 // so many names that were taken are remembered, to be taken again
	mostKept   = 4
	inVain     = 8 // one in so many creates and renames is to a name that there is
)

func newFiles(p Params) gen.Gen {
	g := &tree{treePlan: &treePlan{source: p.Choices, most: int(p.Options.Int("names")), kinds: fileKinds}}
	for i := range p.Options.Int("files") {
		g.keys = append(g.keys, fileKey(i))
	}
	if hasDesks(p) {
		g.kinds = append(slices.Clone(g.kinds), choice.Weighted{Name: edit, Weight: 16})
		g.desks = make([]desk, desks)
	}
	return g
}

func fileKey(i int64) history.Value { return history.String("f" + strconv.FormatInt(i+1, 10)) }

// Next returns a random operation.
func (g *tree) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	draw := g.source.Stream("files", g.n)
	next := *g
	next.n++
	op := history.Op{F: choice.Weigh(draw, g.kinds)}
	switch {
	case op.F == edit:
		if result, desks := g.onDesk(ctx, draw); result.Kind == gen.Ready {
			next.desks = desks
			return result, &next
		}
		op.F = "read" // all desks are busy
	case op.F == "create" && len(g.there) >= g.most:
		op.F = "delete"
	case (op.F == "rename" || op.F == "delete") && len(g.there) == 0:
		op.F = "create"
	}
	fresh := history.Int(int64(g.n) + 1)
	name := history.String("n" + strconv.FormatUint(g.n+1, 10))
	switch vain := len(g.there) > 1 && draw.Chance(1, inVain); op.F {
	case "read":
		op.Key = choice.Pick(draw, g.readable(ctx.Time))
	case "write":
		op.Key, op.Value = choice.Pick(draw, g.keys), fresh
	case "create":
		if op.Value = name; vain {
			op.Value = next.keep(draw)
		}
	case "delete":
		op.Value = next.take(draw)
	case "rename":
		if vain {
			to := next.keep(draw)
			op.Value = history.List(choice.Pick(draw, next.there), to)
		} else {
			op.Value = history.List(next.take(draw), name)
		}
	}
	result := gen.Emit(ctx, op)
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	return result, &next
}

// take chooses a name to be renamed or deleted.
func (g *tree) take(draw *choice.Stream) history.Value {
	if len(g.taken) > 0 && draw.Chance(1, 8) {
		return choice.Pick(draw, g.taken)
	}
	i := draw.IntN(len(g.there))
	name := g.there[i]
	g.there = slices.Delete(slices.Clone(g.there), i, i+1)
	g.taken = append(slices.Clone(g.taken[max(0, len(g.taken)+1-remembered):]), name)
	return name
}

// keep chooses a name that is there and stays.
func (g *tree) keep(draw *choice.Stream) history.Value {
	if len(g.kept) == mostKept {
		return choice.Pick(draw, g.kept)
	}
	i := draw.IntN(len(g.there))
	name := g.there[i]
	g.there = slices.Delete(slices.Clone(g.there), i, i+1)
	g.kept = append(slices.Clone(g.kept), name)
	return name
}

// Update remembers the names that were made, and what came of the work on desks.
func (g *tree) Update(_ *gen.Context, ev *history.Op) gen.Gen {
	if i := g.deskOf(ev); i >= 0 {
		next := *g
		next.desks = slices.Clone(g.desks)
		next.desks[i].ended(ev)
		return &next
	}
	if ev.Type != history.OK {
		return g
	}
	made := ev.Value
	switch {
	case ev.F == "create":
	case ev.F == "rename" && len(ev.Value.Elems()) == 2:
		made = ev.Value.Elems()[1]
	default:
		return g
	}
	if slices.ContainsFunc(g.kept, made.Equal) {
		return g // that must not be, and a checker will say so
	}
	next := *g
	next.there = append(slices.Clone(g.there), made)
	return &next
}

// finalFiles has a client of every node read every file, and list the names.
func finalFiles(p Params) gen.Gen {
	var ops []history.Op
	for i := range p.Options.Int("files") {
		ops = append(ops, history.Op{F: "read", Key: fileKey(i)})
	}
	ops = append(ops, history.Op{F: "list"})
	if !hasDesks(p) {
		return gen.OnClients(gen.EachNode(gen.Ops(ops...)))
	}
	return gen.OnClients(gen.EachNode(gen.Sequence(gen.Ops(ops...), &filed{})))
}
