package history

import (
	"cmp"
	"slices"
)

// Count says how many operations of clients there were and how they ended.
type Count struct {
	F      string // "" in the sum over all
	Invoke int
	OK     int
	Fail   int
	Info   int // only those that were recorded as such
}

// Open returns how many operations had not ended when the history did, or were
// recorded without an invocation (then it is negative).
func (c Count) Open() int { return c.Invoke - c.OK - c.Fail - c.Info }

func (c *Count) add(t Type) {
	switch t {
	case Invoke:
		c.Invoke++
	case OK:
		c.OK++
	case Fail:
		c.Fail++
	case Info:
		c.Info++
	}
}

// Counts returns how the operations of clients ended: for each f, ordered by
// its name, and in all.
func (h *History) Counts() (byF []Count, all Count) {
	at := make(map[string]int)
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Process == Nemesis {
			continue
		}
		n, ok := at[op.F]
		if !ok {
			n = len(byF)
			at[op.F] = n
			byF = append(byF, Count{F: op.F})
		}
		byF[n].add(op.Type)
		all.add(op.Type)
	}
	slices.SortFunc(byF, func(a, b Count) int { return cmp.Compare(a.F, b.F) })
	return byF, all
}
