package linear

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// chains reads one key of a store whose texts are appended to as a register of
// unique values, where that is possible.
//
// If what is put and what is appended is unique, a text that was read says how
// it came about: it was put, and then this and that was appended, with nothing in
// between. So an append of which something was seen is a compare-and-set, from
// what was in front of it to that with it. An append of which nothing was seen is
// a write of a text that nobody read. Zones decide the rest.
type chains struct {
	*register
	uses   []use
	bases  map[string]bool    // texts that were put, or were there at first
	pieces map[string][]int32 // texts that were appended, with the calls
	makers map[string]int32   // by text, the call that made it of another one
	sizes  []int              // the lengths of pieces, each once
	links  map[int32]textRun  // what an append was seen to do, by call
	torn   *tear
}

// use is what a call did to a text.
type use struct {
	call                     int32
	found, wrote             string
	finds, writes, lengthens bool
}

// textRun is that an append made one text of another one, as somebody found.
type textRun struct {
	from, to string
	seen     int32 // the call that found it
}

// tear is an append that was found behind two different texts.
type tear struct {
	call          int32
	first, second textRun
}

// chained reads calls, or reports that they take a search.
func (m Model) chained(calls []history.Call) (*chains, bool) {
	c := &chains{
		register: &register{calls: calls, clock: checkers.ClockOf(calls), nilMatchesAny: m.NilMatchesAny, texts: true},
		bases:    map[string]bool{noText(m.Initial).Text(): true},
		pieces:   make(map[string][]int32),
		makers:   make(map[string]int32),
		links:    make(map[int32]textRun),
	}
	c.number(m.Initial)
	if !isText(m.Initial) || !c.collect(m) || !c.parse() {
		return nil, false
	}
	c.write()
	return c, c.torn != nil || unique(c.ops, c.values.Len())
}

// isText reports whether a value is a text, or none.
func isText(v history.Value) bool { return nothingThere(v) || v.Kind() == history.KindString }

// collect reads what calls did. It reports false if something is no text.
func (c *chains) collect(m Model) bool {
	for i, call := range c.calls {
		if call.Type() == history.OK {
			c.judged++
		}
		u, ok := m.use(call)
		if !ok {
			return false
		}
		u.call = int32(i)
		switch {
		case call.Type() == history.Fail:
			continue
		case call.Type() != history.OK && u.finds:
			return false // a compare-and-set: what it looked for may never have been there
		}
		if u.lengthens && u.wrote == "" {
			return false
		}
		if u.lengthens {
			c.pieces[u.wrote] = append(c.pieces[u.wrote], u.call)
			if n := len(u.wrote); !slices.Contains(c.sizes, n) {
				c.sizes = append(c.sizes, n)
			}
		}
		if u.writes {
			c.bases[u.wrote] = true
		}
		c.uses = append(c.uses, u)
	}
	return true
}

// use reads what a call did to a text, or reports that it is none.
func (m Model) use(call history.Call) (use, bool) {
	var found, wrote history.Value
	u := use{}
	switch m.fs[call.Invoke.F] {
	case reads:
		found, u.finds = outcome(call, m.NilMatchesAny)
	case writes:
		wrote, u.writes = argument(call), true
	case deletes:
		u.writes = true
	case swaps:
		var err error
		if found, wrote, err = pairOf(call); err != nil {
			return u, false
		}
		u.finds, u.writes = true, true
	default:
		if call.Invoke.F != "append" {
			return u, false
		}
		wrote, u.lengthens = argument(call), true
	}
	u.found, u.wrote = found.Text(), wrote.Text()
	return u, isText(found) && isText(wrote)
}

// parse finds out how every text that was found came about. It reports false if
// one can have come about in several ways.
func (c *chains) parse() bool {
	runs, ok := c.runs()
	if !ok {
		return false
	}
	// Each append that is clear may make another one clear.
	for left := len(runs) + 1; len(runs) > 0 && len(runs) < left; {
		left = len(runs)
		runs = slices.DeleteFunc(runs, c.link)
	}
	return len(runs) == 0
}

// runs returns what appends must have done, in the order in which it was seen
// first. It reports false if a text can be cut in several ways.
func (c *chains) runs() ([]textRun, bool) {
	finders := slices.DeleteFunc(slices.Clone(c.uses), func(u use) bool { return !u.finds })
	slices.SortFunc(finders, func(a, b use) int { return c.calls[a.call].Complete.Index - c.calls[b.call].Complete.Index })
	done, made := make(map[string]bool), make(map[string]bool)
	var runs []textRun
	for _, u := range finders {
		if done[u.found] {
			continue
		}
		done[u.found] = true
		cuts, ways := c.cut(u.found)
		if ways > 1 {
			return nil, false
		}
		for i := 1; i < len(cuts); i++ {
			if to := u.found[:cuts[i]]; !made[to] {
				made[to] = true
				runs = append(runs, textRun{u.found[:cuts[i-1]], to, u.call})
			}
		}
	}
	return runs, true
}

// link finds the append that made one text of another. It reports false if that
// can have been one of several.
func (c *chains) link(run textRun) bool {
	begun := none // whoever made the text before
	if call, ok := c.makers[run.from]; ok {
		begun = int32(c.calls[call].Invoke.Index)
	}
	var able, free []int32
	for _, call := range c.pieces[run.to[len(run.from):]] {
		late := c.calls[call].Invoke.Index > c.calls[run.seen].Complete.Index
		early := c.calls[call].Type() == history.OK && c.calls[call].Complete.Index < int(begun)
		if late || early {
			continue
		}
		able = append(able, call)
		if _, taken := c.links[call]; !taken {
			free = append(free, call)
		}
	}
	switch {
	case len(free) == 1:
		c.makers[run.to], c.links[free[0]] = free[0], run
	case len(free) == 0 && len(able) > 0:
		c.torn = &tear{able[0], c.links[able[0]], run}
	}
	return len(free) <= 1
}

// cut returns where the pieces of a text end, the first of which was put, and in
// how many ways that can be; more than one counts as two.
func (c *chains) cut(text string) ([]int, int) {
	ways := make([]int8, len(text)+1)
	from := make([]int, len(text)+1)
	for end := 0; end <= len(text); end++ {
		if c.bases[text[:end]] {
			ways[end], from[end] = ways[end]+1, -1
		}
		if ways[end] == 0 {
			continue
		}
		for _, n := range c.sizes {
			if end+n > len(text) {
				continue
			}
			if _, ok := c.pieces[text[end:end+n]]; ok {
				ways[end+n] = min(2, ways[end+n]+ways[end])
				from[end+n] = end
			}
		}
	}
	if ways[len(text)] != 1 {
		return nil, int(ways[len(text)])
	}
	var cuts []int
	for end := len(text); end >= 0; end = from[end] {
		cuts = append(cuts, end)
	}
	slices.Reverse(cuts)
	return cuts, 1
}

// write writes down what happened to the register.
func (c *chains) write() {
	for _, u := range c.uses {
		call := c.calls[u.call]
		o := op{inv: int32(call.Invoke.Index), res: forever, from: none, to: none, call: u.call}
		if call.Type() == history.OK {
			o.res = int32(call.Complete.Index)
		}
		if u.finds {
			o.from = c.text(u.found)
		}
		if u.writes {
			o.to = c.text(u.wrote)
		}
		run, seen := c.links[u.call]
		switch {
		case !u.finds && !u.writes && !u.lengthens:
			continue // nobody knows what it read
		case u.lengthens && seen:
			o.from, o.to = c.text(run.from), c.text(run.to)
		case u.lengthens:
			o.to = c.values.ID(history.Tagged(fmt.Sprintf("… + %q", u.wrote)))
		}
		c.ops = append(c.ops, o)
	}
}

func (c *chains) text(s string) int32 { return c.number(history.String(s)) }

// judgeChains judges a key as a register of unique values.
func judgeChains(c *chains, m Model) KeyReport {
	ops := dropUnobserved(c.ops, c.values.Len())
	k := KeyReport{Engine: Zones.String(), Ops: len(ops), Judged: c.judged, Dropped: len(c.ops) - len(ops)}
	switch {
	case c.judged == 0:
		k.Verdict, k.Reason = checkers.Unknown, nothing
		return k
	case c.torn != nil:
		k.Verdict = checkers.Invalid
		k.Anomalies = []checkers.Anomaly{c.explain()}
	default:
		k.zones(c.register, ops)
	}
	k.prove = func() (any, error) {
		if k.Verdict == checkers.Invalid {
			return c.refuted(m, k.Anomalies[0].Ops)
		}
		z := newZones(c.register, ops)
		z.check(1)
		return Order{Order: weave(c.calls, z.steps())}, nil
	}
	return k
}

// refuted has whoever verifies it search what had happened when the last of some
// operations ended, and those that saw what they appended; or all that happened,
// if not all operations are known that matter.
func (c *chains) refuted(m Model, ops []int) (any, error) {
	until := 0
	for i, call := range c.calls {
		if !slices.Contains(ops, call.Invoke.Index) && len(ops) < maxOps {
			continue
		}
		if call.Type() == history.OK {
			until = max(until, call.Complete.Index)
		}
		if run, ok := c.links[int32(i)]; ok {
			until = max(until, c.calls[run.seen].Complete.Index)
		}
	}
	p, err := newProblem(m, c.calls)
	if err != nil {
		return nil, err
	}
	b := newBudget(context.Background(), Options{}.filled())
	defer b.stop()
	return Refuted{Proof: "search", Rule: "prefix", Until: &until}, p.repeatable(until, b)
}

// explain explains an append that was found behind two different texts.
func (c *chains) explain() checkers.Anomaly {
	t := c.torn
	piece := c.calls[t.call]
	a := checkers.Anomaly{Name: "incompatible-order"}
	for _, i := range []int32{t.call, t.first.seen, t.second.seen} {
		a.Ops = append(a.Ops, c.calls[i].Invoke.Index)
	}
	slices.Sort(a.Ops)
	a.Ops = slices.Compact(a.Ops)
	tell := func(r textRun) string {
		call := c.calls[r.seen]
		return fmt.Sprintf("the %s by process %v at %s found it behind %q", call.Invoke.F, call.Invoke.Process, c.clock.At(call.Invoke), r.from)
	}
	a.Explanation = fmt.Sprintf("%v was appended by process %v at %s, and by nobody else who can have made these texts, but %s, and %s",
		argument(piece), piece.Invoke.Process, c.clock.At(piece.Invoke), tell(t.first), tell(t.second))
	return a
}
