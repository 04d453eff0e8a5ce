package timers_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
)

// clock is the part of an environment that timers use.
type clock struct {
	actor.Env
	asked []int64
}

func (c *clock) WakeAt(t int64) { c.asked = append(c.asked, t) }

// node counts what rang.
type node struct{ rang []string }

// call is an operation that waits for an answer.
type call struct {
	name     string
	answered bool
}

func (c *call) Ring(n *node) { n.rang = append(n.rang, c.name) }
func (c *call) Over() bool   { return c.answered }

// Three calls are under way, and one of them is answered in time.
func Example() {
	var (
		ts  timers.Timers[*node]
		n   node
		env clock
	)
	read, write, scan := &call{name: "read"}, &call{name: "write"}, &call{name: "scan"}
	ts.Set(300, read)
	ts.Set(100, write)
	ts.Set(200, scan)
	write.answered = true

	ts.Arm(&env)
	fmt.Println("wake at", env.asked)
	for ts.Ring(&n, 250) {
	}
	ts.Arm(&env)
	fmt.Println("rang:", n.rang, "wake at", env.asked[1:])
	// Output:
	// wake at [200]
	// rang: [scan] wake at [300]
}

// Alarms ring in the order of their times, and of those for one time in the
// order in which they were set; none that is over does.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			ts   timers.Timers[*node]
			n    node
			want []string
		)
		times := rapid.SliceOf(rapid.Int64Range(0, 9)).Draw(t, "times")
		over := rapid.SliceOfN(rapid.Bool(), len(times), len(times)).Draw(t, "over")
		for i, at := range times {
			ts.Set(at, &call{name: fmt.Sprint(i), answered: over[i]})
		}
		now := rapid.Int64Range(0, 9).Draw(t, "now")
		for at := range now + 1 {
			for i := range times {
				if times[i] == at && !over[i] {
					want = append(want, fmt.Sprint(i))
				}
			}
		}
		for ts.Ring(&n, now) {
		}
		if !slices.Equal(n.rang, want) {
			t.Fatalf("rang %v, want %v", n.rang, want)
		}
	})
}

// The runtime is asked once for each time, and anew after it has woken the node.
func TestArm(t *testing.T) {
	t.Parallel()
	var (
		ts  timers.Timers[*node]
		n   node
		env clock
	)
	ts.Arm(&env)
	ts.Set(0, &call{})
	ts.Arm(&env)
	ts.Arm(&env)
	for ts.Ring(&n, 0) {
	}
	ts.Arm(&env)
	ts.Set(0, &call{})
	ts.Arm(&env)
	ts.Set(-5, &call{})
	ts.Arm(&env)
	if want := []int64{0, 0, -5}; !slices.Equal(env.asked, want) {
		t.Errorf("asked for %v, want %v", env.asked, want)
	}
}
