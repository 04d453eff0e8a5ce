package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// A level says which cycles it forbids, by three orders that their edges may
// come from: the data alone, the data and processes, the data and real time.
// What is forbidden in one is forbidden in those before it. Cycles without an rw
// are G0 and G1c; those with one are G-single-item, G-nonadjacent-item and
// G2-item: who forbids one forbids those before it.
type level struct {
	flow, anti [3]int8
	others     string // anomalies that are no cycles
	keeps      int8   // the order that evidence for it has to keep
	snapshot   bool   // snapshots are evidence enough
	order      bool   // dependencies are evidence enough
}

// The cycles that are forbidden, and the orders.
const (
	g0, g1c                  = 1, 2
	single, nonadjacent, g2  = 1, 2, 3
	byData, byProcess, rtime = 0, 1, 2
)

// What is forbidden besides cycles: at level 1, at level 2, and by models in which
// a transaction is atomic for itself; and by those that lose no update.
const (
	level1 = "duplicate-elements cyclic-versions"
	asG1   = " G1a G1b incompatible-order dirty-update thin-air-read future-read"
	level2 = level1 + asG1
	levelA = level2 + " internal"
	lostUp = " lost-update"
)

// levelOf has the models (Adya, 1999; Cerone, Bernardi and Gotsman, 2015; Daudjee
// and Salem, 2004 and 2006; Bailis et al., 2013).
var levelOf = map[string]level{
	"read-uncommitted":                  {flow: [3]int8{g0}, others: level1, snapshot: true, order: true},
	"read-committed":                    {flow: [3]int8{g1c}, others: level2, snapshot: true, order: true},
	"cursor-stability":                  {flow: [3]int8{g1c}, others: level2 + lostUp, snapshot: true, order: true},
	"monotonic-view":                    {flow: [3]int8{g1c}, others: level2, snapshot: true},
	"monotonic-snapshot-read":           {flow: [3]int8{g1c}, others: level2, snapshot: true},
	"monotonic-atomic-view":             {flow: [3]int8{g1c}, others: level2, snapshot: true},
	"read-atomic":                       {flow: [3]int8{g1c}, others: levelA, snapshot: true},
	"update-atomic":                     {flow: [3]int8{g1c}, others: levelA + lostUp, snapshot: true},
	"causal-cerone":                     {flow: [3]int8{g1c}, others: levelA, snapshot: true},
	"prefix":                            {flow: [3]int8{g1c}, others: levelA, snapshot: true},
	"parallel-snapshot-isolation":       {flow: [3]int8{g1c}, others: levelA + lostUp, snapshot: true},
	"consistent-view":                   {flow: [3]int8{g1c}, anti: [3]int8{single}, others: level2 + lostUp, snapshot: true},
	"forward-consistent-view":           {flow: [3]int8{g1c}, anti: [3]int8{single}, others: level2 + lostUp, snapshot: true},
	"update-serializable":               {flow: [3]int8{g1c}, anti: [3]int8{single}, others: level2 + lostUp},
	"repeatable-read":                   {flow: [3]int8{g1c}, anti: [3]int8{g2}, others: level2 + lostUp},
	"snapshot-isolation":                {flow: [3]int8{g1c}, anti: [3]int8{nonadjacent}, others: levelA + lostUp, snapshot: true},
	"serializable":                      {flow: [3]int8{g1c}, anti: [3]int8{g2}, others: levelA + lostUp},
	"view-serializable":                 {},
	"one-copy-serializable":             {},
	"session-serializable":              {keeps: byProcess},
	"strong-session-read-uncommitted":   {flow: [3]int8{g0, g0}, others: level1, keeps: byProcess, snapshot: true, order: true},
	"strong-session-read-committed":     {flow: [3]int8{g1c, g1c}, others: level2, keeps: byProcess, snapshot: true, order: true},
	"strong-session-snapshot-isolation": {flow: [3]int8{g1c, g1c}, anti: [3]int8{nonadjacent, nonadjacent}, others: levelA + lostUp, keeps: byProcess, snapshot: true},
	"strong-session-serializable":       {flow: [3]int8{g1c, g1c}, anti: [3]int8{g2, g2}, others: levelA + lostUp, keeps: byProcess},
	"strong-read-uncommitted":           {flow: [3]int8{g0, g0, g0}, others: level1, keeps: rtime, snapshot: true, order: true},
	"strong-read-committed":             {flow: [3]int8{g1c, g1c, g1c}, others: level2, keeps: rtime, snapshot: true, order: true},
	"strong-snapshot-isolation": {flow: [3]int8{g1c, g1c, g1c}, anti: [3]int8{nonadjacent, nonadjacent, nonadjacent},
		others: levelA + lostUp, keeps: rtime, snapshot: true},
	"strong-serializable": {flow: [3]int8{g1c, g1c, g1c}, anti: [3]int8{g2, g2, g2}, others: levelA + lostUp, keeps: rtime},
	"linearizable":        {keeps: rtime},
	"sequential":          {keeps: byProcess},
	"causal":              {keeps: byProcess},
	"PRAM":                {keeps: byProcess},
	"writes-follow-reads": {keeps: byProcess},
	"monotonic-reads":     {keeps: byProcess},
	"monotonic-writes":    {keeps: byProcess},
	"read-your-writes":    {keeps: byProcess},
}

// wanted returns what the parameters ask for.
func wanted(c *claim.Claim) ([]level, error) {
	var list []level
	for _, name := range words(c.Parameters["consistency-models"]) {
		l, ok := levelOf[name]
		if !ok {
			return nil, fmt.Errorf("nobody here knows the consistency model %q", name)
		}
		list = append(list, l)
	}
	for _, name := range words(c.Parameters["anomalies"]) {
		l, err := levelWithout(name)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the claim names no consistency model and no anomaly")
	}
	return list, nil
}

// levelWithout returns the level that forbids one anomaly, and those that are
// forms of it.
func levelWithout(name string) (l level, err error) {
	flow, anti, order := cycleOf(name)
	switch {
	case name == "G1":
		l.others, flow = asG1, g1c
	case name == "G1a":
		return level{others: "G1a incompatible-order dirty-update thin-air-read"}, nil
	case name == "G2":
		anti = g2
	case slices.Contains(strings.Fields(levelA+lostUp), name):
		return level{others: name}, nil
	case flow == 0 && anti == 0:
		return l, fmt.Errorf("nobody here knows the anomaly %q", name)
	}
	for i := range order + 1 {
		l.flow[i], l.anti[i] = flow, anti
	}
	switch {
	case flow == g1c:
		l.others += " future-read"
	case anti == g2:
		l.others = lostUp
	}
	l.keeps = order
	return l, nil
}

// words returns the names in a list with commas.
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// cycleOf returns what the name of a cycle says, and zeros for any other name.
func cycleOf(name string) (flow, anti, order int8) {
	class, ok := strings.CutSuffix(name, "-realtime")
	if ok {
		order = rtime
	} else if class, ok = strings.CutSuffix(name, "-process"); ok {
		order = byProcess
	}
	switch class {
	case "G0":
		return g0, 0, order
	case "G1c":
		return g1c, 0, order
	case "G-single-item", "G-single":
		return 0, single, order
	case "G-nonadjacent-item", "G-nonadjacent":
		return 0, nonadjacent, order
	case "G2-item", "G2":
		return 0, g2, order
	default:
		return 0, 0, 0
	}
}

// forbids reports whether an anomaly must not occur at a level.
func (l *level) forbids(name string) bool {
	if flow, anti, order := cycleOf(name); flow+anti > 0 {
		return flow > 0 && flow <= l.flow[order] || anti > 0 && anti <= l.anti[order]
	}
	return slices.Contains(strings.Fields(l.others), name)
}
