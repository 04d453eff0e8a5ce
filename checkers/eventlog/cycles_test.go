package eventlog

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// cycleMutations add two transactions to a history that are each before the other. The
// offsets are behind all that is there.
var cycleMutations = []struct {
	name string
	opts Options
	a, b []history.Value
	real bool // b begins after a is done
}{
	{name: G1c, a: []history.Value{put(0, 1000, 901), got(1, 1000, 902)}, b: []history.Value{put(1, 1000, 902), got(0, 1000, 901)}},
	{name: G1cRealtime, a: []history.Value{got(1, 1000, 902)}, b: []history.Value{put(1, 1000, 902)}, real: true},
	{name: GSingle, opts: Options{RWDeps: true}, a: []history.Value{put(0, 1000, 901), put(0, 1001, 903), put(1, 1000, 902)}, b: []history.Value{got(0, 1000, 901), got(1, 1000, 902)}},
	{name: GSingleRealtime, opts: Options{RWDeps: true}, a: []history.Value{put(0, 1000, 901), put(0, 1001, 902)}, b: []history.Value{got(0, 1000, 901)}, real: true},
	{name: G0, opts: Options{WWDeps: true}, a: []history.Value{put(0, 1000, 901), put(1, 1001, 902)}, b: []history.Value{put(0, 1001, 903), put(1, 1000, 904)}},
	{name: G0Realtime, opts: Options{WWDeps: true}, a: []history.Value{put(0, 1001, 901)}, b: []history.Value{put(0, 1000, 903)}, real: true},
}

func put(k int, offset, value int64) history.Value { return send(k, history.Ints(offset, value)) }

func got(k int, offset, value int64) history.Value {
	return history.List(history.Keyword("poll"), history.Map(history.Int(int64(k)), history.List(history.Ints(offset, value))))
}

func TestCycles(t *testing.T) {
	t.Parallel()
	for _, m := range cycleMutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(13, 14))
			for range 100 {
				h := valid(rng)
				first := len(h.Ops)
				record := func(p history.Process, typ history.Type, v []history.Value) {
					h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: p, Type: typ, F: "txn", Value: history.List(v...)})
				}
				record(300, history.Invoke, m.a)
				if m.real {
					record(300, history.OK, m.a)
					record(301, history.Invoke, m.b)
				} else {
					record(301, history.Invoke, m.b)
					record(300, history.OK, m.a)
				}
				record(301, history.OK, m.b)
				judged(t, h, m.opts)
				r, err := Check(h, m.opts)
				if err != nil || r.Errors[m.name] == nil {
					t.Fatalf("%v %v\n%v", r.ErrorTypes, err, h.Ops)
				}
				if !slices.ContainsFunc(r.Errors[m.name].Errs, func(a checkers.Anomaly) bool { return slices.Contains(a.Ops, first) && len(a.Edges) == 2 }) {
					t.Fatalf("%+v\n%v", r.Errors[m.name].Errs, h.Ops)
				}
			}
		})
	}
}
