package streams

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// isStale confirms a claim about staleness; see the package comment.
func isStale(c *claim.Claim) error {
	s := &staleness{windows: c.History.Windows()}
	if err := s.options(c.Parameters); err != nil {
		return err
	}
	return c.ByRules(func(ops []*claim.Op) (*claim.Ruling, error) {
		r, err := s.judge(ops)
		if s.share > 0 {
			s.share = 1 // the core of an slo, which is looked at next, shows one that is older
		}
		return r, err
	})
}

type staleness struct {
	bound, recovery, within time.Duration
	share                   float64
	k                       int
	calm                    bool
	windows                 []history.Window
}

func (s *staleness) options(parameters map[string]string) (err error) {
	for name, value := range parameters {
		switch name {
		case "bound":
			s.bound, err = time.ParseDuration(value)
		case "recovery":
			s.recovery, err = time.ParseDuration(value)
		case "k":
			s.k, err = strconv.Atoi(value)
		case "calm-only":
			s.calm, err = strconv.ParseBool(value)
		case "slo":
			share, within, _ := strings.Cut(value, "@")
			if s.share, err = strconv.ParseFloat(share, 64); err == nil {
				s.within, err = time.ParseDuration(within)
			}
		default:
			err = fmt.Errorf("parameter %s of staleness means nothing", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// written is a value of a register; times are in nanoseconds.
type written struct {
	write        *claim.Op
	failed       bool
	order, known int64
}

const (
	earliest = -1 << 63
	latest   = 1<<63 - 1
)

// register is what happened to one key.
type staleRegister struct {
	key      string
	numbered bool
	values   map[string]*written
	reads    []*claim.Op
	of       []*written // by read
}

// judge looks at all reads.
func (s *staleness) judge(ops []*claim.Op) (*claim.Ruling, error) {
	r := claim.NewRuling()
	keys := map[string]*staleRegister{}
	for _, o := range ops {
		at := claim.Identity(o.Invoke.Key)
		if keys[at] == nil {
			keys[at] = &staleRegister{key: claim.TextOf(o.Invoke.Key), values: map[string]*written{"nil": {order: earliest, known: earliest}}}
		}
		if err := keys[at].take(o); err != nil {
			return nil, err
		}
	}
	reads, late := 0, map[string]int{}
	for _, g := range keys {
		g.settle()
		r.Judged += len(g.reads)
		for i, age := range g.ages(s.k) {
			at := g.reads[i].Invoke.Time
			if s.recovery > 0 && age.time > 0 && s.recovered(at) {
				r.Note("slow-recovery", g.key)
			}
			if s.calm && s.faulty(at) {
				continue
			}
			reads++
			if age.time > int64(s.within) {
				late[g.key]++
			}
			if s.bound > 0 && age.time > int64(s.bound) {
				r.Note("stale-read", g.key)
			}
			if s.k > 0 && age.versions >= s.k {
				r.Note("k-stale-read", g.key)
			}
		}
	}
	fine := reads
	for _, n := range late {
		fine -= n
	}
	if s.share > 0 && float64(fine) < s.share*float64(reads) {
		for key := range late {
			r.Note("slo", key)
		}
	}
	return r, nil
}

// take takes in an operation.
func (g *staleRegister) take(o *claim.Op) error {
	v := o.Invoke.Value
	switch o.Invoke.F {
	case "read":
		if o.Happened() {
			g.reads = append(g.reads, o)
			g.of = append(g.of, g.value(o.Complete.Value))
		}
		return nil
	case "cas":
		if len(v.Elems()) != 2 {
			return fmt.Errorf("index %d: a cas of %v", o.Inv, v)
		}
		v = v.Elems()[1]
	case "write":
		if o.Happened() && number(o.Complete.Value) != nil {
			v = o.Complete.Value
		}
	default:
		return nil
	}
	if v.IsNil() || g.numbered && number(v) == nil {
		return nil
	}
	w := g.value(v)
	switch {
	case w.write == nil || w.failed:
		w.write, w.failed = o, o.Failed()
		if o.Happened() {
			w.known = o.Complete.Time
		}
	case !o.Failed():
		return fmt.Errorf("index %d writes %v a second time", o.Inv, v)
	}
	return nil
}

// number returns the number of a version, if a value has one.
func number(v history.Value) *int64 {
	if n, ok := v.Get("version").Int(); ok && v.Kind() == history.KindMap {
		return &n
	}
	return nil
}

func (g *staleRegister) value(v history.Value) *written {
	name, w := claim.Identity(v), &written{order: latest, known: latest}
	if v.IsNil() {
		name = "nil"
	}
	if n := number(v); n != nil {
		name, w.order, g.numbered = claim.Identity(history.Int(*n)), *n, true
	}
	if g.values[name] == nil {
		g.values[name] = w
	}
	return g.values[name]
}

// settle drops reads that nobody can explain and finds out what was known when.
func (g *staleRegister) settle() {
	reads, of := g.reads, g.of
	g.reads, g.of = nil, nil
	for i, o := range reads {
		w := of[i]
		initial := w.order == earliest && w.write == nil
		if !initial && (w.failed || w.write == nil && !g.numbered || w.write != nil && o.Res < w.write.Inv) {
			continue
		}
		g.reads, g.of = append(g.reads, o), append(g.of, w)
		w.known = min(w.known, o.Complete.Time)
	}
	for _, w := range g.values {
		if w.order == latest && w.write != nil {
			w.order = w.write.Invoke.Time
		}
	}
}

// age says for how long, and by how many, something newer was known.
type age struct {
	time     int64
	versions int
}

// ages returns that of each read. Newer versions are those whose order is above what
// the read returned; of these it keeps the times at which the first k were known.
func (g *staleRegister) ages(k int) []age {
	var all []*written
	for _, w := range g.values {
		if w.known < latest && w.known > earliest && !w.failed {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *written) int { return cmp.Compare(b.order, a.order) })
	firsts := make([][]int64, len(all)+1) // of the first n of all, when the first k were known
	for n, w := range all {
		list := slices.Clone(firsts[n])
		at, _ := slices.BinarySearch(list, w.known)
		list = slices.Insert(list, at, w.known)
		firsts[n+1] = list[:min(len(list), max(k, 1))]
	}
	ages := make([]age, len(g.reads))
	for i, o := range g.reads {
		limit := g.of[i].known
		if g.numbered {
			limit = g.of[i].order
		}
		newer := firsts[sort.Search(len(all), func(n int) bool { return all[n].order <= limit })]
		n, _ := slices.BinarySearch(newer, o.Invoke.Time)
		if n > 0 {
			ages[i] = age{o.Invoke.Time - newer[0], n}
		}
	}
	return ages
}

// faulty reports whether a fault was in force.
func (s *staleness) faulty(at int64) bool {
	return slices.ContainsFunc(s.windows, func(w history.Window) bool { return w.Start <= at && (w.Healed == 0 || at < w.Healed) })
}

// recovered reports whether, at some time, no fault had been in force for long enough.
func (s *staleness) recovered(at int64) bool {
	since := int64(earliest)
	for _, w := range s.windows {
		switch {
		case w.Start > at:
		case w.Healed == 0 || w.Healed > at:
			return false
		default:
			since = max(since, w.Healed)
		}
	}
	return since > earliest && at-since >= int64(s.recovery)
}

// isStrongEventual confirms a claim about strong eventual consistency; see the package comment.
func isStrongEventual(c *claim.Claim) error {
	return c.ByRules(func(ops []*claim.Op) (*claim.Ruling, error) {
		r := claim.NewRuling()
		states := map[string]string{}
		for _, o := range ops {
			if o.Invoke.F != "read" || !o.Happened() || o.Complete.Value.Get("clock").IsNil() {
				continue
			}
			r.Judged++
			at := claim.Identity(history.List(o.Invoke.Key, o.Complete.Value.Get("clock")))
			state := claim.Identity(o.Complete.Value.Get("state"))
			if first, ok := states[at]; ok && first != state {
				r.Note("diverged", claim.TextOf(o.Invoke.Key))
			} else {
				states[at] = state
			}
		}
		return r, nil
	})
}
