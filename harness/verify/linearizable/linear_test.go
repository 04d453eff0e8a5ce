package linearizable

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// tiny are the operations of random histories, "f argument|answer|answer…".
var tiny = []struct {
	parameters options
	ops        []string
}{
	{options{"model": "register"}, []string{"write 1|1", "write 2|2", "read|1|2|nil", "write 3|3", "read|1|3"}},
	{options{"model": "register", "nil": "any"}, []string{"write 1|1", "write 2|2", "read|1|2|nil"}},
	{options{"model": "cas-register"}, []string{"write 1|1", "cas [1 2]|", "cas [2 3]|", "cas [nil 4]|", "cas [1 5]|", "read|1|2|3|4|5|nil", "delete|"}},
	{options{"model": "cas-register"}, []string{"write 1|1", "cas [1 2]|", "cas [2 3]|", "cas [3 4]|", "read|1|2|3|4", "cas [nil 6]|"}},
	{options{"model": "kv"}, []string{"put \"a\"|", "append \"b\"|", "get|\"\"|\"a\"|\"ab\"|\"b\"", "cas [\"a\" \"b\"]|"}},
	{options{"model": "multi-register"}, []string{"txn [[w 1 5] [w 2 5]]|", "txn [[w 1 6]]|", "txn [[r 1 nil] [r 2 nil]]|[[r 1 5] [r 2 nil]]|[[r 1 6] [r 2 5]]|[[r 1 6] [r 2 nil]]"}},
	{options{"model": "mutex"}, []string{"acquire|", "release|"}},
	{options{"model": "semaphore", "permits": "2", "owner": "process"}, []string{"acquire|", "release|", "acquire 2|"}},
	{options{"model": "reentrant-mutex"}, []string{"acquire|", "release|"}},
	{options{"model": "fifo-queue"}, []string{"enqueue 1|1", "enqueue 2|2", "enqueue 3|3", "dequeue|1|2|3|nil", "dequeue|1|2"}},
	{options{"model": "unordered-queue"}, []string{"enqueue 1|1", "enqueue 2|2", "dequeue|1|2|nil", "dequeue|1|2"}},
	{options{"model": "set"}, []string{"add 1|1", "add 2|2", "read|[1]|[2]|[1 2]|[]", "contains 1|true|false"}},
	{options{"model": "set"}, []string{"add 1|1", "remove 1|1", "add 2|2", "read|[1]|[2]|[1 2]|[]", "contains 1|true|false"}},
	{options{"model": "counter"}, []string{"add 1|1", "add 2|2", "read|0|1|2|3"}},
	{options{"model": "log"}, []string{"append 1|1", "append 2|2", "read|[1]|[2]|[1 2]|[2 1]|[]"}},
}

// random makes a tiny history: each operation is done by a process of its own
// unless that matters. Of unique, no operation that writes is there twice.
func random(t *testing.T, rng *rand.Rand, parsed [][]*claim.Op, n int, unique bool) *history.History {
	t.Helper()
	h := new(history.History)
	record := func(o history.Op, p history.Process, typ history.Type) {
		o.Index, o.Process, o.Type, o.Time = len(h.Ops), p, typ, int64(len(h.Ops))
		h.Ops = append(h.Ops, o)
	}
	used := make(map[int]bool)
	open := make(map[history.Process]*claim.Op)
	for begun := 0; begun < n || len(open) > 0; {
		p := history.Process(rng.IntN(3))
		o := open[p]
		switch {
		case o == nil && begun < n:
			kind := rng.IntN(len(parsed))
			if unique && used[kind] {
				continue
			}
			used[kind] = slices.Contains([]string{"write", "add", "append", "enqueue", "cas", "put", "txn"}, parsed[kind][0].Invoke.F) && len(parsed[kind]) == 1
			begun++
			open[p] = parsed[kind][rng.IntN(len(parsed[kind]))]
			record(*open[p].Invoke, p, history.Invoke)
		case o != nil:
			delete(open, p)
			typ := []history.Type{history.OK, history.OK, history.OK, history.OK, history.Info, history.Fail}[rng.IntN(6)]
			c := *o.Complete
			if typ != history.OK {
				c.Value = o.Invoke.Value
			}
			record(c, p, typ)
		}
	}
	return h
}

func parse(t *testing.T, ops []string) [][]*claim.Op {
	t.Helper()
	var parsed [][]*claim.Op
	for _, text := range ops {
		call, answers, _ := strings.Cut(text, "|")
		var list []*claim.Op
		for _, a := range strings.Split(answers, "|") {
			if a == "" {
				list = append(list, operation(t, call))
			} else {
				list = append(list, operation(t, call+" → "+a))
			}
		}
		parsed = append(parsed, list)
	}
	return parsed
}

// judged is a tiny history with the orders of its operations.
type judged struct {
	h        *history.History
	p        options
	ops      []claim.Op
	explains []map[string]any // the orders that explain it
	refused  []map[string]any // some of the others
}

// judge tries every order of every part of the operations.
func judge(t *testing.T, h *history.History, p options) *judged {
	t.Helper()
	c := &claim.Claim{}
	if err := c.About(h); err != nil {
		t.Fatal(err)
	}
	j := &judged{h: h, p: p, ops: c.Ops}
	j.extend(t, nil, make([]bool, len(c.Ops)))
	return j
}

func (j *judged) extend(t *testing.T, order []int, in []bool) {
	explains := j.right(t, order, in)
	index := []int{}
	for _, i := range order {
		index = append(index, j.ops[i].Inv)
	}
	evidence := map[string]any{"orders": []any{map[string]any{"order": index}}}
	if explains {
		j.explains = append(j.explains, evidence)
	} else {
		j.refused = append(j.refused, evidence)
	}
	for i := range j.ops {
		if !in[i] {
			in[i] = true
			j.extend(t, append(slices.Clip(order), i), in)
			in[i] = false
		}
	}
}

// right decides by the definition whether an order explains the history.
func (j *judged) right(t *testing.T, order []int, in []bool) bool {
	for i := range j.ops {
		if o := &j.ops[i]; o.Happened() && !in[i] || o.Failed() && in[i] {
			return false
		}
	}
	for n, i := range order {
		for _, later := range order[n+1:] {
			if j.ops[later].Before(&j.ops[i]) {
				return false
			}
		}
	}
	m, err := models[j.p["model"]](j.p)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range order {
		if _, err := m.apply(&j.ops[i], j.p.answer(&j.ops[i])); err != nil {
			return false
		}
	}
	return true
}

// confirmed reports whether a claim about a history is confirmed.
func (j *judged) confirmed(t *testing.T, verdict string, evidence any) error {
	t.Helper()
	return verifyClaim(t, j.h, j.p, verdict, evidence)
}

func verifyClaim(t *testing.T, h *history.History, p options, verdict string, evidence any) error {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"definition": "linearizable", "parameters": p, "verdict": verdict, "evidence": evidence,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Definitions.Confirm(h, raw)
	return err
}

// TestTruth compares what is confirmed with all orders of tiny histories: the
// orders that explain one, and no others, and a violation only where there is no
// such order, whatever the evidence.
func TestTruth(t *testing.T) {
	t.Parallel()
	eachTiny(t, 7, 80, func(t *testing.T, rng *rand.Rand, parsed [][]*claim.Op, p options, n int) {
		var valid, wrong int
		proofs := make(map[string]int)
		for range n {
			j := judge(t, random(t, rng, parsed, 2+rng.IntN(4), rng.IntN(4) > 0), p)
			if len(j.explains) > 0 {
				valid++
			} else {
				wrong++
			}
			j.orders(t, rng)
			j.proofs(t, rng, proofs)
		}
		t.Logf("%d valid, %d not, confirmed %v", valid, wrong, proofs)
		if min(valid, wrong) < n/20 {
			t.Error("one-sided")
		}
	})
}

// eachTiny runs a test for the operations of each model, and says how many
// histories to try: many, the number given by default, or few.
func eachTiny(t *testing.T, seed uint64, n int, do func(t *testing.T, rng *rand.Rand, parsed [][]*claim.Op, p options, n int)) {
	t.Helper()
	switch {
	case testing.Short():
		n /= 3
	case os.Getenv("ORDEAL_LONG") != "":
		n = 3000
	}
	for i, kind := range tiny {
		t.Run(fmt.Sprint(i, " ", kind.parameters["model"]), func(t *testing.T) {
			t.Parallel()
			do(t, rand.New(rand.NewPCG(seed, uint64(i))), parse(t, kind.ops), kind.parameters, n)
		})
	}
}

// orders tries the orders, right and wrong.
func (j *judged) orders(t *testing.T, rng *rand.Rand) {
	t.Helper()
	for _, e := range j.explains {
		if err := j.confirmed(t, "ok", e); err != nil {
			t.Fatalf("%v: %v\n%s", e, err, show(j.h))
		}
	}
	for n := 0; n < 30 && n < len(j.refused); n++ {
		e := j.refused[rng.IntN(len(j.refused))]
		if j.confirmed(t, "ok", e) == nil {
			t.Fatalf("%v was confirmed\n%s", e, show(j.h))
		}
	}
}

// proofs tries evidence of each kind for a violation.
func (j *judged) proofs(t *testing.T, rng *rand.Rand, proofs map[string]int) {
	t.Helper()
	last := len(j.h.Ops) - 1
	for n := range 120 {
		e := j.guess(rng)
		if n == 0 {
			e = map[string]any{"proof": "search", "rule": "prefix", "until": last}
		}
		err := j.confirmed(t, "invalid", e)
		if err == nil && j.explained() {
			raw, _ := json.Marshal(e)
			t.Fatalf("%s was confirmed, but %v explains it\n%s", raw, j.explains, show(j.h))
		}
		if n == 0 && err != nil && !j.explained() {
			t.Fatalf("%v\n%s", err, show(j.h))
		}
		if err == nil {
			proofs[e["proof"].(string)]++
		}
	}
}

// explained reports whether there is an order. Dequeues without an answer may
// have taken something from a bag, which the orders tried do not say.
func (j *judged) explained() bool {
	return len(j.explains) > 0 || j.p["model"] == "unordered-queue" && j.emptied()
}

// emptied reports whether there is an order if dequeues without an answer are
// given one.
func (j *judged) emptied() bool {
	for i := range j.ops {
		o := j.ops[i]
		if o.Happened() || o.Failed() || o.Invoke.F != "dequeue" {
			continue
		}
		for v := int64(1); v <= 2; v++ {
			k := *j
			k.ops = slices.Clone(j.ops)
			end := history.Op{Type: history.OK, F: "dequeue", Value: history.Int(v), Index: 1 << 30}
			k.ops[i].Complete = &end
			k.explains = nil
			k.extend(nil, nil, make([]bool, len(k.ops)))
			if len(k.explains) > 0 || k.emptied() {
				return true
			}
		}
	}
	return false
}

// guess makes up evidence.
func (j *judged) guess(rng *rand.Rand) map[string]any {
	one := func() int { return j.ops[rng.IntN(len(j.ops))].Inv }
	some := func(n int) []int {
		list := []int{}
		for range rng.IntN(n + 1) {
			list = append(list, one())
		}
		return list
	}
	switch rng.IntN(8) {
	case 0:
		return map[string]any{"proof": "unwritten", "op": one()}
	case 1:
		return map[string]any{"proof": "excess", "op": one()}
	case 2:
		return map[string]any{"proof": "set", "op": one()}
	case 3:
		return map[string]any{"proof": "covered", "op": one(), "by": some(3)}
	case 4:
		pairs := [][]int{}
		for range 1 + rng.IntN(2) {
			pairs = append(pairs, []int{one(), one()})
		}
		return map[string]any{"proof": "passed", "pairs": pairs}
	case 5, 6:
		edges := []any{}
		for tries := 0; len(edges) < 1+rng.IntN(4) && tries < 50; tries++ {
			from, to := j.ops[rng.IntN(len(j.ops))], j.ops[rng.IntN(len(j.ops))]
			kind := []string{"rt", "rt", "cas", "init"}[rng.IntN(4)]
			if kind != "rt" || from.Before(&to) || tries > 45 {
				edges = append(edges, map[string]any{"from": from.Inv, "to": to.Inv, "kind": kind})
			}
		}
		return map[string]any{"proof": "cycle", "edges": edges}
	default:
		e := map[string]any{"proof": "search", "rule": "prefix"}
		if rng.IntN(2) == 0 {
			e["until"] = rng.IntN(len(j.h.Ops))
		}
		if rng.IntN(3) > 0 {
			e["rule"], e["ops"] = "closed", some(5)
			if rng.IntN(2) == 0 { // most of what is not read
				e["ops"] = append(some(2), j.others(rng)...)
			}
			if rng.IntN(3) == 0 {
				e["blind"] = some(2)
			}
		}
		if rng.IntN(2) == 0 {
			e["time"] = j.times(rng)
		}
		return e
	}
}

// times lists pairs of operations of which most times one ended before the other
// began.
func (j *judged) times(rng *rand.Rand) [][]int {
	pairs := [][]int{}
	for _, a := range j.ops {
		for _, b := range j.ops {
			if a.Before(&b) && rng.IntN(8) > 0 || rng.IntN(60) == 0 {
				pairs = append(pairs, []int{a.Inv, b.Inv})
			}
		}
	}
	return pairs
}

// others lists operations that are no reads, and leaves some out.
func (j *judged) others(rng *rand.Rand) []int {
	list := []int{}
	for i := range j.ops {
		if f := j.ops[i].Invoke.F; f != "read" && f != "get" && rng.IntN(4) > 0 {
			list = append(list, j.ops[i].Inv)
		}
	}
	return list
}

func show(h *history.History) string {
	var b strings.Builder
	for _, o := range h.Ops {
		fmt.Fprintf(&b, "%3d %v %-6v %s %v\n", o.Index, o.Process, o.Type, o.F, o.Value)
	}
	return b.String()
}

// recorded reads a history from lines "process type f value".
func recorded(t *testing.T, lines string) *history.History {
	t.Helper()
	h := new(history.History)
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		part := strings.SplitN(strings.TrimSpace(line), " ", 4)
		typ, err := history.ParseType(part[1])
		if err != nil {
			t.Fatal(err)
		}
		o := history.Op{Index: len(h.Ops), Process: history.Process(part[0][0] - '0'), Type: typ, F: part[2]}
		if len(part) > 3 {
			o.Value = value(t, part[3])
		}
		h.Ops = append(h.Ops, o)
	}
	return h
}

// certificates are claims that hold, each with evidence that does not do instead.
var certificates = []struct {
	name, model, verdict string
	history              string
	evidence             string
	refused              []string
}{
	{
		"an order", "register", "ok", `
			0 invoke write 1
			1 invoke read
			0 ok write 1
			1 ok read 1
			2 invoke write 2
			2 info write 2
			0 invoke read
			0 ok read 2
			0 invoke write 3
			0 fail write 3`,
		`{"orders":[{"order":[0,1,4,6]}]}`,
		[]string{
			`{"orders":[{"order":[0,1,6]}]}`,                  // an operation that was seen is missing
			`{"orders":[{"order":[0,4,6]}]}`,                  // one that was ok is
			`{"orders":[{"order":[0,1,1,4,6]}]}`,              // one is there twice
			`{"orders":[{"order":[1,0,4,6]}]}`,                // the object would have answered something else
			`{"orders":[{"order":[0,4,1,6]}]}`,                // likewise, and it would not keep to real time
			`{"orders":[{"order":[0,1,4,6,8]}]}`,              // one that failed
			`{"orders":[{"order":[0,1,4,6,2]}]}`,              // no invocation
			`{"orders":[{"order":[0,1,4,6,99]}]}`,             // not in the history
			`{"orders":[{"order":[0,1]},{"order":[4,6]}]}`,    // the key twice
			`{"orders":[{"order":[0,1,4,6],"took":[[1,0]]}]}`, // an answer for what has one
			`{"orders":[]}`,                                   // nothing
			`{"orders":[{"order":[0,1,4,6]}],"more":1}`,       // something unknown
			`{"proof":"search","rule":"prefix","until":7}`,    // evidence for something else
			`[]`, `null`,
		},
	},
	{
		"real time", "register", "ok", `
			0 invoke write 1
			0 ok write 1
			1 invoke write 2
			1 ok write 2`,
		`{"orders":[{"order":[0,2]}]}`,
		[]string{`{"orders":[{"order":[2,0]}]}`},
	},
	{
		"what was taken from a bag", "unordered-queue", "ok", `
			0 invoke enqueue 1
			0 ok enqueue 1
			1 invoke dequeue
			1 info dequeue
			0 invoke dequeue
			0 ok dequeue nil`,
		`{"orders":[{"order":[0,2,4],"took":[[2,0]]}]}`,
		[]string{`{"orders":[{"order":[0,2,4]}]}`, `{"orders":[{"order":[0,4]}]}`, `{"orders":[{"order":[0,2,4],"took":[[2,2]]}]}`, `{"orders":[{"order":[0,2,4],"took":[[4,0]]}]}`},
	},
	{
		"a value that nobody wrote", "register", "invalid", `
			0 invoke write 1
			0 fail write 1
			0 invoke read
			0 ok read 1
			1 invoke read
			1 ok read nil`,
		`{"proof":"unwritten","op":2}`,
		[]string{`{"proof":"unwritten","op":0}`, `{"proof":"unwritten","op":4}`, `{"proof":"unwritten","op":3}`, `{"proof":"nonsense","op":2}`, `{"proof":"excess","op":2}`, `{"proof":"set","op":2}`},
	},
	{
		"a stale read", "register", "invalid", `
			0 invoke write 1
			0 ok write 1
			0 invoke write 2
			0 ok write 2
			1 invoke read
			1 ok read 1`,
		`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"rt"},{"from":2,"to":4,"kind":"rt"}]}`,
		[]string{
			`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"rt"}]}`,
			`{"proof":"cycle","edges":[{"from":2,"to":4,"kind":"rt"}]}`,
			`{"proof":"cycle","edges":[{"from":2,"to":0,"kind":"rt"},{"from":2,"to":4,"kind":"rt"}]}`,
			`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"wr"},{"from":2,"to":4,"kind":"rt"}]}`,
			`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"init"},{"from":2,"to":4,"kind":"rt"}]}`,
			`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"cas"},{"from":2,"to":4,"kind":"rt"}]}`,
			`{"proof":"cycle","edges":[]}`,
			`{"proof":"unwritten","op":4}`,
		},
	},
	{
		"the initial value", "cas-register", "invalid", `
			0 invoke write 1
			0 ok write 1
			1 invoke read
			1 ok read nil`,
		`{"proof":"cycle","edges":[{"from":2,"to":0,"kind":"init"},{"from":0,"to":2,"kind":"rt"}]}`,
		[]string{`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"init"},{"from":0,"to":2,"kind":"rt"}]}`, `{"proof":"unwritten","op":2}`},
	},
	{
		"a value that was written twice", "register", "invalid", `
			0 invoke write 1
			0 ok write 1
			0 invoke write 2
			0 ok write 2
			1 invoke read
			1 ok read 1
			2 invoke write 1
			2 ok write 1`,
		`{"proof":"search","rule":"prefix","until":5}`,
		[]string{
			`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"rt"},{"from":2,"to":4,"kind":"rt"}]}`,
			`{"proof":"search","rule":"prefix","until":3}`, `{"proof":"search","rule":"prefix"}`,
			`{"proof":"search","rule":"prefix","until":99}`, `{"proof":"search","until":5}`,
			`{"proof":"search","rule":"closed","until":5,"ops":[0,2]}`,
		},
	},
	{
		"a part of the operations", "register", "invalid", `
			0 invoke write 1
			0 ok write 1
			0 invoke write 2
			0 ok write 2
			1 invoke write 3
			1 ok write 3
			1 invoke read
			1 ok read 1`,
		`{"proof":"search","rule":"closed","ops":[0,2,6]}`,
		[]string{
			`{"proof":"search","rule":"closed","ops":[2,6]}`, `{"proof":"search","rule":"closed","ops":[0,6]}`, `{"proof":"search","rule":"closed","ops":[0,2]}`,
			`{"proof":"search","rule":"closed","ops":[0,2,6],"blind":[0]}`, `{"proof":"search","rule":"closed","ops":[0,2,6,7]}`,
			`{"proof":"search","rule":"closed","ops":[]}`, `{"proof":"search","rule":"prefix","ops":[0,2,6]}`,
			`{"proof":"search","rule":"closed","ops":[0,2,6],"until":5}`,
		},
	},
	{
		"as much of the real time as it takes", "register", "invalid", `
			0 invoke write 1
			0 ok write 1
			0 invoke write 2
			0 ok write 2
			1 invoke write 3
			1 ok write 3
			1 invoke read
			1 ok read 1`,
		`{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[0,2],[2,6]]}`,
		[]string{
			`{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[0,2]]}`, `{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[2,6]]}`,
			`{"proof":"search","rule":"closed","ops":[0,2,6],"time":[]}`, `{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[0,2],[6,2]]}`,
			`{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[2,0],[2,6]]}`, `{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[0,2],[2,6],[4,6]]}`,
			`{"proof":"search","rule":"closed","ops":[0,2,6],"time":[[0,2],[2,6],[6,6]]}`,
		},
	},
	{
		"no real time at all", "multi-register", "invalid", `
			0 invoke txn [["write" 1 1] ["write" 2 1]]
			1 invoke txn [["read" 1 nil] ["read" 2 nil]]
			0 ok txn [["write" 1 1] ["write" 2 1]]
			1 ok txn [["read" 1 1] ["read" 2 nil]]`,
		`{"proof":"search","rule":"prefix","until":3,"time":[]}`,
		[]string{`{"proof":"search","rule":"prefix","until":2,"time":[]}`, `{"proof":"search","rule":"prefix","until":3,"time":[[0,1]]}`},
	},
	{
		"a compare-and-set that is taken for a write", "cas-register", "invalid", `
			0 invoke write 1
			0 ok write 1
			1 invoke cas [7 2]
			1 ok cas [7 2]
			2 invoke write 7
			2 ok write 7
			1 invoke read
			1 ok read 1`,
		`{"proof":"search","rule":"closed","ops":[0,2,6],"blind":[2]}`,
		[]string{`{"proof":"search","rule":"closed","ops":[0,2,6]}`, `{"proof":"search","rule":"closed","ops":[0,2,6],"blind":[0,2]}`, `{"proof":"search","rule":"closed","ops":[0,6],"blind":[2]}`},
	},
	{
		"two compare-and-sets of one value", "cas-register", "invalid", `
			0 invoke write 1
			0 ok write 1
			1 invoke cas [1 2]
			2 invoke cas [1 3]
			1 ok cas [1 2]
			2 ok cas [1 3]`,
		`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"cas"},{"from":0,"to":3,"kind":"cas"}]}`,
		[]string{
			`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"cas"},{"from":0,"to":2,"kind":"cas"}]}`,
			`{"proof":"cycle","edges":[{"from":2,"to":0,"kind":"cas"},{"from":0,"to":3,"kind":"cas"}]}`,
			`{"proof":"cycle","edges":[{"from":0,"to":3,"kind":"cas"}]}`,
		},
	},
	{
		"a circle of compare-and-sets", "cas-register", "invalid", `
			0 invoke cas [2 1]
			1 invoke cas [1 2]
			0 ok cas [2 1]
			1 ok cas [1 2]`,
		`{"proof":"cycle","edges":[{"from":0,"to":1,"kind":"cas"},{"from":1,"to":0,"kind":"cas"}]}`,
		[]string{`{"proof":"cycle","edges":[{"from":0,"to":1,"kind":"cas"}]}`},
	},
	{
		"backwards along a chain", "cas-register", "invalid", `
			0 invoke write 1
			0 ok write 1
			0 invoke cas [1 2]
			0 ok cas [1 2]
			1 invoke read
			1 ok read 1`,
		`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"cas"},{"from":2,"to":4,"kind":"rt"}]}`,
		[]string{`{"proof":"cycle","edges":[{"from":2,"to":4,"kind":"rt"}]}`, `{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"cas"},{"from":0,"to":4,"kind":"rt"}]}`},
	},
	{
		"an operation that need not have happened", "register", "invalid", `
			0 invoke write 1
			0 ok write 1
			1 invoke write 2
			1 info write 2
			2 invoke read
			2 ok read 2
			2 invoke read
			2 ok read 1`,
		`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"rt"},{"from":4,"to":6,"kind":"rt"}]}`,
		nil,
	},
	{
		"taken twice", "fifo-queue", "invalid", `
			0 invoke enqueue 1
			0 ok enqueue 1
			0 invoke dequeue
			0 ok dequeue 1
			1 invoke dequeue
			1 ok dequeue 1`,
		`{"proof":"excess","op":4}`,
		[]string{`{"proof":"excess","op":2}`, `{"proof":"excess","op":0}`, `{"proof":"passed","pairs":[[0,0]]}`, `{"proof":"covered","op":4,"by":[0]}`, `{"proof":"unwritten","op":4}`},
	},
	{
		"left behind", "fifo-queue", "invalid", `
			0 invoke enqueue 1
			0 ok enqueue 1
			0 invoke enqueue 2
			0 ok enqueue 2
			1 invoke dequeue
			1 ok dequeue 2`,
		`{"proof":"passed","pairs":[[0,2]]}`,
		[]string{`{"proof":"passed","pairs":[[2,0]]}`, `{"proof":"passed","pairs":[]}`, `{"proof":"passed","pairs":[[0,4]]}`, `{"proof":"passed","pairs":[[0,0]]}`},
	},
	{
		"too few dequeues without an answer", "fifo-queue", "invalid", `
			0 invoke enqueue 1
			0 ok enqueue 1
			0 invoke enqueue 2
			0 ok enqueue 2
			2 invoke dequeue
			2 info dequeue
			0 invoke enqueue 3
			0 ok enqueue 3
			1 invoke dequeue
			1 ok dequeue 3
			3 invoke dequeue`,
		`{"proof":"passed","pairs":[[0,6],[2,6]]}`,
		[]string{`{"proof":"passed","pairs":[[0,6]]}`, `{"proof":"passed","pairs":[[0,6],[0,6]]}`, `{"proof":"passed","pairs":[[2,6]]}`},
	},
	{
		"never empty", "unordered-queue", "invalid", `
			0 invoke enqueue 1
			0 ok enqueue 1
			1 invoke dequeue
			0 invoke enqueue 2
			0 ok enqueue 2
			0 invoke dequeue
			0 ok dequeue 1
			1 ok dequeue nil`,
		`{"proof":"covered","op":2,"by":[0,3]}`,
		[]string{`{"proof":"covered","op":2,"by":[0]}`, `{"proof":"covered","op":2,"by":[3]}`, `{"proof":"covered","op":2,"by":[3,0]}`, `{"proof":"covered","op":5,"by":[0,3]}`, `{"proof":"covered","op":2,"by":[]}`, `{"proof":"covered","op":2,"by":[0,5]}`},
	},
	{
		"a set that never was", "set", "invalid", `
			0 invoke add 1
			0 ok add 1
			1 invoke read
			1 ok read []
			2 invoke read
			2 ok read [1]`,
		`{"proof":"set","op":2}`,
		[]string{`{"proof":"set","op":4}`, `{"proof":"set","op":0}`, `{"proof":"unwritten","op":2}`},
	},
}

// TestCertificates has certificates confirmed, and corrupted ones refused.
func TestCertificates(t *testing.T) {
	t.Parallel()
	for _, c := range certificates {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, p := recorded(t, c.history), options{"model": c.model}
			if err := verifyClaim(t, h, p, c.verdict, json.RawMessage(c.evidence)); err != nil {
				t.Fatal(err)
			}
			for _, e := range c.refused {
				if verifyClaim(t, h, p, c.verdict, json.RawMessage(e)) == nil {
					t.Errorf("%s was confirmed", e)
				}
			}
			other := map[string]string{"ok": "invalid", "invalid": "ok"}[c.verdict]
			if verifyClaim(t, h, p, other, json.RawMessage(c.evidence)) == nil {
				t.Errorf("the verdict %s was confirmed", other)
			}
			if verifyClaim(t, h, options{"model": "nonsense"}, c.verdict, json.RawMessage(c.evidence)) == nil {
				t.Error("an unknown model was confirmed")
			}
		})
	}
}

// TestKeys sees that each key is an object of its own.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := recorded(t, `
		0 invoke write 1
		0 ok write 1
		0 invoke write 2
		0 ok write 2
		1 invoke read
		1 ok read 1`)
	for i := range h.Ops {
		h.Ops[i].Key = history.String("a")
	}
	h.Ops[2].Key, h.Ops[3].Key = history.Keyword("a"), history.Keyword("a")
	p := options{"model": "register"}
	for evidence, right := range map[string]bool{
		`{"orders":[{"order":[0,4]},{"order":[2]}]}`: true,
		`{"orders":[{"order":[0,4]}]}`:               false,
		`{"orders":[{"order":[0,4,2]}]}`:             false,
	} {
		if err := verifyClaim(t, h, p, "ok", json.RawMessage(evidence)); (err == nil) != right {
			t.Errorf("%s: %v", evidence, err)
		}
	}
	for _, evidence := range []string{
		`{"proof":"cycle","edges":[{"from":0,"to":2,"kind":"rt"},{"from":2,"to":4,"kind":"rt"}]}`,
		`{"proof":"search","rule":"closed","ops":[0,2,4]}`,
		`{"proof":"search","rule":"prefix","until":5}`,
	} {
		if verifyClaim(t, h, p, "invalid", json.RawMessage(evidence)) == nil {
			t.Errorf("%s was confirmed", evidence)
		}
	}
}

// TestForeign sees nothing confirmed about operations that a model does not have.
func TestForeign(t *testing.T) {
	t.Parallel()
	for model, lines := range map[string][2]string{
		"register":       {"0 invoke cas [1 2]", "0 ok cas [1 2]"},
		"cas-register":   {"0 invoke cas 7", "0 ok cas 7"},
		"multi-register": {"0 invoke txn [[1 2]]", "0 ok txn [[1 2]]"},
		"counter":        {"0 invoke add [1]", "0 ok add [1]"},
		"set":            {"0 invoke contains 1", "0 ok contains maybe"},
		"semaphore":      {"0 invoke acquire 0", "0 ok acquire 0"},
		"fifo-queue":     {"0 invoke peek", "0 info peek"},
	} {
		h := recorded(t, strings.Join(lines[:], "\n"))
		for verdict, evidence := range map[string]string{
			"invalid": `{"proof":"search","rule":"prefix","until":1}`,
			"ok":      `{"orders":[]}`,
		} {
			if err := verifyClaim(t, h, options{"model": model}, verdict, json.RawMessage(evidence)); err == nil {
				t.Errorf("%s: %s was confirmed", model, verdict)
			}
		}
	}
}

// TestPatience sees a search given up that takes too long.
func TestPatience(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a million steps")
	}
	h := new(history.History)
	for i := range 40 {
		h.Ops = append(h.Ops, history.Op{Index: i, Process: history.Process(i), F: "append", Value: history.Int(int64(i))})
	}
	for i, typ := range []history.Type{history.Invoke, history.OK} {
		h.Ops = append(h.Ops, history.Op{Index: 40 + i, Process: 99, Type: typ, F: "read", Value: history.Ints(99)})
	}
	err := verifyClaim(t, h, options{"model": "log"}, "invalid", json.RawMessage(`{"proof":"search","rule":"prefix","until":41}`))
	if err == nil || !strings.Contains(err.Error(), "given up") {
		t.Fatal(err)
	}
}

// TestValid tries evidence against larger histories that are linearizable
// because they were made from an order: none may be confirmed.
func TestValid(t *testing.T) {
	t.Parallel()
	eachTiny(t, 8, 40, func(t *testing.T, rng *rand.Rand, parsed [][]*claim.Op, p options, n int) {
		for range n {
			j := &judged{h: stretched(t, rng, parsed, p, 5+rng.IntN(5)), p: p}
			c := &claim.Claim{}
			if err := c.About(j.h); err != nil {
				t.Fatal(err)
			}
			j.ops = c.Ops
			for range 100 {
				e := j.guess(rng)
				if j.confirmed(t, "invalid", e) == nil {
					raw, _ := json.Marshal(e)
					t.Fatalf("%s was confirmed\n%s", raw, show(j.h))
				}
			}
		}
	})
}

// stretched makes a history of operations that were done one after the other, to
// an object that answered them, and took some time before and after that.
func stretched(t *testing.T, rng *rand.Rand, parsed [][]*claim.Op, p options, n int) *history.History {
	t.Helper()
	m, err := models[p["model"]](p)
	if err != nil {
		t.Fatal(err)
	}
	type record struct {
		at float64
		op history.Op
	}
	var records []record
	used := make(map[int]bool)
	done := 0
	for tries := 0; done < n && tries < 100; tries++ {
		kind := rng.IntN(len(parsed))
		o := *parsed[kind][rng.IntN(len(parsed[kind]))]
		if used[kind] && rng.IntN(8) > 0 {
			continue
		}
		invoke, complete := *o.Invoke, *o.Complete
		invoke.Process, complete.Process = history.Process(done), history.Process(done)
		o.Invoke = &invoke
		if p["model"] == "reentrant-mutex" || p["owner"] != "" {
			invoke.Process, complete.Process = 0, 0 // who it is matters here
		}
		if _, err := m.apply(&o, p.answer(&o)); err != nil {
			continue
		}
		used[kind] = len(parsed[kind]) == 1 && len(parsed) > 3
		before, after := rng.Float64()*2, rng.Float64()*2
		if invoke.Process == 0 {
			before, after = .2, .2
		}
		records = append(records, record{float64(done) - before, invoke})
		complete.Type = history.OK
		if invoke.Process > 0 && rng.IntN(5) == 0 {
			complete.Type, complete.Value = history.Info, invoke.Value
		}
		records = append(records, record{float64(done) + after, complete})
		done++
	}
	slices.SortStableFunc(records, func(a, b record) int { return cmp.Compare(a.at, b.at) })
	h := new(history.History)
	for i, r := range records {
		r.op.Index = i
		h.Ops = append(h.Ops, r.op)
	}
	return h
}

// FuzzEvidence tries bytes as evidence about a history that is linearizable:
// none may be confirmed as a violation, and nothing may break.
func FuzzEvidence(f *testing.F) {
	for i, c := range certificates {
		f.Add(uint8(i), []byte(c.evidence))
		for _, e := range c.refused {
			f.Add(uint8(i), []byte(e))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, evidence []byte) {
		kind := tiny[int(which)%len(tiny)]
		rng := rand.New(rand.NewPCG(9, uint64(which)))
		h := stretched(t, rng, parse(t, kind.ops), kind.parameters, 8)
		if json.Valid(evidence) && verifyClaim(t, h, kind.parameters, "invalid", json.RawMessage(evidence)) == nil {
			t.Fatalf("%s was confirmed\n%s", evidence, show(h))
		}
	})
}
