package session_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// d is a delete: a write of what nobody reads.
func d(process, key int) tiny { return w(process, key, 0) }

// haunted are histories that are wrong by reads of nothing alone, with the
// guarantees that find it.
var haunted = []struct {
	name  string
	what  string
	ops   []tiny
	under []session.Guarantee
}{
	{session.ResurrectedRead, "in one session", []tiny{w(0, 0, 1), d(1, 0), r(2, 0, 1), r(2, 0, 0), r(2, 0, 1)},
		[]session.Guarantee{session.MonotonicReads, session.PRAM, session.CausalConvergent, session.CausalMemory, session.Sequential}},
	{session.ResurrectedRead, "after its own write", []tiny{d(1, 0), w(0, 0, 1), r(0, 0, 0), r(0, 0, 1)},
		[]session.Guarantee{session.PRAM, session.CausalConvergent, session.CausalMemory, session.Sequential}},
	{session.ResurrectedRead, "by others, who have heard of it", []tiny{w(0, 0, 1), d(1, 0), r(2, 0, 1), r(2, 0, 0), w(2, 1, 2), r(3, 1, 2), r(3, 0, 1)},
		[]session.Guarantee{session.CausalConvergent, session.Sequential}},
	{session.ResurrectedRead, "by word of a write of unknown outcome",
		[]tiny{w(0, 0, 1), d(1, 0), r(2, 0, 1), r(2, 0, 0), {process: 2, typ: history.Info, write: true, key: 1, value: 2}, r(3, 1, 2), r(3, 0, 1)},
		[]session.Guarantee{session.CausalConvergent, session.Sequential}},
	{session.WriteCOInitRead, "the only delete was overwritten", []tiny{d(0, 0), w(0, 0, 1), w(0, 1, 2), r(1, 1, 2), r(1, 0, 0)},
		[]session.Guarantee{session.Causal, session.CausalConvergent, session.CausalMemory, session.Sequential}},
	{"", "the delete may have come late", []tiny{d(0, 0), w(1, 0, 1), w(1, 1, 2), r(2, 1, 2), r(2, 0, 0)}, nil},
	{"", "by others, who have not heard of it", []tiny{w(0, 0, 1), d(1, 0), r(2, 0, 1), r(2, 0, 0), r(3, 0, 1)}, nil},
	{"", "written again", []tiny{w(0, 0, 1), d(1, 0), r(2, 0, 1), r(2, 0, 0), w(0, 0, 2), r(2, 0, 2)}, nil},
}

// deleting makes deletes of writes of nothing.
func deleting(h *history.History) *history.History {
	for i, op := range h.Ops {
		if op.F == "write" && op.Value.IsNil() {
			h.Ops[i].F = "delete"
		}
	}
	return h
}

// What reads of nothing show is found, under its name, and by guarantees that say
// so only.
func TestHaunted(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(15, 16))
	for round := range 5 {
		valid := store(40+round, round%2 == 0)
		for _, c := range haunted {
			bad := deleting(among(rng, valid, c.ops))
			for g := session.ReadYourWrites; g <= session.Sequential; g++ {
				res := judge(t, bad, session.Options{Guarantee: g})
				if wrong := slices.Contains(c.under, g); wrong != (res.Verdict == checkers.Invalid) {
					t.Fatalf("%s for %v: %v %s %+v", c.what, g, res.Verdict, res.Reason, res.Anomalies)
				} else if wrong && (len(res.Anomalies) != 1 || res.Anomalies[0].Name != c.name) {
					t.Fatalf("%s for %v: %+v", c.what, g, res.Anomalies)
				} else if wrong {
					tamperHaunted(t, valid, bad, g)
				}
			}
		}
	}
}

// tamperHaunted corrupts the certificate for what a read of nothing shows.
func tamperHaunted(t *testing.T, valid, bad *history.History, g session.Guarantee) {
	t.Helper()
	raw := string(claim(t, judge(t, bad, session.Options{Guarantee: g})))
	refused(t, valid, raw, "of another history")
	refused(t, bad, strings.Replace(raw, `"invalid"`, `"ok"`, 1), "as ok")
	for _, weak := range []session.Guarantee{session.ReadYourWrites, session.WritesFollowReads} {
		refused(t, bad, strings.Replace(raw, `"guarantee":"`+g.String(), `"guarantee":"`+weak.String(), 1), "for another guarantee")
	}
	from := strings.Index(raw, `"path":[`)
	if from < 0 {
		refused(t, bad, strings.Replace(raw, `"read":`, `"read":1`, 1), "of another read")
		return
	}
	from += len(`"path":[`)
	path := raw[from : from+strings.Index(raw[from:], "]")]
	steps := strings.Split(path, ",")
	put := func(steps []string) string { return strings.Replace(raw, path, strings.Join(steps, ","), 1) }
	refused(t, bad, put(steps[1:]), "without its beginning")
	refused(t, bad, put(steps[:len(steps)-1]), "without its end")
	refused(t, bad, put(append(slices.Clone(steps), steps[0])), "round in a circle")
	slices.Reverse(steps)
	refused(t, bad, put(steps), "the other way round")
}
