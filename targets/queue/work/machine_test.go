package work

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// step does a command and returns the answer in a few words.
func step(m *machine, c Command) string {
	a, err := ParseAnswer(m.Apply(0, c.AppendTo(nil)))
	if err != nil {
		panic(err)
	}
	switch a.Result {
	case Delivered:
		return fmt.Sprintf("%s under %d", a.Message, a.Token)
	default:
		return map[Result]string{Done: "done", Empty: "empty", Waiting: "waiting", Stale: "stale", Gone: "gone"}[a.Result]
	}
}

// script does commands and compares the answers.
func script(t *testing.T, cfg Config, steps ...any) {
	t.Helper()
	m := newMachine(cfg)
	for i := 0; i < len(steps); i += 2 {
		c := steps[i].(Command)
		if c.Queue == "" {
			c.Queue = "q"
		}
		if got := step(m, c); got != steps[i+1] {
			t.Errorf("step %d, %+v: %s, want %s", i/2, c, got, steps[i+1])
		}
	}
}

func put(v string) Command               { return Command{Op: Enqueue, Message: v} }
func ack(v string, token uint64) Command { return Command{Op: Ack, Message: v, Token: token} }

var (
	get    = Command{Op: Receive}
	first  = Consumer{Client: 1, Seq: 1}
	second = Consumer{Client: 2, Seq: 1}
)

func TestLeases(t *testing.T) {
	t.Parallel()
	script(t, Config{},
		get, "empty",
		put("a"), "done",
		put("b"), "done",
		get, "a under 1",
		get, "b under 2",
		get, "empty",
		ack("a", 2), "stale", // the token of another message
		Command{Op: Nack, Message: "a", Token: 1}, "done",
		ack("a", 1), "stale",
		get, "a under 3",
		Command{Op: Extend, Message: "a", Token: 3}, "a under 3",
		Command{Op: Expire, Token: 3}, "stale", // it was extended meanwhile
		Command{Op: Expire, Token: 3, Extended: 1}, "done",
		Command{Op: Expire, Token: 3, Extended: 1}, "stale",
		get, "a under 4",
		ack("a", 4), "done",
		ack("a", 4), "stale",
		ack("b", 2), "done",
		get, "empty",
	)
}

func TestOrder(t *testing.T) {
	t.Parallel()
	script(t, Config{FIFO: true},
		put("a"), "done",
		put("b"), "done",
		get, "a under 1",
		get, "empty", // b would overtake a
		Command{Op: Nack, Message: "a", Token: 1}, "done",
		get, "a under 2",
		ack("a", 2), "done",
		get, "b under 3",
	)
	script(t, Config{},
		put("a"), "done",
		put("b"), "done",
		get, "a under 1",
		Command{Op: Nack, Message: "a", Token: 1}, "done",
		get, "b under 2",
		get, "a under 3",
	)
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	dead := Command{Op: Receive, Queue: "q" + DeadLetters}
	script(t, Config{MaxDeliveries: 2, FIFO: true},
		put("a"), "done",
		get, "a under 1",
		Command{Op: Expire, Token: 1}, "done",
		get, "a under 2",
		put("b"), "done",
		dead, "empty",
		Command{Op: Nack, Message: "a", Token: 2}, "done",
		get, "b under 3", // nothing is in its way any more
		dead, "a under 4",
		Command{Op: Expire, Token: 4}, "done", // and it stays where it is
		dead, "a under 5",
		ack("a", 5), "done",
		dead, "empty",
	)
}

func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	script(t, Config{AtMostOnce: true},
		put("a"), "done",
		get, "a under 0",
		get, "empty",
	)
}

// Consumers that wait get what comes, in their turn, and hear in the end of what
// they were given.
func TestConsumers(t *testing.T) {
	t.Parallel()
	get1, get2 := Command{Op: Receive, Consumer: first}, Command{Op: Receive, Consumer: second}
	script(t, Config{},
		get1, "waiting",
		get2, "waiting",
		put("a"), "done",
		put("b"), "done",
		get, "empty",
		Command{Op: Cancel, Consumer: first}, "a under 1",
		Command{Op: Expire, Token: 2}, "done",
		Command{Op: Cancel, Consumer: second}, "gone",
		get, "b under 3",
		get1, "waiting",
		Command{Op: Cancel, Consumer: first}, "empty",
	)
	m := newMachine(Config{})
	step(m, Command{Op: Receive, Queue: "q", Consumer: first})
	step(m, Command{Op: Enqueue, Queue: "q", Message: "a"})
	if len(m.given) != 1 || m.given[0] != (grant{token: 1, consumer: first, body: "a"}) {
		t.Errorf("the consumer was given %v", m.given)
	}
}

// anyCommand draws a command that may be about something that is there.
func anyCommand(t *rapid.T, m *machine, next *int) Command {
	c := Command{Op: Op(rapid.IntRange(int(Enqueue), int(Cancel)).Draw(t, "op")), Queue: rapid.SampledFrom([]string{"q", "p", "q" + DeadLetters}).Draw(t, "queue")}
	c.Token = uint64(rapid.IntRange(0, int(m.tokens)+1).Draw(t, "token"))
	if l := m.leases[c.Token]; l != nil {
		c.Message, c.Extended = l.msg.body, l.extended
		c.Queue = l.queue
	}
	switch c.Op {
	case Enqueue:
		*next++
		c.Message, c.Queue = fmt.Sprint(*next), "q"
	case Receive, Cancel:
		c.Consumer = Consumer{Client: uint64(rapid.IntRange(0, 3).Draw(t, "client"))}
		c.Consumer.Seq = c.Consumer.Client
	default:
	}
	return c
}

// everywhere lists every message that the machine has, as often as it has it.
func everywhere(m *machine) []string {
	var all []string
	for _, l := range m.lines {
		for _, msg := range l.ready {
			all = append(all, msg.body)
		}
	}
	for _, l := range m.leases {
		all = append(all, l.msg.body)
	}
	slices.Sort(all)
	return all
}

// Whatever is done, a message is in one place until it is acknowledged, tokens
// grow, nobody waits for what is there, and the state survives being written.
func TestMessagesAreKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{FIFO: rapid.Bool().Draw(t, "fifo"), MaxDeliveries: uint64(rapid.IntRange(0, 3).Draw(t, "most")), Visibility: time.Second}
		m, next := newMachine(cfg), 0
		var kept []string
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c, before := anyCommand(t, m, &next), m.tokens
			said := step(m, c)
			switch {
			case c.Op == Enqueue:
				kept = append(kept, c.Message)
				slices.Sort(kept)
			case c.Op == Ack && said == "done":
				kept = slices.DeleteFunc(kept, func(v string) bool { return v == c.Message })
			}
			if got := everywhere(m); !slices.Equal(got, kept) {
				t.Fatalf("after %+v there are %v, want %v", c, got, kept)
			}
			if m.tokens < before {
				t.Fatalf("token %d after %d", m.tokens, before)
			}
			for name, l := range m.lines {
				flying := 0
				for _, lease := range m.leases {
					if lease.queue == name {
						flying++
					}
				}
				if l.flying != flying || len(l.waiting) > 0 && m.some(l) || l.fifo && flying > 1 {
					t.Fatalf("after %+v queue %s is %+v with %d leases", c, name, l, flying)
				}
			}
		}
		again := newMachine(cfg)
		if err := again.Restore(m.Encode()); err != nil || !bytes.Equal(again.Encode(), m.Encode()) || again.Digest() != m.Digest() {
			t.Fatalf("%v: the state that was written is not the one that was read", err)
		}
		if got := everywhere(again); !slices.Equal(got, kept) {
			t.Fatalf("after it was read there are %v, want %v", got, kept)
		}
	})
}

// In a queue that keeps its order, messages come out for the first time in the
// order in which they went in, and none after a later one.
func TestNothingOvertakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, next, last := newMachine(Config{FIFO: true}), 0, uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			step(m, anyCommand(t, m, &next))
			for _, g := range m.given {
				if l := m.leases[g.token]; l != nil && l.queue == "q" {
					if l.msg.id < last {
						t.Fatalf("message %d was handed out after %d", l.msg.id, last)
					}
					last = l.msg.id
				}
			}
		}
	})
}
