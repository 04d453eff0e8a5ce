package nemesis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Use is a fault that a plan asks for, with the values of its parameters.
type Use struct {
	Fault
	Params Params
}

// NewUse fills in the defaults of parameters that are not given and checks them
// for a cluster of that many nodes.
func NewUse(f Fault, given map[string]string, nodes int) (Use, error) {
	p := Params{}
	known := slices.Concat(Timing, f.Params)
	for _, param := range known {
		p[param.Name] = param.Default
	}
	for _, name := range sortedKeys(given) {
		if _, ok := p[name]; !ok {
			return Use{}, fmt.Errorf("fault %s has no parameter %q: it has %s", f.Kind, name, paramNames(known))
		}
		p[name] = given[name]
	}
	for _, t := range Timing {
		if p[t.Name] == "" {
			continue
		}
		if _, err := p.Duration(t.Name); err != nil {
			return Use{}, fmt.Errorf("fault %s: %w", f.Kind, err)
		}
	}
	if err := f.Check(p, nodes); err != nil {
		return Use{}, fmt.Errorf("fault %s: %w", f.Kind, err)
	}
	return Use{f, p}, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func paramNames(params []Param) string {
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// Step is one entry of a schedule: the beginning or the end of a window.
type Step struct {
	At   time.Duration // since the start of the faults
	ID   int64         // of the window
	Kind string
	Heal bool // the end
}

// Op returns the operation that has the nemesis take the step.
func (s Step) Op() history.Op {
	step := "inject"
	if s.Heal {
		step = "heal"
	}
	return history.Op{
		Process: history.Nemesis, Type: history.Info, F: history.FFault,
		Value: history.Map(
			history.String("id"), history.Int(s.ID),
			history.String("kind"), history.String(s.Kind),
			history.String("step"), history.String(step)),
	}
}

// Schedule lays out the windows of the faults over the given time. Each fault
// has its own rhythm; the first windows are staggered, by half of their length at
// most, so that every fault is seen alone for a while and together with others
// then. The last window of a fault that would be cut off before half of its length
// is left out. What is drawn for each window is how much later it begins and ends,
// and of some faults, which of the windows are brief.
func Schedule(uses []Use, total time.Duration, choices choice.Source) ([]Step, error) {
	var steps []Step
	var id int64
	for i, u := range uses {
		r, err := u.timing(i, len(uses), total)
		if err != nil {
			return nil, err
		}
		brief := -1
		for k, at := 0, r.after; at+r.length/2 <= total; k, at = k+1, at+r.every {
			id++
			draw := choices.Stream("vary", uint64(id))
			begin, end := at+r.late(draw), at+r.length+r.late(draw)
			if r.brief && k%briefEvery == 0 {
				brief = k + 1 + draw.IntN(briefEvery-1)
			}
			if k == brief {
				end = begin + milliseconds(draw.Between(20, 400))
			}
			steps = append(steps,
				Step{At: min(begin, total), ID: id, Kind: u.Kind},
				Step{At: min(end, total), ID: id, Kind: u.Kind, Heal: true})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return steps, nil
}

// shortest is the least time from one window to the next: a step takes some
// milliseconds, and nobody wants a schedule of millions of them.
const shortest = 10 * time.Millisecond

// A node that is back before anybody has given it up meets others that go on as if
// it had never been away, so some faults have windows that end after a moment. But
// little can be done inside of such a window, and a run shows something about a
// fault only if something was done under it: brief windows come by turns, one among
// so many and never the first, and runs with few windows have none.
const (
	briefEvery = 3
	briefAtAll = 5 // that many windows
)

// rhythm says when the windows of a fault are.
type rhythm struct {
	every, length, after, vary time.Duration
	brief                      bool // some of them end after a moment
}

// late draws how much later than its time a step is taken. Faults of several
// kinds meet each other at fixed distances otherwise, as a leader that dies in
// the instant in which a partition heals; and what a system does wrong after
// two milliseconds it may do right after two hundred, so that short distances
// are as likely as long ones.
func (r rhythm) late(draw *choice.Stream) time.Duration {
	most := int64(r.vary) >> draw.IntN(8)
	return time.Duration(draw.Int64N(most + 1))
}

// timing returns the rhythm of the i-th of n faults in a run of the given
// length. NewUse has seen to it that what is given are durations.
func (u Use) timing(i, n int, total time.Duration) (r rhythm, err error) {
	or := func(name string, otherwise time.Duration) time.Duration {
		if d, err := u.Params.Duration(name); err == nil {
			return d
		}
		return otherwise
	}
	r.every = or("every", min(10*time.Second, max(total/2, time.Second)))
	r.length = or("for", r.every/2)
	r.after = or("after", r.every/5+time.Duration(i)*min(r.every/time.Duration(n), r.length/2))
	r.vary = or("vary", u.vary(r.length))
	r.brief = u.Brief && u.Params["vary"] == "" && r.vary > 0 && total >= briefAtAll*r.every
	switch {
	case r.every < shortest:
		err = fmt.Errorf("fault %s: every=%v is too often; take at least %v", u.Kind, r.every, shortest)
	case r.length <= 0 || r.length >= r.every:
		err = fmt.Errorf("fault %s: for=%v must be more than 0 and less than every=%v: a window has to end before the next begins", u.Kind, r.length, r.every)
	case r.vary > 0 && (r.vary > r.length/4 || r.length+r.vary >= r.every):
		err = fmt.Errorf("fault %s: vary=%v is too much: a quarter of for=%v at most, and both together less than every=%v", u.Kind, r.vary, r.length, r.every)
	case r.after+r.length/2 > total:
		err = fmt.Errorf("fault %s: half of the first window, from %v on for %v, does not fit into a run of %v; lengthen --time, or shorten --fault %s.after or %s.for", u.Kind, r.after, r.length, total, u.Kind, u.Kind)
	}
	return r, err
}

// vary is how much is taken for granted: nothing for those who have said when
// they want their windows.
func (u Use) vary(length time.Duration) time.Duration {
	for _, name := range []string{"every", "for", "after"} {
		if u.Params[name] != "" {
			return 0
		}
	}
	return length / 10
}
