package gen

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Keys says what is done to the k-th of many independent objects, counted from
// 0, and reports false when there are no more. It must be a pure function.
// Histories of independent objects are checked one by one, which is what makes
// checking long runs possible at all.
type Keys func(k int64) (key history.Value, g Gen, ok bool)

// SequentialKeys works on one key after the other, with all threads.
func SequentialKeys(keys Keys) Gen {
	return &split{
		sets:   func(ctx *Context) []*set { return []*set{ctx.clients} },
		make:   keys.part,
		shared: true,
	}
}

// ConcurrentKeys works on many keys at once: the threads are cut into groups
// of n, in order (the last group may be smaller), each group works on one key,
// and goes on with the next key that nobody has taken when it is done.
func ConcurrentKeys(n int, keys Keys) Gen {
	n = max(n, 1)
	return &split{
		sets: func(ctx *Context) (sets []*set) {
			rank := ctx.ranks()
			for from := 0; from < ctx.Threads(); from += n {
				sets = append(sets, ctx.subset(func(t int) bool { return rank[t]/n == from/n }))
			}
			return sets
		},
		make:   keys.part,
		shared: true,
	}
}

func (keys Keys) part(_ int, k int64) (Gen, bool) {
	key, g, ok := keys(k)
	return WithKey(key, g), ok
}

// WithKey gives every operation of g a key, and shows g only operations on
// that key.
func WithKey(key history.Value, g Gen) Gen { return &keyed{key, orNothing(g)} }

type keyed struct {
	key   history.Value
	inner Gen
}

func (g *keyed) Next(ctx *Context) (Result, Gen) {
	r, in := g.inner.Next(ctx)
	r.Op.Key = g.key
	return r, g.with(in)
}

func (g *keyed) Update(ctx *Context, ev *history.Op) Gen {
	if !ev.Key.Equal(g.key) {
		return g
	}
	return g.with(g.inner.Update(ctx, ev))
}

func (g *keyed) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &keyed{g.key, in}
}

// KeyPool works on a number of keys at once, without binding threads to them:
// each operation goes to a key that is chosen at random among the active ones.
// When the generator of a key is done the next key takes its place. So every
// process, and every node, meets every key.
func KeyPool(src choice.Source, label string, active int, keys Keys) Gen {
	return &keyPool{draws: newDraws(src, label), keys: keys, want: max(active, 1)}
}

type keyPool struct {
	draws  draws
	keys   Keys
	want   int
	n      int64 // operations so far
	k      int64 // keys so far
	active []*keyed
	empty  bool // there are no more keys
	missed int
}

func (g *keyPool) Next(ctx *Context) (Result, Gen) {
	next := *g
	owned := next.fill()
	order, wait := next.draws.at(next.n), Wait(Never)
	for left := next.indices(); len(left) > 0; {
		i := order.IntN(len(left))
		at := left[i]
		r, in := next.active[at].Next(ctx)
		if !owned {
			next.active, owned = slices.Clone(next.active), true
		}
		switch r.Kind {
		case Ready:
			next.active[at], next.n = in.(*keyed), next.n+1
			return r, &next
		case Pending:
			next.active[at] = in.(*keyed)
			wait.Wake, wait.Queue = min(wait.Wake, r.Wake), wait.Queue+r.Queue
			left = slices.Delete(left, i, i+1)
		case Done:
			next.missed += r.Queue
			next.drop(at)
			left = next.indices()
		}
	}
	if len(next.active) == 0 {
		return Result{Queue: next.missed}, g
	}
	return wait, &next
}

// indices returns the places of the active keys.
func (g *keyPool) indices() []int {
	all := make([]int, len(g.active))
	for i := range all {
		all[i] = i
	}
	return all
}

// drop takes a key out and puts the next one in its place.
func (g *keyPool) drop(at int) {
	g.active = slices.Delete(g.active, at, at+1)
	g.fill()
}

// fill takes new keys until enough are active, and reports whether it made a
// new list of them.
func (g *keyPool) fill() bool {
	if g.empty || len(g.active) >= g.want {
		return false
	}
	active := slices.Clone(g.active)
	for len(active) < g.want {
		key, inner, ok := g.keys(g.k)
		if !ok {
			g.empty = true
			break
		}
		g.k++
		active = append(active, &keyed{key, orNothing(inner)})
	}
	g.active = active
	return true
}

func (g *keyPool) Update(ctx *Context, ev *history.Op) Gen {
	at := slices.IndexFunc(g.active, func(m *keyed) bool { return m.key.Equal(ev.Key) })
	if at < 0 {
		return g
	}
	in := g.active[at].Update(ctx, ev)
	if in == Gen(g.active[at]) {
		return g
	}
	next := *g
	next.active = slices.Clone(g.active)
	next.active[at] = in.(*keyed)
	return &next
}
