package proc

import (
	"cmp"
	"errors"
	"slices"
)

// ErrUnsupported says that this system has no /proc as Linux has.
var ErrUnsupported = errors.New("supervising processes needs Linux")

// Stat is one process as /proc shows it. PID and Start together name a process
// for good: a PID alone may be used again.
type Stat struct {
	PID, PPID, Session int
	State              byte   // 'R', 'S', 'D', 'T' (stopped by a signal), 't' (by a tracer), 'Z' …
	Start              uint64 // clock ticks since boot
	Name               string
}

// Dead reports whether the process has ended, reaped or not.
func (s Stat) Dead() bool { return s.State == 'Z' || s.State == 'X' || s.State == 'x' }

// Stopped reports whether the process is stopped by a signal or a tracer.
func (s Stat) Stopped() bool { return s.State == 'T' || s.State == 't' }

// Tree returns, by PID, the processes for which root is true and all that
// descend from them.
func Tree(table []Stat, root func(Stat) bool) []Stat {
	children := make(map[int][]Stat)
	var found []Stat
	member := make(map[int]bool)
	for _, s := range table {
		children[s.PPID] = append(children[s.PPID], s)
		if root(s) {
			found = append(found, s)
			member[s.PID] = true
		}
	}
	for i := 0; i < len(found); i++ {
		for _, s := range children[found[i].PID] {
			if !member[s.PID] {
				member[s.PID] = true
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b Stat) int { return cmp.Compare(a.PID, b.PID) })
	return found
}
