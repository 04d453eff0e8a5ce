// Package levels knows the isolation levels and consistency models of
// transactional systems, what they imply, and which anomalies they forbid.
//
// A model is a set of histories. Model A implies model B if every history that A
// allows is one that B allows: strong-serializable implies serializable, which
// implies snapshot-isolation and repeatable-read, which do not imply each other.
// Each model forbids anomalies, and everything that the models it implies
// forbid. Anomalies imply each other too: a G0 is a G1c with no read in it, so a
// model that forbids G1c forbids G0.
//
// So an anomaly rules out a boundary: the weakest models that forbid it, and all
// that imply these. The names and the relations are those of Adya (1999), Adya,
// Liskov and O'Neil (2000), Cerone, Bernardi and Gotsman (2015), Bailis et al.
// (2013) and Daudjee and Salem (2004, 2006), as Jepsen uses them.
package levels

import (
	"fmt"
	"slices"
	"strings"
)

// Default is the level that a check asks for unless it is told another.
const Default = "strong-serializable"

// Of returns the usual name of a model, which may be given under any of its
// names: "PL-2" and "read-committed" are the same.
func Of(name string) (string, error) {
	if usual, ok := aliases[name]; ok {
		return usual, nil
	}
	if _, ok := implies[name]; ok {
		return name, nil
	}
	return "", fmt.Errorf("unknown consistency model %q: want one of %s", name, strings.Join(Names(), ", "))
}

// Names returns the usual names of all models, sorted.
func Names() []string { return sorted(keysOf(implies)) }

// The tables the other way round, and all that follows from a model or that it
// follows from, without itself.
var (
	entailedBy = invert(entails)
	impliedBy  = invert(implies)
	weaker     = closure(implies)
	stronger   = closure(impliedBy)
)

// closure maps each model to all others that can be reached from it.
func closure(edges map[string][]string) map[string][]string {
	all := make(map[string][]string)
	for m := range implies {
		for other := range reach(edges, m) {
			if other != m {
				all[m] = append(all[m], other)
			}
		}
	}
	return all
}

// Set is a set of names.
type Set map[string]bool

// Has reports whether any of the names is in the set.
func (s Set) Has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return s[n] })
}

// Forbidden returns the anomalies that may not be there if all of the models
// hold, and those that are, or imply, one of the anomalies that are named
// besides. The error names a model that does not exist.
func Forbidden(models, anomalies []string) (Set, error) {
	seeds := slices.Clone(anomalies)
	for _, name := range models {
		m, err := Of(name)
		if err != nil {
			return nil, err
		}
		for weaker := range reach(implies, m) {
			seeds = append(seeds, forbids[weaker]...)
		}
	}
	return reach(entailedBy, seeds...), nil
}

// Entailed returns the anomalies and everything they imply.
func Entailed(anomalies ...string) Set { return reach(entails, anomalies...) }

// Boundary returns the weakest models that the anomalies rule out, and the
// others that they rule out, which are stronger. Both are sorted.
func Boundary(anomalies []string) (not, alsoNot []string) {
	out := impossible(anomalies)
	for m := range out {
		if weakest(m, out) {
			not = append(not, m)
		} else {
			alsoNot = append(alsoNot, m)
		}
	}
	return sorted(not), sorted(alsoNot)
}

// Strongest returns the strongest models that the anomalies leave possible.
func Strongest(anomalies []string) []string {
	out := impossible(anomalies)
	var list []string
	for m := range implies {
		if !out[m] && strongest(m, out) {
			list = append(list, m)
		}
	}
	return sorted(list)
}

func impossible(anomalies []string) Set {
	if len(anomalies) == 0 {
		return nil
	}
	found := Entailed(anomalies...)
	var seeds []string
	for m, list := range forbids {
		if found.Has(list...) {
			seeds = append(seeds, m)
		}
	}
	return reach(impliedBy, seeds...)
}

// weakest reports whether no other model of the set is implied by m.
func weakest(m string, set Set) bool {
	for _, other := range weaker[m] {
		if set[other] {
			return false
		}
	}
	return true
}

// strongest reports whether all models that imply m are in the set.
func strongest(m string, set Set) bool {
	for _, other := range stronger[m] {
		if !set[other] {
			return false
		}
	}
	return true
}

// reach returns what can be reached from the seeds, which it includes.
func reach(edges map[string][]string, seeds ...string) Set {
	seen := make(Set)
	for todo := slices.Clone(seeds); len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[n] {
			seen[n] = true
			todo = append(todo, edges[n]...)
		}
	}
	return seen
}

func invert(edges map[string][]string) map[string][]string {
	inverse := make(map[string][]string)
	for from, list := range edges {
		for _, to := range list {
			inverse[to] = append(inverse[to], from)
		}
	}
	return inverse
}

func keysOf(m map[string][]string) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// Implies reports whether every history that the model allows is one that the
// other model allows, which may be the same. Both are usual names.
func Implies(model, other string) bool {
	return model == other || slices.Contains(weaker[model], other)
}

// Orders says whether a model, given by its usual name, is about the order of
// each process, or about real time.
func Orders(model string) (process, realtime bool) {
	all := reach(implies, model)
	realtime = all.Has("linearizable", "strong-read-uncommitted")
	process = all.Has("strong-session-read-uncommitted", "session-serializable", "PRAM", "writes-follow-reads",
		"monotonic-reads", "monotonic-writes", "read-your-writes")
	return process, realtime
}
