// Package timeline puts the beginnings and the ends of calls into one order, so
// that checkers can walk through a history once and know at each moment what had
// certainly happened and what may have.
package timeline

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Event is the invocation or the completion of a call.
type Event struct {
	Call int  // its place among the calls
	End  bool // it is the completion
}

// Of returns the events of calls, which are in the order of their invocations,
// in the order of the history. Calls that never came back have no end.
func Of(calls []history.Call) []Event {
	ends := make([]int, 0, len(calls))
	for i, c := range calls {
		if c.Complete != nil {
			ends = append(ends, i)
		}
	}
	slices.SortFunc(ends, func(a, b int) int { return cmp.Compare(calls[a].Complete.Index, calls[b].Complete.Index) })
	events := make([]Event, 0, len(calls)+len(ends))
	for i, c := range calls {
		for len(ends) > 0 && calls[ends[0]].Complete.Index < c.Invoke.Index {
			events, ends = append(events, Event{ends[0], true}), ends[1:]
		}
		events = append(events, Event{i, false})
	}
	for _, i := range ends {
		events = append(events, Event{i, true})
	}
	return events
}
