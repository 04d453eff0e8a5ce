package perf

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// stretch is a time from start to end, both in it.
type stretch struct{ start, end int64 }

// phases parts a run at its confirmed windows.
func phases(windows []history.Window, end int64) []Phase {
	windows = slices.DeleteFunc(slices.Clone(windows), func(w history.Window) bool { return w.Witness != history.Confirmed })
	if len(windows) == 0 {
		return []Phase{calm(Whole, stretch{0, end})}
	}
	busy := make([]stretch, len(windows))
	for i, w := range windows {
		busy[i] = stretch{w.Start, max(w.End, w.Healed)}
	}
	busy = union(busy)
	list := []Phase{calm(Before, stretch{0, busy[0].start - 1})}
	for _, w := range windows {
		p := calm(fmt.Sprintf("%s %d", w.Kind, w.ID), stretch{w.Start, w.End})
		p.Kind, p.ID, p.Sides = w.Kind, w.ID, append(p.Sides, sides(w)...)
		list = append(list, p)
	}
	var gaps []stretch
	for i := 1; i < len(busy); i++ {
		gaps = append(gaps, stretch{busy[i-1].end + 1, busy[i].start - 1})
	}
	if len(gaps) > 0 {
		list = append(list, calm(Between, gaps...))
	}
	list = append(list, calm(After, stretch{busy[len(busy)-1].end + 1, end}))
	return slices.DeleteFunc(list, func(p Phase) bool { return p.Kind == "" && p.Duration == 0 })
}

// calm returns a phase with the side of all clients.
func calm(name string, stretches ...stretch) Phase {
	p := Phase{Name: name, Start: stretches[0].start, Sides: []Side{{Name: All}}, stretches: stretches}
	for _, s := range stretches {
		p.End = max(s.start, s.end)
		p.Duration += max(0, s.end-s.start)
	}
	return p
}

// union joins stretches that overlap.
func union(list []stretch) []stretch {
	slices.SortFunc(list, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
	joined := list[:1]
	for _, s := range list[1:] {
		if last := &joined[len(joined)-1]; s.start <= last.end {
			last.end = max(last.end, s.end)
		} else {
			joined = append(joined, s)
		}
	}
	return joined
}

// sides returns the sides of a window: those of the cut, where the fault
// recorded them, else the nodes that it was aimed at and the others.
func sides(w history.Window) []Side {
	cut := w.Injected.Get("sides").Elems()
	if len(cut) == 0 {
		return []Side{{Name: Targeted, Nodes: w.Nodes}, {Name: Others}}
	}
	list := make([]Side, len(cut))
	all := 0
	for i, side := range cut {
		list[i].Name = fmt.Sprintf("side %d", i+1)
		for _, n := range side.Elems() {
			list[i].Nodes = append(list[i].Nodes, n.Text())
		}
		all += len(list[i].Nodes)
	}
	if big := slices.IndexFunc(list, func(s Side) bool { return 2*len(s.Nodes) > all }); big >= 0 {
		for i := range list {
			list[i].Name = Minority
		}
		list[big].Name = Majority
		if len(list) > 2 {
			list = joinMinorities(list, big)
		}
	}
	return list
}

// joinMinorities takes all sides but the big one together.
func joinMinorities(list []Side, big int) []Side {
	rest := Side{Name: Minority}
	for i, s := range list {
		if i != big {
			rest.Nodes = append(rest.Nodes, s.Nodes...)
		}
	}
	return []Side{list[big], rest}
}

// byKind takes the windows of each kind of fault together.
func byKind(windows []Phase) []Phase {
	list := []Phase{}
	for _, w := range windows {
		if w.Kind == "" {
			continue
		}
		i := slices.IndexFunc(list, func(p Phase) bool { return p.Kind == w.Kind })
		if i < 0 {
			i = len(list)
			list = append(list, Phase{Name: w.Kind, Kind: w.Kind, Start: w.Start})
		}
		list[i].join(w)
	}
	for i := range list {
		for j := range list[i].Sides {
			list[i].Sides[j].sum(list[i].Duration)
		}
	}
	return list
}

func (p *Phase) join(w Phase) {
	p.End = max(p.End, w.End)
	p.Duration += w.Duration
	for _, s := range w.Sides {
		i := slices.IndexFunc(p.Sides, func(t Side) bool { return t.Name == s.Name })
		if i < 0 {
			i = len(p.Sides)
			p.Sides = append(p.Sides, Side{Name: s.Name})
		}
		t := &p.Sides[i]
		t.OK, t.Fail, t.Info = t.OK+s.OK, t.Fail+s.Fail, t.Info+s.Info
		t.Outage = max(t.Outage, s.Outage)
		t.latencies = append(t.latencies, s.latencies...)
	}
}
