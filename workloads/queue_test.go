package workloads

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// waiting is a queue in memory, with leases of a second.
type waiting struct {
	ready  map[string][]history.Value
	leases map[int64]loan
	token  int64
}

type loan struct {
	key     string
	message history.Value
	end     int64
}

// do completes an operation.
func (w *waiting) do(op history.Op, now int64) history.Op {
	key := op.Key.Text()
	for token := range w.token + 1 {
		if l, ok := w.leases[token]; ok && l.end <= now {
			delete(w.leases, token)
			w.ready[l.key] = append(w.ready[l.key], l.message)
		}
	}
	token, _ := op.Value.Get("token").Int()
	about, held := w.leases[token]
	held = held && about.key == key && about.message.Equal(op.Value.Get("message"))
	op.Type = history.OK
	switch {
	case op.F == "enqueue":
		w.ready[key] = append(w.ready[key], op.Value)
	case op.F == "receive" && (len(w.ready[key]) == 0 || !op.Value.IsNil()):
		op.Value = history.Nil
	case op.F == "receive":
		m := w.ready[key][0]
		w.token++
		w.ready[key], w.leases[w.token] = w.ready[key][1:], loan{key, m, now + int64(time.Second)}
		op.Value = history.Map(history.String("message"), m, history.String("token"), history.Int(w.token), history.String("visibility"), history.Int(1000))
	case !held:
		op.Type, op.Error = history.Fail, "stale-receipt"
	case op.F == "extend":
		l := w.leases[token]
		l.end = now + int64(time.Second)
		w.leases[token] = l
		op.Value = history.Map(history.String("visibility"), history.Int(1000))
	case op.F == "nack":
		w.ready[key] = append(w.ready[key], w.leases[token].message)
		delete(w.leases, token)
	default:
		delete(w.leases, token)
	}
	return op
}

// use runs a generator against the queue, one operation every 5 ms, until it is done
// or until so many were done.
func (w *waiting) use(t *testing.T, g gen.Gen, limit int, now *int64) []history.Op {
	t.Helper()
	roster := gen.NewRoster(5, 3, false)
	var ops []history.Op
	for range 100_000 {
		*now += 5e6
		result, next := g.Next(roster.Context(*now))
		switch {
		case result.Kind == gen.Done || len(ops) >= 2*limit && limit > 0:
			return ops
		case result.Kind == gen.Pending:
			g = next
			continue
		}
		op := result.Op
		if !roster.IsFree(op.Process) {
			t.Fatalf("%v is for a process that is not free", op)
		}
		roster.Begin(op.Process)
		g = next.Update(roster.Context(*now), &op)
		op.Time = *now
		done := w.do(op, *now)
		done.Time = *now + 25e5
		if len(ops)%101 == 100 {
			done.Type, done.Value = history.Info, op.Value
		}
		roster.End(op.Process, done.Type == history.Info)
		g = g.Update(roster.Context(*now), &done)
		ops = append(ops, op, done)
	}
	t.Fatal("there is no end")
	return nil
}

func newWaiting() *waiting {
	return &waiting{ready: map[string][]history.Value{}, leases: map[int64]loan{}}
}

// Elements go in once each, only who received a message does something about it,
// every kind is done, and in the end the queues are empty.
func TestQueueOperations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		p := paramsOf(t, Queue(), seed, nil, append(Queue().Fs, "receive", "ack", "nack", "extend")...)
		w, now, next := newWaiting(), int64(0), int64(1)
		kinds, had, stale, empty, forged, poisoned := map[string]int{}, map[string]history.Process{}, 0, [2]int{}, 0, 0
		of := map[string]string{}
		ops := w.use(t, Queue().Generator(p), 3000, &now)
		for i := 0; i < len(ops); i += 2 {
			op, done := ops[i], ops[i+1]
			kinds[op.F]++
			token := fmt.Sprint(op.Value.Get("token"))
			if v, _ := op.Value.Int(); op.F == "enqueue" {
				if v != next {
					t.Fatalf("seed %d: element %v, want %d", seed, op.Value, next)
				}
				next++
			}
			if op.F == "receive" && done.Type == history.OK {
				had[fmt.Sprint(done.Value.Get("token"))] = op.Process
				of[fmt.Sprint(done.Value.Get("token"))] = fmt.Sprint(op.Key, done.Value.Get("message"))
			}
			if slices.Contains([]string{"ack", "nack", "extend"}, op.F) {
				if of[token] != fmt.Sprint(op.Key, op.Value.Get("message")) {
					forged++
				} else if had[token] != op.Process {
					t.Fatalf("seed %d: %v has a message of process %v", seed, op, had[token])
				}
			}
			if op.F == "ack" && done.Type == history.OK && poison(op.Value.Get("message")) {
				poisoned++
			}
			if done.Type == history.Fail {
				stale++
			}
			if done.Type == history.OK && done.Value.IsNil() {
				empty[map[bool]int{true: 1}[i/2/turn%3 == 0]]++
			}
		}
		if min(kinds["enqueue"], kinds["receive"]) < 500 || min(kinds["ack"], kinds["nack"]) < 100 || kinds["extend"] < 50 || stale == 0 {
			t.Errorf("seed %d: %v, %d with receipts that were out of date", seed, kinds, stale)
		}
		if forged < 20 || poisoned == 0 || poisoned*oneIsPoison > kinds["enqueue"] {
			t.Errorf("seed %d: %d receipts were those of others, and %d elements were done that cannot be", seed, forged, poisoned)
		}
		if empty[0] < 100 || empty[0] < 4*empty[1] {
			t.Errorf("seed %d: nothing was found %d times at ebb and %d times at flood", seed, empty[0], empty[1])
		}
		ops = append(ops, w.use(t, Queue().Final(p), 0, &now)...)
		if len(w.leases) > 0 || slices.ContainsFunc(queueKeys(p.Options), func(k history.Value) bool { return len(w.ready[k.Text()]) > 0 }) {
			t.Errorf("seed %d: in the end there is %+v", seed, w)
		}
		for i := range ops {
			ops[i].Index = i
		}
		h := &history.History{Ops: ops}
		for _, c := range slices.Concat(Queue().Checkers(atLeastOnce, p.Options), Queue().Recovered(atLeastOnce, p.Options)) {
			if r := checkers.Run(t.Context(), c, h); r.Verdict == checkers.Invalid {
				t.Errorf("seed %d: %s: %v", seed, c.Name(), r.Anomalies)
			}
		}
	}
}

// A queue that hands out for good is only asked for that.
func TestQueueForGood(t *testing.T) {
	t.Parallel()
	p := paramsOf(t, Queue(), 1, map[string]string{"queues": "2"}, "enqueue", "dequeue")
	kinds := map[string]int{}
	for _, op := range simulate(t, gen.Limit(300, Queue().Generator(p)), 0) {
		if op.Type == history.Invoke {
			kinds[op.F+op.Key.Text()]++
		}
	}
	if len(kinds) != 4 || min(kinds["enqueueq1"], kinds["enqueueq2"], kinds["dequeueq1"], kinds["dequeueq2"]) < 30 {
		t.Errorf("%v", kinds)
	}
	h := &history.History{Ops: simulate(t, Queue().Generator(p), 200)}
	for _, c := range Queue().Checkers(atLeastOnce, p.Options) {
		if r := checkers.Run(t.Context(), c, h); c.Name() == "lease" && r.Verdict != checkers.OK {
			t.Errorf("without leases, lease says %v %s", r.Verdict, r.Reason)
		}
	}
}

// Every level of queues is judged by something that is listed.
func TestQueueLevels(t *testing.T) {
	t.Parallel()
	o := paramsOf(t, Queue(), 1, nil).Options
	w := Queue()
	for _, level := range w.Levels {
		if got, err := w.LevelNamed(level); err != nil || got != level {
			t.Errorf("%s: %v %v", level, got, err)
		}
		for _, c := range slices.Concat(w.Checkers(level, o), w.Recovered(level, o)) {
			if !slices.ContainsFunc(CheckerDocs(), func(d [2]string) bool { return d[0] == c.Name() }) {
				t.Errorf("checker %s is not listed", c.Name())
			}
		}
	}
}
