package actortest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
)

func testIdentity(t *testing.T, deploy Deploy) {
	c := deploy(t, 3, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, _ []byte) {
			env.Reply(req, fmt.Appendf(nil, "%v of %d", env.Self(), env.Nodes()))
		}}
	})
	for i := range 3 {
		expect(t, c, i, "", fmt.Sprintf("n%d of 3", i+1))
	}
}

// nap is long enough that a busy machine does not blur the order of events.
const nap = int64(50 * time.Millisecond)

// timerPuppet sets its timer as the request says, and answers with how often it
// was woken, and whether that was too early, some naps later.
func timerPuppet(env actor.Env) actor.Node {
	var req actor.RequestID
	var due []int64 // wakes that are still to come, the last to answer
	var woken int
	var verdict string
	inside := false
	p := &puppet{}
	p.serve = func(r actor.RequestID, body []byte) {
		now := env.Mono()
		req, woken, verdict = r, 0, "on time"
		inside = true
		for _, word := range strings.Fields(string(body)) {
			n, err := strconv.ParseInt(word, 10, 64)
			if err != nil {
				panic(err)
			}
			due = []int64{now + n*nap}
			env.WakeAt(due[0])
		}
		inside = false
	}
	p.wake = func() {
		switch {
		case inside:
			verdict = "from within the call"
		case env.Mono() < due[0]:
			verdict = "too early"
		}
		if woken++; woken == 1 {
			due[0] = env.Mono() + 2*nap
			env.WakeAt(due[0])
			return
		}
		env.Reply(req, fmt.Appendf(nil, "woken %d times %s", woken, verdict))
	}
	return p
}

func testTimer(t *testing.T, deploy Deploy) {
	for _, c := range []struct{ name, set string }{
		{"Future", "1"},
		{"Now", "0"},
		{"Past", "-1000000"},
		{"ReplacedByLater", "1 2"},
		{"ReplacedByEarlier", "4 1"},
		{"ReplacedTwice", "1 4 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := deploy(t, 1, timerPuppet)
			expect(t, cluster, 0, c.set, "woken 2 times on time")
			expect(t, cluster, 0, c.set, "woken 2 times on time")
		})
	}
}

// The clocks go on, at about the same pace, and Wall knows the century.
func testClocks(t *testing.T, deploy Deploy) {
	c := deploy(t, 1, func(env actor.Env) actor.Node {
		var req actor.RequestID
		var mono, wall int64
		return &puppet{
			serve: func(r actor.RequestID, _ []byte) {
				req, mono, wall = r, env.Mono(), env.Wall()
				env.WakeAt(mono + nap)
			},
			wake: func() {
				since := env.Mono() - mono
				drift := env.Wall() - wall - since
				century := time.Unix(0, wall).UTC().Year() / 100
				env.Reply(req, fmt.Appendf(nil, "%v %v %d", since >= nap, max(drift, -drift) < nap, century))
			},
		}
	})
	expect(t, c, 0, "", "true true 20")
}

// A message arrives as it was sent, from whom it was sent. It is sent again
// until then, because any message may be lost.
func testMessages(t *testing.T, deploy Deploy) {
	c := deploy(t, 3, func(env actor.Env) actor.Node {
		var req actor.RequestID
		var big []byte
		var missing map[actor.NodeID]bool
		p := &puppet{}
		p.wake = func() {
			for to := range actor.NodeID(env.Nodes()) {
				if missing[to] {
					env.Send(to, append([]byte("ask"), big...))
				}
			}
			env.WakeAt(env.Mono() + nap)
		}
		p.serve = func(r actor.RequestID, body []byte) {
			size, err := strconv.Atoi(string(body))
			if err != nil {
				panic(err)
			}
			req, big, missing = r, bytes.Repeat([]byte{0, 0xff, 'x'}, size), map[actor.NodeID]bool{0: true, 1: true, 2: true}
			delete(missing, env.Self())
			p.wake()
		}
		p.receive = func(from actor.NodeID, msg []byte) {
			if text, ok := bytes.CutPrefix(msg, []byte("ask")); ok {
				env.Send(from, append([]byte("tell"), text...))
				return
			}
			if text, ok := bytes.CutPrefix(msg, []byte("tell")); !ok || !bytes.Equal(text, big) || from == env.Self() {
				panic(fmt.Sprintf("a message of %d bytes from %v came altered", len(msg), from))
			}
			if delete(missing, from); len(missing) == 0 {
				env.Reply(req, []byte("heard all"))
			}
		}
		return p
	})
	for node := range 3 {
		for _, size := range []string{"0", "1", "30000"} {
			expect(t, c, node, size, "heard all")
		}
	}
}

// requestPuppet answers at once, later, twice, or what nobody asked.
func requestPuppet(env actor.Env) actor.Node {
	var late []actor.RequestID
	return &puppet{
		serve: func(req actor.RequestID, body []byte) {
			switch string(body) {
			case "late":
				late = append(late, req)
				env.WakeAt(env.Mono() + nap)
				return
			case "twice":
				env.Reply(req, []byte("first"))
			case "stray":
				env.Reply(req+1000, []byte("stray"))
			}
			env.Reply(req, append([]byte("re: "), body...))
		},
		wake: func() {
			for _, req := range late {
				env.Reply(req, []byte("at last"))
			}
			late = nil
		},
	}
}

func testRequests(t *testing.T, deploy Deploy) {
	c := deploy(t, 2, requestPuppet)
	for node := range 2 {
		expect(t, c, node, "hello", "re: hello")
		expect(t, c, node, "", "re: ")
		expect(t, c, node, "late", "at last")
		expect(t, c, node, "twice", "first")
		expect(t, c, node, "stray", "re: stray")
		expect(t, c, node, "hello", "re: hello")
	}
	big := strings.Repeat("big", 50_000)
	expect(t, c, 0, big, "re: "+big)
}

// A node that kept the id of a request on its disk cannot answer with it after
// a restart: neither the old request, nor a new one by accident.
func testRequestOfEarlierLife(t *testing.T, deploy Deploy) {
	c := deploy(t, 1, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			if string(body) == "keep" {
				env.Disk().Append("id", strconv.AppendUint(nil, uint64(req), 10), func(error) { env.Reply(req, []byte("kept")) })
				return
			}
			env.Disk().Read("id", func(data []byte, _ error) {
				old, err := strconv.ParseUint(string(data), 10, 64)
				if err != nil {
					panic(err)
				}
				env.Reply(actor.RequestID(old), []byte("wrong"))
				env.Reply(req, []byte("right"))
			})
		}}
	})
	expect(t, c, 0, "keep", "kept")
	restart(t, c)
	expect(t, c, 0, "answer", "right")
}

// A request without an answer ends as a timeout, and does not disturb the next.
func testUnanswered(t *testing.T, deploy Deploy) {
	c := deploy(t, 1, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			if string(body) != "ignore me" {
				env.Reply(req, body)
			}
		}}
	})
	expectError(t, c, "ignore me", client.ErrTimeout)
	expect(t, c, 0, "hello", "hello")
}

// A node that was started again knows nothing.
func testRestart(t *testing.T, deploy Deploy) {
	c := deploy(t, 2, func(env actor.Env) actor.Node {
		served := 0
		return &puppet{serve: func(req actor.RequestID, _ []byte) {
			served++
			env.Reply(req, strconv.AppendInt(nil, int64(served), 10))
		}}
	})
	for _, want := range []string{"1", "2"} {
		expect(t, c, 0, "", want)
		expect(t, c, 1, "", want)
	}
	restart(t, c)
	expect(t, c, 0, "", "1")
	expect(t, c, 1, "", "3")
}

// Streams go on where they were, and differ by purpose, node and life.
func testChoices(t *testing.T, deploy Deploy) {
	c := deploy(t, 2, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			env.Reply(req, strconv.AppendUint(nil, env.Choices(string(body)).Uint64(), 16))
		}}
	})
	seen := map[string]string{}
	draw := func(node int, purpose, what string) {
		number := call(t, c, node, purpose)
		if earlier, ok := seen[number]; ok {
			t.Errorf("%s drew what %s had drawn", what, earlier)
		}
		seen[number] = what
	}
	draw(0, "a", "purpose a")
	draw(0, "a", "purpose a again")
	draw(0, "b", "purpose b")
	draw(1, "a", "another node")
	restart(t, c)
	draw(0, "a", "another life")
	draw(0, "a", "another life again")
}

// A panic is the end of the process, and of no other.
func testPanic(t *testing.T, deploy Deploy) {
	c := deploy(t, 2, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			if string(body) == "die" {
				panic("as the request said")
			}
			env.Reply(req, body)
		}}
	})
	expectError(t, c, "die", client.ErrTimeout)
	expectError(t, c, "hello", client.ErrUnavailable)
	expect(t, c, 1, "hello", "hello")
	if err := c.Start(0); err != nil {
		t.Fatal(err)
	}
	expect(t, c, 0, "hello", "hello")
}
