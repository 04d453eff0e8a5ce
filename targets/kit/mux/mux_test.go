package mux_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets/kit/mux"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// words is a machine that keeps the commands it was given.
type words struct{ all []string }

func (w *words) Apply(_ uint64, cmd []byte) []byte {
	w.all = append(w.all, string(cmd))
	return nil
}

func (w *words) Read([]byte) []byte { return w.Encode() }
func (w *words) Encode() []byte     { return []byte(strings.Join(w.all, " ")) }
func (w *words) Digest() string     { return strings.Join(w.all, " ") }

func (w *words) Restore(state []byte) error {
	w.all = strings.Fields(string(state))
	return nil
}

// node is part of two logs. The first byte of a request says for which it is.
type node struct {
	*mux.Mux
	logs map[byte]*replog.Group
}

func boot(env actor.Env) actor.Node {
	n := &node{mux.New(env), map[byte]*replog.Group{}}
	for _, tag := range []byte{'a', 'b'} {
		n.Part(tag, string(tag)+"-", func(env actor.Env) mux.Component {
			n.logs[tag] = replog.New(env, replog.Config{Name: string(tag)}, &words{})
			return n.logs[tag]
		})
	}
	return n
}

func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	if err != nil {
		panic(err)
	}
	log := n.logs[r.Body[0]]
	r.Body = r.Body[1:]
	log.Serve(id, r)
}

func (n *node) Status() actor.Status { return n.logs['a'].Status() }

// Three nodes hold two replicated logs, each of which has a leader of its own.
// All nodes lose their power, and read what they have on disk.
func Example() {
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{
		Nodes: 3, Boot: boot, Choices: choice.New(1), OpTimeout: time.Second,
	})
	if err != nil {
		panic(err)
	}
	defer cluster.Close(context.Background())
	ask := func(readOnly bool, body string) {
		var caller request.Caller
		cluster.Start(cluster.AddClient(0, func(env client.Env, op history.Op) history.Op {
			_, answer, err := caller.Call(env, op, readOnly, []byte(body))
			if err != nil {
				return client.Broken(op, err, readOnly)
			}
			return client.OK(op, history.String(string(answer)))
		}), history.Op{Index: int(cluster.Now())})
		if e, _ := cluster.Next(cluster.Now() + int64(time.Second)); readOnly {
			fmt.Println(body, "has", e.Op.Value)
		}
	}
	cluster.Next(int64(2 * time.Second)) // by then there are leaders
	ask(false, "aone")
	ask(false, "btwo")
	ask(false, "athree")
	control := cluster.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		for i := range ctl.Nodes() {
			_ = ctl.PowerOff([]int{i}, world.Sag{})
			_ = ctl.Start(i)
		}
		return op
	})
	cluster.Start(control, history.Op{Process: history.Nemesis})
	cluster.Next(cluster.Now() + int64(4*time.Second))
	cluster.Next(cluster.Now() + int64(4*time.Second))
	ask(true, "a")
	ask(true, "b")
	// Output:
	// a has "one three"
	// b has "two"
}

// bench is an environment that keeps what it is asked for.
type bench struct {
	actor.Env
	now   int64
	wakes []int64
	sent  [][]byte
	logs  []string
	drawn []string
}

func (b *bench) Mono() int64                     { return b.now }
func (b *bench) WakeAt(t int64)                  { b.wakes = append(b.wakes, t) }
func (b *bench) Send(_ actor.NodeID, msg []byte) { b.sent = append(b.sent, msg) }
func (b *bench) Logf(format string, args ...any) {
	b.logs = append(b.logs, fmt.Sprintf(format, args...))
}
func (b *bench) Disk() actor.Disk { return disk{} }
func (b *bench) Choices(purpose string) *choice.Stream {
	b.drawn = append(b.drawn, purpose)
	return nil
}

// disk has the files of two parts and one of nobody's.
type disk struct{ actor.Disk }

func (disk) List(done func([]string, error)) { done([]string{"a-wal", "b-snap", "b-wal", "lost"}, nil) }

// sleeper asks to be woken again and again.
type sleeper struct {
	actor.Env
	every int64
	woken int
	got   []string
}

func (s *sleeper) Receive(_ actor.NodeID, msg []byte) { s.got = append(s.got, string(msg)) }

func (s *sleeper) Wake() {
	s.woken++
	s.WakeAt(s.Mono() + s.every)
}

func two(t *testing.T) (*bench, *mux.Mux, *sleeper, *sleeper) {
	t.Helper()
	env := &bench{}
	m := mux.New(env)
	var parts []*sleeper
	for i, prefix := range []string{"a-", "b-"} {
		m.Part(byte(i), prefix, func(env actor.Env) mux.Component {
			parts = append(parts, &sleeper{Env: env, every: int64(i)*20 + 30})
			return parts[i]
		})
	}
	return env, m, parts[0], parts[1]
}

// Each part is woken when it asked to be, and the runtime is asked for no more
// than the first.
func TestWake(t *testing.T) {
	t.Parallel()
	env, m, a, b := two(t)
	b.WakeAt(50)
	a.WakeAt(30)
	a.WakeAt(30)
	for len(env.wakes) > 0 && env.now < 300 {
		env.now = env.wakes[len(env.wakes)-1]
		m.Wake()
	}
	if a.woken != 10 || b.woken != 6 {
		t.Errorf("up to time %d, one was woken %d times and the other %d times", env.now, a.woken, b.woken)
	}
	if want := []int64{50, 30, 50, 60, 90}; !slices.Equal(env.wakes[:5], want) {
		t.Errorf("asked for %v, want %v first", env.wakes, want)
	}
}

// Messages, files and random numbers of one part are not those of another.
func TestApart(t *testing.T) {
	t.Parallel()
	env, m, a, b := two(t)
	hello := []byte("hello")
	b.Send(1, hello)
	b.Send(2, hello)
	b.Send(2, []byte("hello"))
	b.Send(2, nil)
	if len(env.sent) != 4 || &env.sent[0][0] != &env.sent[1][0] || string(env.sent[2]) != "\x01hello" || string(env.sent[3]) != "\x01" {
		t.Errorf("sent %q", env.sent)
	}
	for _, msg := range [][]byte{env.sent[0], env.sent[3], {0, 'x'}, {9}, nil} {
		m.Receive(1, msg)
	}
	if !slices.Equal(a.got, []string{"x"}) || !slices.Equal(b.got, []string{"hello", ""}) || len(env.logs) != 2 {
		t.Errorf("received %q and %q, log %q", a.got, b.got, env.logs)
	}
	b.Disk().List(func(names []string, _ error) {
		if !slices.Equal(names, []string{"snap", "wal"}) {
			t.Errorf("files are %q", names)
		}
	})
	if b.Choices("x"); env.drawn[0] != "b-x" {
		t.Errorf("drew %q", env.drawn)
	}
}

// Parts that could take each other's files or messages are refused.
func TestAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tag    byte
		prefix string
	}{{0, "c-"}, {7, "a-"}, {7, "a-b"}, {7, "a"}, {7, ""}} {
		_, m, _, _ := two(t)
		func() {
			defer func() {
				if p := recover(); p == nil {
					t.Errorf("part %d %q is taken", c.tag, c.prefix)
				}
			}()
			m.Part(c.tag, c.prefix, func(env actor.Env) mux.Component { return &sleeper{Env: env} })
		}()
	}
}
