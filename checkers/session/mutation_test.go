package session_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

func w(process, key, value int) tiny {
	return tiny{process: process, typ: history.OK, write: true, key: key, value: value}
}

func r(process, key, value int) tiny {
	return tiny{process: process, typ: history.OK, key: key, value: value}
}

// corruptions are the fewest operations that show an anomaly, with guarantees that
// find it under its name.
var corruptions = []struct {
	name  string
	ops   []tiny
	under []session.Guarantee
}{
	{session.ThinAirRead, []tiny{r(0, 0, 99)}, []session.Guarantee{session.ReadYourWrites, session.PRAM, session.Sequential}},
	{session.AbortedRead, []tiny{{process: 0, typ: history.Fail, write: true, value: 1}, r(1, 0, 1)}, []session.Guarantee{session.MonotonicReads, session.CausalMemory}},
	{"read-your-writes", []tiny{w(0, 0, 1), w(0, 0, 2), r(0, 0, 1)}, []session.Guarantee{session.ReadYourWrites, session.PRAM}},
	{"read-your-writes", []tiny{w(0, 0, 1), r(0, 0, 0)}, []session.Guarantee{session.ReadYourWrites, session.PRAM}},
	{"monotonic-reads", []tiny{w(0, 0, 1), w(1, 0, 2), r(2, 0, 1), r(2, 0, 2), r(2, 0, 1)}, []session.Guarantee{session.MonotonicReads, session.PRAM}},
	{"monotonic-writes", []tiny{w(0, 0, 1), w(0, 0, 2), w(0, 1, 3), r(1, 1, 3), r(1, 0, 1)}, []session.Guarantee{session.MonotonicWrites, session.PRAM}},
	{"writes-follow-reads", []tiny{w(0, 0, 1), r(1, 0, 1), w(1, 0, 2), r(2, 0, 2), w(2, 1, 3), r(3, 1, 3), r(3, 0, 1)}, []session.Guarantee{session.WritesFollowReads}},
	{"writes-follow-reads", []tiny{w(0, 0, 1), r(1, 0, 1), w(1, 1, 2), r(2, 1, 2), r(2, 0, 0)}, []session.Guarantee{session.WritesFollowReads}},
	{session.WriteHBInitRead, []tiny{w(0, 1, 10), w(0, 0, 11), w(0, 2, 12), w(1, 0, 21), r(2, 0, 21), r(2, 1, 0), r(2, 2, 12), r(2, 0, 21)},
		[]session.Guarantee{session.PRAM, session.CausalMemory}},
	{session.CyclicHB, []tiny{w(0, 1, 30), w(0, 1, 10), w(0, 0, 11), w(0, 2, 12), w(1, 0, 21), r(2, 0, 21), r(2, 1, 30), r(2, 2, 12), r(2, 0, 21)},
		[]session.Guarantee{session.PRAM, session.CausalMemory}},
	{session.CyclicCO, []tiny{r(0, 0, 1), w(0, 1, 2), r(1, 1, 2), w(1, 0, 1)}, []session.Guarantee{session.Causal, session.CausalConvergent, session.CausalMemory, session.Sequential}},
	{session.WriteCOInitRead, []tiny{w(0, 0, 1), w(0, 1, 2), r(1, 1, 2), r(1, 0, 0)}, []session.Guarantee{session.Causal, session.CausalConvergent, session.CausalMemory, session.Sequential}},
	{session.WriteCORead, []tiny{w(0, 0, 1), w(0, 0, 2), w(0, 1, 3), r(1, 1, 3), r(1, 0, 1)}, []session.Guarantee{session.Causal, session.CausalConvergent, session.CausalMemory, session.Sequential}},
	{session.CyclicCF, []tiny{w(0, 0, 1), w(1, 0, 2), r(2, 0, 1), r(2, 0, 2), r(3, 0, 2), r(3, 0, 1)}, []session.Guarantee{session.CausalConvergent, session.Sequential}},
	{session.CyclicSC, []tiny{w(0, 0, 1), r(0, 1, 0), w(1, 1, 2), r(1, 0, 0)}, []session.Guarantee{session.Sequential}},
}

// among puts operations, on keys and by processes of their own, into a history at
// random places, in their order.
func among(rng *rand.Rand, h *history.History, ops []tiny) *history.History {
	moved := slices.Clone(ops)
	for i := range moved {
		moved[i].process += 5000
		moved[i].key += 1000
	}
	all := slices.Clone(h.Ops)
	at := 0
	for extra := record(moved, session.Hidden).Ops; len(extra) > 0; extra = extra[2:] {
		at += rng.IntN(len(all) - at + 1)
		all = slices.Insert(all, at, extra[:2]...)
		at += 2
	}
	for i := range all {
		all[i].Index, all[i].Time = i, int64(i)*1e6
	}
	return &history.History{Ops: all}
}

// Each anomaly is found in a valid history that was corrupted with it, by all
// guarantees that brute force says are broken, and no others.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 5 {
		valid := store(40+round, round%2 == 0)
		for g := session.ReadYourWrites; g <= session.Sequential; g++ {
			if res := judge(t, valid, session.Options{Guarantee: g}); res.Verdict != checkers.OK {
				t.Fatalf("valid: %v: %v %s %v", g, res.Verdict, res.Reason, res.Anomalies)
			}
		}
		for _, c := range corruptions {
			bad := among(rng, valid, c.ops)
			for g := session.ReadYourWrites; g <= session.Sequential; g++ {
				res := judge(t, bad, session.Options{Guarantee: g})
				if want := brute(c.ops, session.Hidden, g); want != (res.Verdict == checkers.OK) {
					t.Fatalf("%s for %v: %v %+v", c.name, g, res.Verdict, res.Anomalies)
				}
				if !slices.Contains(c.under, g) {
					continue
				}
				if res.Verdict != checkers.Invalid || len(res.Anomalies) != 1 || res.Anomalies[0].Name != c.name {
					t.Fatalf("%s for %v: %v %+v", c.name, g, res.Verdict, res.Anomalies)
				}
				minimal(t, bad, res.Anomalies[0], g)
			}
		}
	}
}

// minimal sees that the operations of an anomaly show it alone, and that with any
// of them gone they do not.
func minimal(t *testing.T, h *history.History, a checkers.Anomaly, g session.Guarantee) {
	t.Helper()
	for _, drop := range append([]int{-1}, a.Ops...) {
		part := new(history.History)
		begun := map[history.Process]int{}
		for _, op := range h.Ops {
			if op.Type == history.Invoke {
				begun[op.Process] = op.Index
			}
			if at := begun[op.Process]; at != drop && slices.Contains(a.Ops, at) {
				part.Ops = append(part.Ops, op)
			}
		}
		res := session.New(session.Options{Guarantee: g}).Check(t.Context(), part)
		shows := slices.ContainsFunc(res.Anomalies, func(b checkers.Anomaly) bool { return b.Name == a.Name })
		if shows != (drop < 0) {
			t.Fatalf("%s %v without %d: %v %+v", a.Name, a.Ops, drop, res.Verdict, res.Anomalies)
		}
	}
}

// Certificates that were tampered with are refused.
func TestCorruptCertificates(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	always := store(400, false)
	for g := session.ReadYourWrites; g <= session.Sequential; g++ {
		valid := always
		if g == session.PRAM || g == session.CausalMemory {
			buffers := corruptions[len(corruptions)-1] // so that there is no order for all
			valid = among(rng, valid, buffers.ops)
		}
		raw := string(claim(t, judge(t, valid, session.Options{Guarantee: g})))
		at := strings.Index(raw, `"order":[`) + len(`"order":[`)
		order := raw[at : at+strings.Index(raw[at:], "]")]
		ids := strings.Split(order, ",")
		put := func(list []string) string { return strings.Replace(raw, order, strings.Join(list, ","), 1) }
		refused(t, valid, put(ids[1:]), g.String()+": one is missing")
		refused(t, valid, put(append(slices.Clone(ids), ids[0])), g.String()+": one is there twice")
		refused(t, valid, put(append(slices.Clone(ids), "1")), g.String()+": a completion")
		refused(t, valid, strings.Replace(raw, `"ok"`, `"invalid"`, 1), g.String()+": another verdict")
		slices.Reverse(ids)
		refused(t, valid, put(ids), g.String()+": the other way round")
		if g == session.PRAM || g == session.CausalMemory {
			refused(t, valid, strings.Replace(raw, `{"session"`, `{"sessions"`, 1), "another field")
			first := raw[strings.Index(raw, `{"session"`) : strings.Index(raw, "]}")+3]
			refused(t, valid, strings.Replace(raw, first, "", 1), "without a session")
		}
	}
	for _, c := range corruptions {
		bad := among(rng, always, c.ops)
		for _, g := range c.under {
			tamper(t, always, bad, g, c.name)
		}
	}
}

// tamper corrupts the certificate for an anomaly in many ways.
func tamper(t *testing.T, valid, bad *history.History, g session.Guarantee, name string) {
	t.Helper()
	raw := string(claim(t, judge(t, bad, session.Options{Guarantee: g})))
	refused(t, valid, raw, name+" of another history")
	refused(t, bad, strings.Replace(raw, `"invalid"`, `"ok"`, 1), name+" as ok")
	var whole struct {
		Definition string            `json:"definition"`
		Verdict    string            `json:"verdict"`
		Parameters map[string]string `json:"parameters"`
		Evidence   map[string]any    `json:"evidence"`
	}
	if err := json.Unmarshal([]byte(raw), &whole); err != nil {
		t.Fatal(err)
	}
	try := func(field string, value any, what string) {
		t.Helper()
		was, had := whole.Evidence[field]
		whole.Evidence[field] = value
		other, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		if whole.Evidence[field] = was; !had {
			delete(whole.Evidence, field)
		}
		refused(t, bad, string(other), name+" "+what)
	}
	if whole.Evidence["anomaly"] != nil {
		try("anomaly", "OtherRead", "under another name")
		return
	}
	forced, _ := whole.Evidence["forced"].([]any)
	cycle, _ := whole.Evidence["cycle"].([]any)
	for i := range forced {
		try("forced", slices.Delete(slices.Clone(forced), i, i+1), "without a step")
		rule := forced[i].(map[string]any)
		path := rule["path"].([]any)
		if len(path) > 1 {
			rule["path"] = path[1:]
			try("forced", forced, "without a part of a path")
			rule["path"] = path
		}
		rule["from"], rule["to"] = rule["to"], rule["from"]
		try("forced", forced, "the other way round")
		rule["from"], rule["to"] = rule["to"], rule["from"]
	}
	if len(cycle) > 2 || len(cycle) > 0 && len(forced) > 0 {
		try("cycle", []any{}, "without a circle")
		reversed := slices.Clone(cycle)
		if slices.Reverse(reversed); len(cycle) > 2 {
			try("cycle", reversed, "in the wrong direction")
		}
	}
	whole.Parameters["guarantee"] = "monotonic-reads"
	if g != session.MonotonicReads && name != "monotonic-reads" {
		try("session", whole.Evidence["session"], "for another guarantee")
	}
}

func refused(t *testing.T, h *history.History, raw, what string) {
	t.Helper()
	if _, err := verify.Claim(h, []byte(raw)); err == nil {
		t.Fatalf("confirmed: %s\n%s\n%v", what, raw, h.Ops)
	}
}

// No order is accepted for a history that brute force says is invalid, and no
// proof that was found for one history is accepted for another one that is valid.
func TestNothingProvesWhatIsFalse(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 10))
	n := 4000
	if testing.Short() {
		n = 400
	}
	proofs := map[session.Guarantee][]string{}
	tried := 0
	for i := range n {
		ops := random(rng, 5)
		h := record(ops, session.Hidden)
		g := session.Guarantee(i % 9)
		res := session.New(session.Options{Guarantee: g}).Check(t.Context(), h)
		switch {
		case res.Verdict == checkers.Invalid:
			if raw := claim(t, res); raw != nil {
				proofs[g] = append(proofs[g], string(raw))
			}
			tried += allOrders(t, h, ops, g)
		case brute(ops, session.Hidden, g) && len(proofs[g]) > 0:
			for range 10 {
				refused(t, h, proofs[g][rng.IntN(len(proofs[g]))], "a proof for another history")
			}
		}
	}
	if tried < n {
		t.Errorf("only %d orders", tried)
	}
}

// allOrders tries every order of every part of the operations, for all and for
// each session.
func allOrders(t *testing.T, h *history.History, ops []tiny, g session.Guarantee) (tried int) {
	sessions := map[int]int{}
	for i, o := range ops {
		if _, ok := sessions[o.process]; !ok && o.typ == history.OK {
			sessions[o.process] = 2 * i
		}
	}
	claims := func(evidence any) []byte {
		raw, err := json.Marshal(checkers.Claim{Definition: session.Definition, Parameters: map[string]string{"guarantee": g.String(), "versions": "hidden"}, Evidence: evidence})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	type view struct {
		Session int   `json:"session"`
		Order   []int `json:"order"`
	}
	good := map[int]view{} // orders that are accepted for one session
	var try func(order []int)
	try = func(order []int) {
		tried++
		refused(t, h, string(claims(map[string]any{"order": order})), "an order of an invalid history")
		for p, s := range sessions {
			views := []view{{s, order}}
			_, err := verify.Claim(h, claims(map[string]any{"views": views}))
			if err == nil || strings.Contains(err.Error(), "there is no order of the session") {
				good[p] = view{s, order}
			}
		}
		for i := range ops {
			if !slices.Contains(order, 2*i) {
				try(append(slices.Clone(order), 2*i))
			}
		}
	}
	try([]int{})
	if len(good) == len(sessions) && len(good) > 0 {
		t.Fatalf("%v: every session has an order that is accepted: %v\n%+v", g, good, ops)
	}
	return tried
}
