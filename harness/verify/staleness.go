package verify

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// A claim about staleness has the parameters bound, k, slo, recovery and calm-only,
// each of which may be left out. Times are those of Go: "500ms".
//
// Keys are registers. A write is known from the moment that it was ok or that a read
// that returned it was. It is newer than another one if it began after that was known,
// or, if the store numbers the versions, by its number. Then
//
//	stale-read     a newer write than what the read returned had been known for
//	               longer than bound when it began
//	k-stale-read   so many newer writes were known when it began
//	slo            a smaller share than P of the reads were no older than T (slo=P@T); the
//	               core of that is one that was older
//	slow-recovery  a newer write was known when the read began, in a time without faults,
//	               at least the time recovery after the end of the last one
//
// With calm-only, reads that began during a fault do not count, but for the last rule.
// Reads that return what nobody can have written do not count at all.
//
// An ok takes no evidence; for invalid it is a violation (see ruling.go).
func isStale(c *claim) error {
	s := &staleness{windows: c.windows}
	if err := s.options(c.Parameters); err != nil {
		return err
	}
	return c.byRules(func(ops []*op) (*ruling, error) {
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
	write        *op
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
	reads    []*op
	of       []*written // by read
}

// judge looks at all reads.
func (s *staleness) judge(ops []*op) (*ruling, error) {
	r := newRuling()
	keys := map[string]*staleRegister{}
	for _, o := range ops {
		at := identity(o.Invoke.Key)
		if keys[at] == nil {
			keys[at] = &staleRegister{key: textOf(o.Invoke.Key), values: map[string]*written{"nil": {order: earliest, known: earliest}}}
		}
		if err := keys[at].take(o); err != nil {
			return nil, err
		}
	}
	reads, late := 0, map[string]int{}
	for _, g := range keys {
		g.settle()
		r.judged += len(g.reads)
		for i, age := range g.ages(s.k) {
			at := g.reads[i].Invoke.Time
			if s.recovery > 0 && age.time > 0 && s.recovered(at) {
				r.note("slow-recovery", g.key)
			}
			if s.calm && s.faulty(at) {
				continue
			}
			reads++
			if age.time > int64(s.within) {
				late[g.key]++
			}
			if s.bound > 0 && age.time > int64(s.bound) {
				r.note("stale-read", g.key)
			}
			if s.k > 0 && age.versions >= s.k {
				r.note("k-stale-read", g.key)
			}
		}
	}
	fine := reads
	for _, n := range late {
		fine -= n
	}
	if s.share > 0 && float64(fine) < s.share*float64(reads) {
		for key := range late {
			r.note("slo", key)
		}
	}
	return r, nil
}

// take takes in an operation.
func (g *staleRegister) take(o *op) error {
	v := o.Invoke.Value
	switch o.Invoke.F {
	case "read":
		if o.happened() {
			g.reads = append(g.reads, o)
			g.of = append(g.of, g.value(o.Complete.Value))
		}
		return nil
	case "cas":
		if len(v.Elems()) != 2 {
			return fmt.Errorf("index %d: a cas of %v", o.inv, v)
		}
		v = v.Elems()[1]
	case "write":
		if o.happened() && number(o.Complete.Value) != nil {
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
		w.write, w.failed = o, o.failed()
		if o.happened() {
			w.known = o.Complete.Time
		}
	case !o.failed():
		return fmt.Errorf("index %d writes %v a second time", o.inv, v)
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
	name, w := identity(v), &written{order: latest, known: latest}
	if v.IsNil() {
		name = "nil"
	}
	if n := number(v); n != nil {
		name, w.order, g.numbered = identity(history.Int(*n)), *n, true
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
		if !initial && (w.failed || w.write == nil && !g.numbered || w.write != nil && o.res < w.write.inv) {
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
	slices.SortFunc(all, func(a, b *written) int { return compareTimes(b.order, a.order) })
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

func compareTimes(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
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

// isStrongEventual confirms a claim about strong eventual consistency: no two reads,
// of the same key, return equal clocks and different states ("diverged").
func isStrongEventual(c *claim) error {
	return c.byRules(func(ops []*op) (*ruling, error) {
		r := newRuling()
		states := map[string]string{}
		for _, o := range ops {
			if o.Invoke.F != "read" || !o.happened() || o.Complete.Value.Get("clock").IsNil() {
				continue
			}
			r.judged++
			at := identity(history.List(o.Invoke.Key, o.Complete.Value.Get("clock")))
			state := identity(o.Complete.Value.Get("state"))
			if first, ok := states[at]; ok && first != state {
				r.note("diverged", textOf(o.Invoke.Key))
			} else {
				states[at] = state
			}
		}
		return r, nil
	})
}
