package confirm

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Choose draws a number below n, at random, in all possible ways one after the
// other, or from the input of a fuzzer.
type Choose func(n int) int

// History makes a history of calls, each by a process of its own, that overlap as
// choose says. begin returns the invocation of a new call. end returns the
// completion of one that is open; if it is of type Invoke, the call stays open for
// good.
func History(choose Choose, calls int, begin func() history.Op, end func(op history.Op) history.Op) *history.History {
	return Sessions(choose, calls, calls, begin, end)
}

// Sessions makes a history as History does, of so many clients, each of which begins a
// call only when its last one has ended, and is another process after one of which
// nobody knows how it did.
func Sessions(choose Choose, calls, clients int, begin func() history.Op, end func(op history.Op) history.Op) *history.History {
	h := &history.History{Ops: make([]history.Op, 0, 2*calls)}
	record := func(op history.Op) {
		op.Index, op.Time = len(h.Ops), int64(len(h.Ops))*1e6
		h.Ops = append(h.Ops, op)
	}
	var open []history.Op
	var idle []history.Process
	for p := range clients {
		idle = append(idle, history.Process(p))
	}
	for n := 0; n < calls || len(open) > 0; {
		if n < calls && (len(open) == 0 || len(idle) > 0 && choose(2) == 0) {
			op := begin()
			i := 0
			if clients < calls {
				i = choose(len(idle))
			}
			op.Type, op.Process = history.Invoke, idle[i]
			idle = append(idle[:i], idle[i+1:]...)
			n++
			record(op)
			open = append(open, op)
			continue
		}
		i := choose(len(open))
		op := end(open[i])
		open = append(open[:i], open[i+1:]...)
		if op.Type != history.Invoke {
			record(op)
		}
		if op.Type == history.OK || op.Type == history.Fail {
			idle = append(idle, op.Process)
		} else {
			idle = append(idle, op.Process+history.Process(clients))
		}
	}
	return h
}

// Outcome draws how an operation that changes something ends.
func (choose Choose) Outcome() history.Type {
	return [...]history.Type{history.OK, history.Info, history.Fail, history.Invoke}[choose(4)]
}

// Every has build make all choices that it can make, one after the other.
func Every(build func(choose Choose)) {
	var digits, bases []int
	for {
		at := 0
		build(func(n int) int {
			if at == len(digits) {
				digits, bases = append(digits, 0), append(bases, n)
			}
			at++
			return digits[at-1]
		})
		last := len(digits) - 1
		for last >= 0 && digits[last]+1 == bases[last] {
			last--
		}
		if last < 0 {
			return
		}
		digits, bases = digits[:last+1], bases[:last+1]
		digits[last]++
	}
}

// Bytes draws choices from bytes, and zeros when they are used up.
func Bytes(data []byte) Choose {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := int(data[0])
		data = data[1:]
		return b % n
	}
}

// Oracle is how a checker is compared with the definition.
type Oracle struct {
	Family
	Checker checkers.Checker
	// Make makes a history of so many calls.
	Make func(choose Choose, calls int) *history.History
	// Truth is the verdict by the definition.
	Truth func(h *history.History) checkers.Verdict
	// Context names the anomalies whose operations are not all that it takes to find
	// them again, or more than that.
	Context []string
}

// One compares the verdicts on one history, and has the certificate confirmed. Wrong
// certificates are tried on some of the histories, by their number.
func (o Oracle) One(t testing.TB, h *history.History, number int, roll func(n int) int) checkers.Verdict {
	t.Helper()
	r := o.Checker.Check(t.Context(), h)
	truth := o.Truth(h)
	if r.Verdict != truth {
		t.Fatalf("%s: %v %s, want %v: %+v\n%v", o.Checker.Name(), r.Verdict, r.Reason, truth, r.Anomalies, h.Ops)
	}
	Result(t, h, r)
	if number%4 == 0 {
		o.Refuses(t, h, truth, roll)
	}
	if number%16 == 0 && truth != checkers.Unknown {
		o.Corrupted(t, h, r)
	}
	if number%16 == 1 {
		for _, a := range r.Anomalies {
			if !slices.Contains(o.Context, a.Name) {
				o.minimal(t, h, a)
			}
		}
	}
	return truth
}

// minimal sees that the operations of an anomaly show it by themselves, and that none
// of them can be left out.
func (o Oracle) minimal(t testing.TB, h *history.History, a checkers.Anomaly) {
	t.Helper()
	found := func(ops []int) bool {
		r := o.Checker.Check(t.Context(), only(h, ops))
		return slices.ContainsFunc(r.Anomalies, func(b checkers.Anomaly) bool { return b.Name == a.Name })
	}
	if !found(a.Ops) {
		t.Fatalf("%+v is not shown by its operations\n%v", a, h.Ops)
	}
	for i := range a.Ops {
		if found(slices.Delete(slices.Clone(a.Ops), i, i+1)) {
			t.Fatalf("%+v is shown without %d\n%v", a, a.Ops[i], h.Ops)
		}
	}
}

// only returns the calls of h that were invoked at some indices.
func only(h *history.History, ops []int) *history.History {
	part := new(history.History)
	calls, _ := h.Calls()
	ends := map[int]bool{}
	for _, c := range calls {
		if slices.Contains(ops, c.Invoke.Index) {
			ends[c.Invoke.Index] = true
			if c.Complete != nil {
				ends[c.Complete.Index] = true
			}
		}
	}
	for i, op := range h.Ops {
		if ends[i] || slices.Contains(ops, i) {
			op.Index = len(part.Ops)
			part.Ops = append(part.Ops, op)
		}
	}
	return part
}

// Agrees compares verdicts on all histories of all calls, and on random ones of at
// most most calls (a tenth of them in short mode).
func (o Oracle) Agrees(t *testing.T, random, all, most int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	verdicts, number := map[checkers.Verdict]int{}, 0
	Every(func(choose Choose) {
		number++
		verdicts[o.One(t, o.Make(choose, all), number, rng.IntN)]++
	})
	t.Logf("all %d histories of %d calls: %v", number, all, verdicts)
	if testing.Short() {
		random /= 10
	}
	clear(verdicts)
	for n := range random {
		verdicts[o.One(t, o.Make(rng.IntN, 1+rng.IntN(most)), n, rng.IntN)]++
	}
	t.Logf("%d random histories: %v", random, verdicts)
	o.stops(t, rng.IntN, most)
	for _, verdict := range []checkers.Verdict{checkers.OK, checkers.Invalid} {
		if verdicts[verdict] < random/50 {
			t.Errorf("only %d of the random histories are %v: the test shows little", verdicts[verdict], verdict)
		}
	}
}

// stops sees that a checker that has no time comes to no verdict.
func (o Oracle) stops(t *testing.T, choose Choose, most int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := o.Make(choose, most)
	if r := o.Checker.Check(ctx, h); r.Verdict != checkers.Unknown || r.Reason == "" {
		t.Errorf("%s: %v %q without any time for\n%v", o.Checker.Name(), r.Verdict, r.Reason, h.Ops)
	}
}

// Fuzz compares verdicts on histories whose choices the fuzzer draws.
func (o Oracle) Fuzz(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 256 {
			data = data[:256]
		}
		choose := Bytes(data)
		h := o.Make(choose, 1+choose(12))
		o.One(t, h, 0, rand.New(rand.NewPCG(3, 4)).IntN)
	})
}

// Bench measures how long a checker takes, and how long it takes to confirm its
// certificate.
func Bench(b *testing.B, name string, c checkers.Checker, h *history.History) {
	b.Run(name+"/check", func(b *testing.B) {
		for b.Loop() {
			c.Check(b.Context(), h)
		}
	})
	r := c.Check(b.Context(), h)
	b.Run(name+"/verify", func(b *testing.B) {
		for b.Loop() {
			Result(b, h, r)
		}
	})
}
