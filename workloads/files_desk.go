package workloads

import (
	"slices"
	"strconv"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// desk is a place at which one operation at a time works on a file, so that what
// a truncate or a move finds there is known before. A file is written, some of its
// contents are cut, and once it is moved to another directory. It is a register
// as all files are: to cut the content 7 is to write the content {"cut": 7}, of
// which the readers know how much of 7 it is; and under its key it is found in
// both directories. A desk gets a new file every now and then, and one with which
// nobody knows what happened is left alone until then.
type desk struct {
	file    int64 // the number of the period for which the file is there
	busy    bool
	left    bool          // nobody works on the file any more
	moved   bool          // nobody writes it any more
	content history.Value // that was written and not cut; nil if there is none
	there   bool          // something was written
}

const (
	desks  = 3
	period = int64(4 * time.Second) // for which a file is on a desk
)

// hasDesks reports whether the target can cut and move files.
func hasDesks(p Params) bool { return slices.Contains(p.Fs, "move") }

func deskKey(desk int, file int64) history.Value {
	return history.String("d" + strconv.Itoa(desk+1) + "." + strconv.FormatInt(file+1, 10))
}

// onDesk returns what is done next on a desk, and the desks then. The result is
// not ready if nothing can be done.
func (g *tree) onDesk(ctx *gen.Context, draw *choice.Stream) (gen.Result, []desk) {
	after := slices.Clone(g.desks)
	i := draw.IntN(len(after))
	d := &after[i]
	if file := ctx.Time / period; file > d.file {
		*d = desk{file: file}
	}
	op, some := d.next(draw, history.Int(int64(g.n)+1))
	if !some {
		return gen.Wait(gen.Never), nil
	}
	op.Key = deskKey(i, d.file)
	return gen.Emit(ctx, op), after
}

// next chooses what to do with the file, and reports whether there is anything.
func (d *desk) next(draw *choice.Stream, fresh history.Value) (op history.Op, some bool) {
	var can []history.Op
	if !d.moved {
		can = append(can, history.Op{F: "write", Value: fresh})
		if d.there {
			can = append(can, history.Op{F: "move"})
		}
	}
	if !d.content.IsNil() {
		cut := history.Op{F: "write", Value: history.Map(history.String("cut"), d.content)}
		can = append(can, cut, cut)
	}
	if d.busy || d.left || len(can) == 0 {
		return history.Op{}, false
	}
	d.busy = true
	return choice.Pick(draw, can), true
}

// deskOf returns the desk that an operation has ended on, or -1.
func (g *tree) deskOf(ev *history.Op) int {
	if ev.Type == history.Invoke || ev.F != "write" && ev.F != "move" {
		return -1
	}
	for i := range g.desks {
		if ev.Key.Equal(deskKey(i, g.desks[i].file)) {
			return i
		}
	}
	return -1
}

// ended takes note of how an operation on the file ended. A content that could
// not be cut stays whole: to try again would be to write the same thing twice.
func (d *desk) ended(ev *history.Op) {
	cut := ev.F == "write" && ev.Value.Kind() == history.KindMap
	d.busy = false
	switch {
	case ev.Type == history.Info:
		d.left = true
	case cut:
		d.content = history.Nil
	case ev.Type == history.Fail:
	case ev.F == "move":
		d.moved = true
	default:
		d.content, d.there = ev.Value, true
	}
}

// readable returns the files that are of interest: those with fixed names, and
// those on the desks, now and before.
func (g *tree) readable(now int64) []history.Value {
	keys := slices.Clip(g.keys)
	for i := range g.desks {
		file := now / period
		keys = append(keys, deskKey(i, file), deskKey(i, max(file-1, 0)))
	}
	return keys
}

// filed reads all files that were on desks before it was first asked.
type filed struct {
	until int64 // when it was first asked
	read  int   // files so far
}

// Next returns the read of the next file.
func (g *filed) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next := *g
	if g.until == 0 {
		next.until = ctx.Time
	}
	file := int64(g.read / desks)
	if file > next.until/period {
		return gen.Result{}, g
	}
	result := gen.Emit(ctx, history.Op{F: "read", Key: deskKey(g.read%desks, file)})
	if result.Kind == gen.Ready {
		next.read++
	}
	return result, &next
}

// Update changes nothing.
func (g *filed) Update(*gen.Context, *history.Op) gen.Gen { return g }
