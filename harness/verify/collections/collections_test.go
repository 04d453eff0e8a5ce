package collections_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// sketch makes a history of lines like "0 invoke add 1", whose value is EDN. A "!"
// after the type makes the record final.
func sketch(t *testing.T, text string) *history.History {
	t.Helper()
	var b strings.Builder
	n := 0
	for line := range strings.SplitSeq(text, ";") {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if fields[0] == "nemesis" {
			fields[0] = ":nemesis"
		}
		typ, final := strings.CutSuffix(fields[1], "!")
		fmt.Fprintf(&b, "{:index %d :time %d :process %s :type :%s :f :%s :value %s :final %v}\n", n, n, fields[0], typ, fields[2], fields[3], final)
		n++
	}
	h, err := history.Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return h
}

// one is a history that shows an anomaly, with the operations that do.
type one struct {
	definition, parameters, anomaly string
	ops                             []int
	history                         string
}

var findings = []one{
	{"set-full", "", "lost", []int{0, 2}, "0 invoke add 1; 0 ok add 1; 1 invoke read nil; 1 ok read []"},
	{"set-full", "", "lost", []int{0, 1, 3}, "0 invoke add 1; 1 invoke read nil; 1 ok read [1]; 1 invoke read nil; 1 ok read []"},
	{"set-full", `"linearizable":"true"`, "stale-read", []int{0, 2, 4},
		"0 invoke add 1; 0 ok add 1; 1 invoke read nil; 1 ok read []; 1 invoke read nil; 1 ok read [1]"},
	{"set-full", "", "stale-read", []int{0, 2, 4}, "0 invoke add 1; 0 ok add 1; 1 invoke! read nil; 1 ok! read []; 1 invoke read nil; 1 ok read [1]"},
	{"set-full", "", "duplicate", []int{0, 2}, "0 invoke add 1; 0 ok add 1; 1 invoke read nil; 1 ok read [1 1]"},
	{"set-full", "", "dirty-read", []int{0, 2}, "0 invoke add 1; 0 fail add 1; 1 invoke read nil; 1 ok read [1]"},
	{"set-full", "", "unexpected", []int{0}, "0 invoke read nil; 0 ok read [1]; 0 invoke add 1; 0 ok add 1"},
	{"set", "", "lost", []int{0, 2}, "0 invoke add 1; 0 ok add 1; 1 invoke read nil; 1 ok read #{}"},
	{"set", "", "lost", []int{0, 2}, "1 invoke read nil; 1 ok read #{}; 0 invoke add 1; 0 ok add 1"},
	{"unique-ids", "", "duplicate", []int{0, 2}, "0 invoke generate nil; 0 ok generate 7; 1 invoke generate nil; 1 ok generate 7"},
	{"total-queue", "", "lost", []int{0}, "0 invoke enqueue 1; 0 ok enqueue 1"},
	{"total-queue", `"at-most-once":"true"`, "lost", []int{0}, "0 invoke enqueue 1; 0 ok enqueue 1"},
	{"total-queue", "", "unexpected", []int{0}, "0 invoke dequeue nil; 0 ok dequeue 1"},
	{"total-queue", "", "aborted-dequeue", []int{0, 2}, "0 invoke enqueue 1; 0 fail enqueue 1; 0 invoke dequeue nil; 0 ok dequeue 1"},
	{"total-queue", "", "premature-dequeue", []int{0, 2}, "0 invoke dequeue nil; 0 ok dequeue 1; 0 invoke enqueue 1; 0 ok enqueue 1"},
	{"total-queue", `"exactly-once":"true"`, "duplicated", []int{0, 2}, "0 invoke enqueue 1; 0 ok enqueue 1; 0 invoke drain nil; 0 ok drain [1 1]"},
	{"queue", "", "duplicated", []int{0, 2, 4},
		"0 invoke enqueue 1; 0 ok enqueue 1; 0 invoke dequeue nil; 0 ok dequeue 1; 0 invoke dequeue nil; 0 ok dequeue 1"},
	{"queue", "", "premature-dequeue", []int{4, 6},
		"0 invoke enqueue 1; 0 ok enqueue 1; 0 invoke dequeue nil; 0 ok dequeue 1; 0 invoke dequeue nil; 0 ok dequeue 1; 0 invoke enqueue 1; 0 ok enqueue 1"},
	{"bank", `"total-amount":"4"`, "wrong-total", []int{0}, "0 invoke read nil; 0 ok read {a 1, b 2}"},
	{"bank", "", "wrong-total", []int{0, 2}, "0 invoke read nil; 0 ok read {a 1, b 2}; 0 invoke read nil; 0 ok read {a 1, b 3}"},
	{"bank", "", "negative-value", []int{0}, "0 invoke read nil; 0 ok read {a -1, b 2}"},
	{"bank", "", "nil-balance", []int{0}, "0 invoke read nil; 0 ok read {a nil, b 2}"},
	{"bank", `"accounts":"[\"a\"]"`, "unexpected-key", []int{0}, "0 invoke read nil; 0 ok read {:a 1, :b 2}"},
	{"bank", `"accounts":"[\"a\",\"b\"]"`, "missing-key", []int{0}, "0 invoke read nil; 0 ok read {:a 1}"},
	{"counter", "", "undercount", []int{2}, "0 invoke add 2; 0 ok add 2; 1 invoke read nil; 1 ok read 1"},
	{"counter", "", "overcount", []int{2}, "0 invoke add 2; 0 ok add 2; 1 invoke read nil; 1 ok read 3"},
	{"counter", "", "overcount", []int{2}, "0 invoke increment nil; 0 fail increment nil; 1 invoke read nil; 1 ok read 1"},
	{"pn-counter", "", "undercount", []int{2}, "0 invoke add 2; 0 ok add 2; 1 invoke! read nil; 1 ok! read 1"},
	{"pn-counter", "", "impossible", []int{2}, "0 invoke add 2; 2 invoke add -3; 1 invoke! read nil; 1 ok! read 1"},
	{"long-fork", "", "long-fork", []int{4, 6},
		"0 invoke w [[:w 0 1]]; 0 ok w [[:w 0 1]]; 1 invoke w [[:w 1 1]]; 1 ok w [[:w 1 1]]; " +
			"0 invoke r nil; 0 ok r [[:r 0 1] [:r 1 nil]]; 0 invoke r nil; 0 ok r [[:r 1 1] [:r 0 nil]]"},
	{"long-fork", `"group-size":"2"`, "aborted-read", []int{0, 2}, "0 invoke w [[:w 0 1]]; 0 fail w [[:w 0 1]]; 0 invoke r nil; 0 ok r [[:r 0 1] [:r 1 nil]]"},
	{"long-fork", "", "unexpected", []int{2}, "0 invoke w [[:w 0 1]]; 0 ok w [[:w 0 1]]; 0 invoke r nil; 0 ok r [[:r 0 2]]"},
	{"causal-reverse", "", "causal-reverse", []int{0, 2, 4},
		"0 invoke write 1; 0 ok write 1; 0 invoke write 2; 0 ok write 2; 0 invoke read nil; 0 ok read [2]"},
	{"causal-reverse", "", "aborted-read", []int{0, 2}, "0 invoke write 1; 0 fail write 1; 0 invoke read nil; 0 ok read [1]"},
	{"causal-reverse", "", "unexpected", []int{0}, "0 invoke read nil; 0 ok read [1]"},
	{"monotonic", "", "value-reorder", []int{0}, "0 invoke read nil; 0 ok read [{:val 2 :sts 1} {:val 1 :sts 2}]"},
	{"monotonic", `"per-client":"true"`, "value-reorder", []int{0}, "0 invoke read nil; 0 ok read [[2 1 7] [3 1 8] [1 2 7]]"},
	{"monotonic", "", "order-by-error", []int{0}, "0 invoke read nil; 0 ok read [{:val 1 :sts 2.5} {:val 2 :sts 1M}]"},
	{"monotonic", "", "duplicate", []int{0}, "0 invoke read nil; 0 ok read [1 1]"},
	{"monotonic", "", "revived", []int{0, 2}, "0 invoke add 1; 0 fail add 1; 0 invoke read nil; 0 ok read [1]"},
	{"monotonic", "", "lost", []int{0, 2}, "0 invoke add nil; 0 ok add 1; 0 invoke read nil; 0 ok read []"},
	{"converge", "", "divergence", []int{0, 2}, "0 invoke! read nil; 0 ok! read [1 2]; 1 invoke! read nil; 1 ok! read [2 1]"},
	{"converge", `"unordered":"true"`, "divergence", []int{0, 2}, "0 invoke! read nil; 0 ok! read [1 2]; 1 invoke! read nil; 1 ok! read [2 1 3]"},
	{"converge", "", "divergence", []int{0}, "nemesis info replicas {n1 {s0 1, s1 1}, n2 {s0 1, s1 2}}; 0 invoke read nil; 0 ok read 1"},
	{"causal-writes", "", "lost-causal-write", []int{0, 2, 4}, "0 invoke write 1; 0 ok write 1; 0 invoke write 2; 0 ok write 2; 1 invoke! read nil; 1 ok! read 1"},
	{"causal-writes", "", "lost-causal-write", []int{0, 4, 6},
		"0 invoke write 1; 0 info write 1; 1 invoke read nil; 1 ok read 1; 1 invoke cas [1 2]; 1 ok cas [1 2]; 1 invoke! read nil; 1 ok! read 1"},
	{"causal-writes", "", "lost-causal-write", []int{0, 2}, "0 invoke write 1; 0 ok write 1; 1 invoke! read nil; 1 ok! read nil"},
	{"causal-writes", "", "dirty-read", []int{0, 2}, "0 invoke write 1; 0 fail write 1; 1 invoke! read nil; 1 ok! read 1"},
	{"causal-writes", "", "thin-air-read", []int{0}, "1 invoke! read nil; 1 ok! read 1"},
	{"monotonic", `"realtime":"true"`, "realtime-reorder", []int{0, 2}, "0 invoke add 2; 0 ok add 2; 0 invoke add 1; 0 ok add 1"},
}

// claims writes a claim down.
func claims(definition, parameters, verdict, anomaly string, ops []int) []byte {
	evidence := ""
	if anomaly != "" {
		evidence = fmt.Sprintf(`,"evidence":{"anomaly":%q,"ops":[%s]}`, anomaly, strings.Trim(strings.ReplaceAll(fmt.Sprint(ops), " ", ","), "[]"))
	}
	return fmt.Appendf(nil, `{"definition":%q,"parameters":{%s},"verdict":%q%s}`, definition, parameters, verdict, evidence)
}

// TestFindings has every anomaly of objects confirmed, and refused as soon as
// anything about it is changed: the verdict, the name of the anomaly, or the
// operations.
func TestFindings(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range findings {
		names[f.anomaly] = true
	}
	for _, f := range findings {
		h := sketch(t, f.history)
		if _, err := verify.Claim(h, claims(f.definition, f.parameters, "invalid", f.anomaly, f.ops)); err != nil {
			t.Errorf("%+v: %v", f, err)
			continue
		}
		refuse := func(verdict, parameters, anomaly string, ops []int) {
			t.Helper()
			claim := claims(f.definition, parameters, verdict, anomaly, ops)
			if _, err := verify.Claim(h, claim); err == nil {
				t.Errorf("%s: %s was confirmed", f.history, claim)
			}
		}
		refuse("ok", f.parameters, "", nil)
		refuse("ok", f.parameters, f.anomaly, f.ops)
		refuse("unknown", f.parameters, f.anomaly, f.ops)
		refuse("invalid", f.parameters, "", nil)
		refuse("invalid", `"no-such":"true"`, f.anomaly, f.ops)
		refuse("invalid", f.parameters, f.anomaly, nil)
		for name := range names {
			if name != f.anomaly {
				refuse("invalid", f.parameters, name, f.ops)
			}
		}
		for i := range f.ops {
			refuse("invalid", f.parameters, f.anomaly, slices.Delete(slices.Clone(f.ops), i, i+1))
			refuse("invalid", f.parameters, f.anomaly, slices.Insert(slices.Clone(f.ops), i, f.ops[i]))
			for _, op := range []int{-1, 1, len(h.Ops), 1 << 40} {
				changed := slices.Clone(f.ops)
				if changed[i] = op; slices.Equal(changed, f.ops) {
					continue
				}
				refuse("invalid", f.parameters, f.anomaly, changed)
			}
			if i > 0 {
				swapped := slices.Clone(f.ops)
				swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
				refuse("invalid", f.parameters, f.anomaly, swapped)
			}
		}
	}
}

// TestNothingWrong has histories confirmed as ok that are close to those above, and
// no anomaly that is not there.
func TestNothingWrong(t *testing.T) {
	t.Parallel()
	for _, f := range []one{
		{"set-full", "", "lost", []int{0, 2}, "0 invoke add 1; 0 ok add 1; 1 invoke read nil; 1 ok read [1]"},
		{"set-full", "", "stale-read", []int{0, 2, 4}, "0 invoke add 1; 0 ok add 1; 1 invoke read nil; 1 ok read []; 1 invoke read nil; 1 ok read [1]"},
		{"set-full", "", "dirty-read", []int{0, 2}, "0 invoke add 1; 0 fail add 1; 1 invoke add 1; 1 info add 1; 2 invoke read nil; 2 ok read [1]"},
		{"set", "", "lost", []int{0, 1}, "0 invoke add 1; 1 invoke read nil; 1 ok read #{}"},
		{"unique-ids", "", "duplicate", []int{0, 2}, "0 invoke generate nil; 0 ok generate 7; 1 invoke generate nil; 1 ok generate \"7\""},
		{"total-queue", `"at-most-once":"true"`, "lost", []int{0}, "0 invoke enqueue 1; 0 ok enqueue 1; 1 invoke dequeue nil"},
		{"total-queue", "", "duplicated", []int{0, 2}, "0 invoke enqueue 1; 0 ok enqueue 1; 0 invoke drain nil; 0 ok drain [1 1]"},
		{"queue", "", "lost", []int{0}, "0 invoke enqueue 1; 0 ok enqueue 1; 0 invoke enqueue 2; 1 invoke dequeue nil; 1 ok dequeue 2"},
		{"bank", `"negative-balances":"true"`, "negative-value", []int{0}, "0 invoke read nil; 0 ok read {a -1, b 2}"},
		{"counter", "", "undercount", []int{2}, "0 invoke add 2; 0 ok add 2; 1 invoke read nil; 2 invoke decrement 1; 1 ok read 1"},
		{"pn-counter", "", "impossible", []int{2}, "0 invoke add 2; 2 invoke add -3; 1 invoke! read nil; 1 ok! read -1"},
		{"pn-counter", "", "undercount", []int{2}, "0 invoke add 2; 0 ok add 2; 1 invoke read nil; 1 ok read 0; 1 invoke! read nil; 1 ok! read 2"},
		{"long-fork", "", "long-fork", []int{0, 2}, "0 invoke r nil; 0 ok r [[:r 0 1] [:r 1 nil]]; 0 invoke r nil; 0 ok r [[:r 1 nil] [:r 0 nil]]"},
		{"long-fork", "", "long-fork", []int{0, 2},
			"0 invoke r nil; 0 ok r [[:r 0 1] [:r 1 nil]]; 0 invoke t [[:w 0 1]]; 0 ok t [[:r 1 1] [:r 0 nil] [:w 0 1]]; 1 invoke w [[:w 1 1]]"},
		{"causal-reverse", "", "causal-reverse", []int{0, 1, 4}, "0 invoke write 1; 1 invoke write 2; 0 ok write 1; 1 ok write 2; 0 invoke read nil; 0 ok read [2]"},
		{"monotonic", `"per-client":"true"`, "value-reorder", []int{0}, "0 invoke read nil; 0 ok read [[2 1 7] [1 2 8]]"},
		{"converge", `"unordered":"true"`, "divergence", []int{0, 2}, "0 invoke! read nil; 0 ok! read [1 2]; 1 invoke! read nil; 1 ok! read [2 1 1]"},
		{"causal-writes", "", "lost-causal-write", []int{0, 2, 4}, "0 invoke write 1; 0 ok write 1; 1 invoke write 2; 1 ok write 2; 2 invoke! read nil; 2 ok! read 1"},
		{"causal-writes", "", "lost-causal-write", []int{0, 2}, "0 invoke delete nil; 0 ok delete nil; 1 invoke! read nil; 1 ok! read nil"},
	} {
		h := sketch(t, f.history)
		if _, err := verify.Claim(h, claims(f.definition, f.parameters, "ok", "", nil)); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
		if _, err := verify.Claim(h, claims(f.definition, f.parameters, "invalid", f.anomaly, f.ops)); err == nil {
			t.Errorf("%+v was confirmed", f)
		}
	}
}

// TestNothingToJudge refuses an ok for histories that show nothing, and for those in
// which somebody recorded what makes no sense.
func TestNothingToJudge(t *testing.T) {
	t.Parallel()
	for definition, histories := range map[string][]string{
		"set-full":       {"0 invoke add 1; 0 ok add 1", "0 invoke add 1; 1 invoke read nil; 1 ok read []", "0 invoke add 1; 1 invoke read nil; 1 ok read 1"},
		"set":            {"0 invoke add 1; 0 ok add 1", "0 invoke read nil; 0 ok read {1 2}"},
		"unique-ids":     {"0 invoke generate nil; 0 info generate nil"},
		"total-queue":    {"0 invoke enqueue 1; 0 info enqueue 1", "0 invoke drain nil; 0 ok drain 7"},
		"queue":          {"0 invoke enqueue 1; 0 ok enqueue 1"},
		"bank":           {"0 invoke transfer nil; 0 ok transfer nil", "0 invoke read nil; 0 ok read 7", "0 invoke read nil; 0 ok read {a 1.5}", "0 invoke read nil; 0 ok read {a 9223372036854775807 b 1}"},
		"counter":        {"0 invoke add 1; 0 ok add 1", "0 invoke add x; 1 invoke read nil; 1 ok read 0", "1 invoke read nil; 1 ok read 1.5"},
		"pn-counter":     {"0 invoke read nil; 0 ok read 0"},
		"long-fork":      {"0 invoke w [[:w 0 1]]; 0 ok w [[:w 0 1]]", "0 invoke r [[:r 0 nil]]; 0 ok r [[:x 0 1]]", "0 invoke w [[:w 0 1]]; 1 invoke w [[:w 0 2]]; 2 invoke r nil; 2 ok r [[:r 1 nil]]"},
		"causal-reverse": {"0 invoke write 1; 0 ok write 1", "0 invoke read 1; 0 ok read 1"},
		"converge":       {"0 invoke! read nil; 0 ok! read 1", "0 invoke read nil; 0 ok read 1; 0 invoke read nil; 0 ok read 1"},
		"causal-writes":  {"0 invoke write 1; 0 ok write 1", "1 invoke! read nil; 1 ok! read nil"},
		"monotonic":      {"0 invoke add 1; 0 ok add 1", "0 invoke read nil; 0 ok read 1", "0 invoke read nil; 0 ok read [{:sts 1}]"},
	} {
		for _, text := range histories {
			if _, err := verify.Claim(sketch(t, text), claims(definition, "", "ok", "", nil)); err == nil {
				t.Errorf("%s: %s is ok?", definition, text)
			}
		}
	}
}
