package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/queue"
)

func Example() {
	target := queue.New()
	for _, given := range []map[string]string{
		{}, {"order": "fifo"}, {"guarantee": "at-most-once"}, {"guarantee": "at-most-once", "order": "fifo"},
	} {
		settings, err := targets.Fill(target, given)
		if err != nil {
			panic(err)
		}
		fmt.Println(given, "promises", target.Promise(settings).Level)
	}
	// Output:
	// map[] promises at-least-once
	// map[order:fifo] promises fifo
	// map[guarantee:at-most-once] promises at-most-once
	// map[guarantee:at-most-once order:fifo] promises linearizable
}

func settingsOf(t *testing.T, given map[string]string) targets.Settings {
	t.Helper()
	s, err := targets.Fill(queue.New(), given)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// How often a message is delivered at most is judged as it is set, where messages are
// delivered more than once.
func TestDeliveriesArePromised(t *testing.T) {
	t.Parallel()
	for _, guarantee := range []string{"at-least-once", "at-most-once"} {
		p := queue.New().Promise(settingsOf(t, map[string]string{"guarantee": guarantee, "max-deliveries": "3"}))
		if got := p.Options["max-deliveries"]; (got == "3") != (guarantee == "at-least-once") {
			t.Errorf("%s promises %v", guarantee, p)
		}
	}
}

func TestWorkSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		bugs        []string
		want        string
	}{
		{"visibility", "2", nil, "setting visibility=2: want a time from 1ms to 1h0m0s"},
		{"visibility", "0s", nil, "setting visibility=0s: want a time"},
		{"max-deliveries", "-1", nil, "setting max-deliveries=-1: want a whole number from 0"},
		{"snapshot-every", "9", nil, "setting snapshot-every=9: want a whole number from 10"},
		{"sessions", "0", nil, "setting sessions=0: want a whole number from 1"},
		{"kind", "none", nil, "setting kind=none: want one of work, log"},
		{"order", "fifo", []string{"W10"}, ""},
		{"order", "fifo", []string{"Q1"}, "bug Q1 is not one of kind=work"},
	} {
		s := settingsOf(t, nil)
		s[c.name] = c.value
		_, err := queue.New().Boot(s, c.bugs)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s %v: %v, want %q", c.name, c.value, c.bugs, err, c.want)
		}
	}
}

// Every bug of the work queue can be switched on, and every operation of the
// workload is one of either guarantee.
func TestWorkHasWhatItSays(t *testing.T) {
	t.Parallel()
	target, n := queue.New(), 0
	for _, b := range target.Bugs() {
		if strings.HasPrefix(b.ID, "W") {
			n++
			if _, err := target.Boot(settingsOf(t, nil), []string{b.ID}); err != nil {
				t.Error(err)
			}
		}
	}
	if n < 6 {
		t.Errorf("there are %d bugs", n)
	}
	once, least := settingsOf(t, map[string]string{"guarantee": "at-most-once"}), settingsOf(t, nil)
	for _, f := range []string{"enqueue", "dequeue", "receive", "ack", "nack", "extend"} {
		if !target.Supports(once, f) && !target.Supports(least, f) {
			t.Errorf("nobody does %s", f)
		}
	}
	if target.Supports(least, "write") {
		t.Error("a queue that is written to")
	}
	if _, err := target.Client(least, "register"); !errors.Is(err, targets.ErrUnsupported) {
		t.Errorf("a client for registers: %v", err)
	}
}

// play deploys a queue of three nodes and does operations, each at its time and by
// a client of its own, of one node after the other.
func play(t *testing.T, given map[string]string, ops ...history.Op) []history.Op {
	t.Helper()
	settings := settingsOf(t, given)
	boot, err := queue.New().Boot(settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	newClient, err := queue.New().Client(settings, "queue")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{Nodes: 3, Boot: boot, Choices: choice.New(1), OpTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close(context.Background())
	for i, op := range ops {
		worker := cluster.AddClient(i%3, func(env client.Env, op history.Op) history.Op {
			env.Sleep(time.Duration(op.Time) - env.Now())
			done := newClient().Invoke(env, op)
			done.Time = int64(env.Now())
			return done
		})
		op.Process, op.Index, op.Key = history.Process(i), i, history.String("q")
		cluster.Start(worker, op)
	}
	done := make([]history.Op, len(ops))
	for range ops {
		e, ok := cluster.Next(int64(time.Minute))
		if !ok || e.Died {
			t.Fatalf("it ended with %+v", e)
		}
		done[e.Op.Process] = e.Op
	}
	return done
}

// at is an operation at a time in milliseconds.
func at(ms int64, f string, kvs ...any) history.Op {
	op := history.Op{Type: history.Invoke, F: f, Time: ms * 1e6}
	if len(kvs) == 1 {
		op.Value = history.Int(int64(kvs[0].(int)))
	}
	if len(kvs) == 2 {
		op.Value = history.Map(history.String("message"), history.Int(int64(kvs[0].(int))), history.String("token"), history.Int(int64(kvs[1].(int))))
	}
	return op
}

// A receive that waits gets what is put in, another one gets it again when the lease
// is over and not before, and only the last receipt counts.
func TestPush(t *testing.T) {
	t.Parallel()
	done := play(t, map[string]string{"delivery": "push", "visibility": "1s"},
		at(2000, "receive"), at(2100, "enqueue", 7), at(2300, "receive"), at(3000, "receive"),
		at(3300, "ack", 7, 1), at(3400, "ack", 7, 2), at(3500, "receive"))
	message := func(i int) string {
		return fmt.Sprint(done[i].Type, done[i].Value.Get("message"), done[i].Value.Get("token"))
	}
	if message(0) != "ok 7 1" || message(3) != "ok 7 2" {
		t.Errorf("the receives that wait ended as %v and %v", done[0], done[3])
	}
	if early := done[0].Time + int64(time.Second); done[3].Time < early-int64(100*time.Millisecond) || done[3].Time > early+int64(time.Second/2) {
		t.Errorf("it came at %d ms, and again at %d ms", done[0].Time/1e6, done[3].Time/1e6)
	}
	if !done[2].Value.IsNil() || !done[6].Value.IsNil() || done[2].Time < 2500e6 {
		t.Errorf("an empty queue gave %v and %v", done[2], done[6])
	}
	if done[4].Type != history.Fail || done[4].Error != "stale-receipt" || done[5].Type != history.OK {
		t.Errorf("the acks ended as %v and %v", done[4], done[5])
	}
}

// What is handed out for good comes out once, in order.
func TestDequeue(t *testing.T) {
	t.Parallel()
	done := play(t, map[string]string{"guarantee": "at-most-once", "order": "fifo"},
		at(2000, "enqueue", 1), at(2100, "enqueue", 2), at(2200, "dequeue"), at(2300, "dequeue"), at(2400, "dequeue"))
	got := fmt.Sprint(done[2].Value, done[3].Value, done[4].Value)
	if got != fmt.Sprint(history.Int(1), history.Int(2), history.Nil) {
		t.Errorf("it gave %s", got)
	}
}
