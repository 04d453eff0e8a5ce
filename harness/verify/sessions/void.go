package sessions

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// void is a read that found nothing, once something may have been deleted.
type void struct {
	at  int // how many operations its session had before it
	end int // the index of its completion
	key string
}

// findVoids finds the reads that may have found a delete, and has them be no
// operations: nobody can say what they found. Those that ended before the first
// delete of their key began found the initial state.
func (s *sessionHistory) findVoids() {
	first := make(map[string]int)
	for i := range s.Ops {
		if o := &s.Ops[i]; o.Invoke.F == "delete" && !o.Failed() {
			if key := claim.Name(o.Invoke.Key); first[key] == 0 {
				first[key] = o.Inv + 1
			}
		}
	}
	s.voids = make(map[int]void)
	for i := range s.Ops {
		o := &s.Ops[i]
		if read := o.Invoke.F == "read" || o.Invoke.F == "r"; !read || !o.Happened() || !o.Call.Value().IsNil() {
			continue
		}
		key := claim.Name(o.Invoke.Key)
		if begun, ok := first[key]; ok && begun <= o.Complete.Index {
			s.voids[i] = void{end: o.Complete.Index, key: key}
			o.Complete = nil
		}
	}
}

// noneHaunted confirms that no read of nothing breaks a rule.
func (s *sessionHistory) noneHaunted() error {
	for n := range s.voids {
		if s.unexplained(s.Ops[n].Inv) == nil {
			return fmt.Errorf("index %d found nothing, but there is no delete that it can have found", s.Ops[n].Inv)
		}
		if err := s.notAgain(n); err != nil {
			return err
		}
	}
	return nil
}

// before returns all that is in the past of an operation, and whether it is.
func (s *sessionHistory) before(i int, past map[int]bool) map[int]bool {
	for todo := []int{i}; len(todo) > 0; {
		i, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if past[i] {
			continue
		}
		past[i] = true
		if line := s.sessions[s.line[i]]; s.at[i] > 0 {
			todo = append(todo, line[s.at[i]-1])
		}
		if f, wrong := s.found(i); f != nobody && wrong == "" {
			todo = append(todo, f)
		}
	}
	return past
}

// pastOf returns the past of a read of nothing.
func (s *sessionHistory) pastOf(n int) map[int]bool {
	past := make(map[int]bool)
	if at := s.voids[n].at; at > 0 {
		s.before(s.sessions[s.line[n]][at-1], past)
	}
	return past
}

// unexplained confirms that a read of nothing cannot have found the initial state,
// and none of the deletes of its key: each began after it, or was overwritten in
// its past.
func (s *sessionHistory) unexplained(index int) error {
	n, err := s.void(index)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"causal", "causal-convergent", "causal-memory", "sequential"}, s.guarantee) {
		return fmt.Errorf("%s says nothing of index %d", s.guarantee, index)
	}
	past := s.pastOf(n)
	var written []int // all that is in the past
	for _, w := range s.writes[s.key(n)] {
		if past[w] {
			written = append(written, w)
		}
	}
	if len(written) == 0 {
		return fmt.Errorf("index %d has no write of its key in its past", index)
	}
	for i := range s.Ops {
		o := &s.Ops[i]
		if o.Invoke.F != "delete" || o.Failed() || s.key(i) != s.key(n) || o.Inv > s.voids[n].end {
			continue
		}
		later := func(w int) bool { return w != i && s.before(w, make(map[int]bool))[i] }
		if !past[i] || !slices.ContainsFunc(written, later) {
			return fmt.Errorf("index %d may have found what index %d left", index, o.Inv)
		}
	}
	return nil
}

// void returns a read of nothing.
func (s *sessionHistory) void(index int) (int, error) {
	if _, err := s.Op(index); err != nil {
		return 0, err
	}
	n := s.Place[index] - 1
	if _, ok := s.voids[n]; !ok {
		return 0, fmt.Errorf("index %d did not find nothing where something may have been deleted", index)
	}
	return n, nil
}

// notAgain confirms that nobody found again what a read of nothing had missed.
func (s *sessionHistory) notAgain(n int) error {
	past := s.pastOf(n)
	for r := range s.Ops {
		w, wrong := s.found(r)
		if w == nobody || wrong != "" || s.key(r) != s.key(n) || s.Ops[r].Complete.Index < s.voids[n].end {
			continue
		}
		if s.earlier(w, n, past) && s.later(n, r) {
			return fmt.Errorf("index %d found what was gone by index %d", s.Ops[r].Inv, s.Ops[n].Inv)
		}
	}
	return nil
}

// earlier reports whether write w has to be before n, a read of nothing, in the
// order of whoever did n.
func (s *sessionHistory) earlier(w, n int, past map[int]bool) bool {
	own := s.sessions[s.line[n]][:s.voids[n].at]
	switch s.guarantee {
	case "causal-memory", "causal-convergent", "sequential":
		return past[w]
	case "monotonic-reads", "pram":
		return slices.ContainsFunc(own, func(i int) bool {
			f, wrong := s.found(i)
			return f == w && wrong == "" || i == w && s.guarantee == "pram"
		})
	}
	return false
}

// later reports whether r has to be after n, a read of nothing, in that order.
func (s *sessionHistory) later(n, r int) bool {
	if s.line[n] == s.line[r] {
		return s.at[r] >= s.voids[n].at
	}
	if s.guarantee != "causal-convergent" && s.guarantee != "sequential" {
		return false
	}
	for i := range s.before(r, make(map[int]bool)) {
		if s.line[i] == s.line[n] && i > n {
			return true
		}
	}
	return false
}

// resurrected confirms a path from a write to a read of nothing, which is one of
// its steps, and on to a read that found the write. For guarantees of one session
// it is enough that all are known to that one.
func (s *sessionHistory) resurrected(index int, path []int) error {
	n, err := s.void(index)
	if err != nil {
		return err
	}
	at := slices.Index(path, index)
	if at < 1 || at == len(path)-1 {
		return fmt.Errorf("the way does not lead to index %d and on", index)
	}
	d := &derivation{sessionHistory: s}
	if err := d.path(path[:at], d.causes, false); err != nil {
		return err
	}
	if err := d.path(path[at+1:], d.causes, false); err != nil {
		return err
	}
	last, next := s.Place[path[at-1]]-1, s.Place[path[at+1]]-1
	if s.line[last] != s.line[n] || !s.Ops[last].Happened() || s.at[last] >= s.voids[n].at || s.line[next] != s.line[n] || next < n {
		return fmt.Errorf("index %d is not between %d and %d in their session", index, path[at-1], path[at+1])
	}
	w, r := s.Place[path[0]]-1, s.Place[path[len(path)-1]]-1
	if !d.rf(w, r) || s.key(r) != s.key(n) || s.Ops[r].Complete.Index < s.voids[n].end {
		return fmt.Errorf("index %d did not find index %d after index %d", path[len(path)-1], path[0], index)
	}
	if !s.earlier(w, n, s.pastOf(n)) || !s.later(n, r) {
		return fmt.Errorf("%s allows that index %d finds index %d again", s.guarantee, path[len(path)-1], path[0])
	}
	return nil
}
