package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// facts are what nodes have noted, and who waits for one of them.
type facts struct {
	noted   map[string]int // how often
	waiting []*waiter
}

// waiter is a worker that waits for one of some facts.
type waiter struct {
	w     *worker
	facts []string
	node  int // that has noted it, or -1
}

// note takes down that a node has noted a fact, and wakes those who wait for it.
func (f *facts) note(fact string, n *machine) {
	if f.noted == nil {
		f.noted = map[string]int{}
	}
	f.noted[fact]++
	f.waiting = slices.DeleteFunc(f.waiting, func(w *waiter) bool {
		if !slices.Contains(w.facts, fact) {
			return false
		}
		w.node = int(n.id)
		w.w.nudge(n.c.now)
		return true
	})
}

// Noted implements world.Control.
func (k control) Noted() ([]string, error) {
	noted := k.w.c.facts.noted
	return slices.SortedFunc(maps.Keys(noted), func(a, b string) int {
		return cmp.Or(cmp.Compare(noted[a], noted[b]), cmp.Compare(a, b))
	}), nil
}

// Await implements world.Control.
func (k control) Await(facts []string, most time.Duration) (int, error) {
	c, w := k.w.c, &waiter{k.w, facts, -1}
	c.facts.waiting = append(c.facts.waiting, w)
	for until := c.now + int64(most); w.node < 0 && c.now < until; {
		k.w.wait(until)
	}
	c.facts.waiting = slices.DeleteFunc(c.facts.waiting, func(other *waiter) bool { return other == w })
	return w.node, nil
}
