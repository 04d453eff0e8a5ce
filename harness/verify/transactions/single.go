package transactions

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// deed is a transaction with one of its steps.
type deed struct {
	*txn
	*step
	at int
}

// other confirms an anomaly that is no cycle.
func (p *prover) other(e *txnAnomaly) error {
	if len(e.Ops) == 0 || len(e.Steps) < len(e.Ops) {
		return fmt.Errorf("want transactions, and a step for each")
	}
	deeds := make([]deed, 3)
	for i, index := range e.Ops[:min(len(e.Ops), 3)] {
		x, s, err := p.pick(index, e.Steps[i])
		if err != nil {
			return err
		}
		deeds[i] = deed{x, s, e.Steps[i]}
	}
	a, b := deeds[0], deeds[1]
	holds := false
	switch {
	case len(e.Ops) == 1 && len(e.Steps) == 2 && e.Anomaly == "thin-air-read":
		holds = p.thinAir(a, e.Steps[1])
	case len(e.Ops) == 1 && len(e.Steps) == 2 && e.Anomaly == "future-read":
		holds = p.future(a, e.Steps[1])
	case len(e.Ops) == 1 && e.Anomaly == "internal":
		holds = p.internal(a)
	case len(e.Ops) == 1 && e.Anomaly == "duplicate-elements":
		holds = p.workload == lists && !a.write && again(a.elems())
	case len(e.Ops) == 2 && e.Anomaly == "G1a":
		holds = p.aborted(a, b)
	case len(e.Ops) == 2 && e.Anomaly == "G1b":
		holds = p.intermediate(a, b)
	case len(e.Ops) == 2 && e.Anomaly == "incompatible-order":
		holds = p.incompatible(a, b)
	case len(e.Ops) == 2 && e.Anomaly == "lost-update":
		holds = p.lostUpdate(a, b)
	case len(e.Ops) >= 2 && e.Anomaly == "dirty-update":
		holds = p.dirtyUpdate(a, b, deeds[2])
	}
	if !holds {
		return fmt.Errorf("these steps are no %s", e.Anomaly)
	}
	return nil
}

// onlyFailed reports whether those who wrote a version all failed.
func (p *prover) onlyFailed(v version) bool {
	w := p.by[v]
	return len(w) > 0 && w[0].Failed()
}

func (p *prover) aborted(a, b deed) bool {
	if a.write {
		return p.did[a.txn] && p.shows(a.step, b.step) && p.onlyFailed(b.named())
	}
	return p.shows(a.step, b.step) && p.onlyFailed(b.whole())
}

func (p *prover) thinAir(a deed, at int) bool {
	if all := p.shown(a.step); at >= 0 && at < len(all) && (!a.write || p.did[a.txn]) {
		return len(p.by[all[at]]) == 0
	}
	return false
}

func (p *prover) intermediate(a, b deed) bool {
	if p.workload == lists && !a.write && len(a.elems()) > 0 && !a.elems()[len(a.elems())-1].Equal(b.value) {
		return false
	}
	return a.txn != b.txn && p.shows(a.step, b.step) && b.rewrites(b.at)
}

// rewrites reports whether a transaction writes a key again after a step.
func (x *txn) rewrites(at int) bool {
	return slices.ContainsFunc(x.steps[at+1:], func(s step) bool { return s.write && s.key == x.steps[at].key })
}

// future: the step shows what is written later, or a linked value names itself.
func (p *prover) future(a deed, later int) bool {
	return later >= a.at && later < len(a.steps) && p.shows(a.step, &a.steps[later])
}

func (p *prover) incompatible(a, b deed) bool {
	if p.workload != lists || a.write || b.write || a.key != b.key {
		return false
	}
	n := min(len(a.elems()), len(b.elems()))
	return !slices.EqualFunc(a.elems()[:n], b.elems()[:n], history.Value.Equal)
}

// lostUpdate: both read the same state and wrote the key afterwards, or both
// wrote a value that says it replaced the same one.
func (p *prover) lostUpdate(a, b deed) bool {
	switch {
	case a.txn == b.txn || a.key != b.key || !p.did[a.txn] || !p.did[b.txn]:
		return false
	case p.workload == linked && a.write && b.write:
		return a.previous == b.previous
	case a.write || b.write || a.state(p.workload) != b.state(p.workload):
		return false
	}
	return a.rewrites(a.at) && b.rewrites(b.at)
}

// dirtyUpdate: the version of one that failed is below that of one that did not.
func (p *prover) dirtyUpdate(failed, ok, reader deed) bool {
	switch {
	case !failed.write || !ok.write || failed.key != ok.key || !p.did[ok.txn]:
		return false
	case p.workload == linked:
		return ok.previous == failed.part && p.onlyFailed(failed.named())
	case p.workload != lists || reader.txn == nil || reader.write || reader.key != ok.key:
		return false
	}
	if !p.onlyFailed(failed.whole()) {
		return false
	}
	i, j := slices.IndexFunc(reader.elems(), failed.value.Equal), slices.IndexFunc(reader.elems(), ok.value.Equal)
	return i >= 0 && i < j
}

// internal: what a transaction did before says what a key holds, or at least how
// it ends, and the step finds something else.
func (p *prover) internal(a deed) bool {
	var known *step // the last read of the key, from which on all is known
	var own []*step
	for i := range a.steps[:a.at] {
		switch s := &a.steps[i]; {
		case s.key != a.key || !s.write && !a.Happened():
		case s.write:
			own = append(own, s)
		default:
			known, own = s, nil
		}
	}
	if p.workload != lists {
		if known == nil && own == nil {
			return false
		}
		holds := known
		if len(own) > 0 {
			holds = own[len(own)-1]
		}
		return !a.write && a.id != holds.id || a.write && p.workload == linked && a.previous != holds.part
	}
	return !a.write && !ends(a.elems(), known, own) || known != nil && len(own) == 0 && len(a.elems())+len(known.elems()) == 0 &&
		!a.write && known.value.Kind() != a.value.Kind()
}

// ends reports whether a list is what was known, with what the transaction
// appended; if nothing was known, it has to end with that.
func ends(list []history.Value, known *step, own []*step) bool {
	rest := len(list) - len(own)
	if rest < 0 || known != nil && !slices.EqualFunc(list[:rest], known.elems(), history.Value.Equal) {
		return false
	}
	return slices.EqualFunc(list[rest:], own, func(v history.Value, s *step) bool { return v.Equal(s.value) })
}
