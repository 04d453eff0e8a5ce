package sessions

import (
	"fmt"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// sessionGuarantee confirms a claim about a guarantee of sessions; see the package comment.
func sessionGuarantee(c *claim.Claim) error {
	s := &sessionHistory{weak: &weak{Claim: c, level: "causal"}, guarantee: c.Parameters["guarantee"], versions: c.Parameters["versions"]}
	if err := s.parse(); err != nil {
		return err
	}
	if c.Verdict == claim.Invalid {
		return s.broken()
	}
	for i := range s.Ops {
		if _, wrong := s.found(i); wrong != "" {
			return fmt.Errorf("index %d: %s", s.Ops[i].Inv, wrong)
		}
	}
	if err := s.noneHaunted(); err != nil {
		return err
	}
	var e struct {
		Order []int `json:"order"`
		Views []struct {
			Session int   `json:"session"`
			Order   []int `json:"order"`
		} `json:"views"`
	}
	if err := c.ReadEvidence(&e); err != nil {
		return err
	}
	if e.Views == nil {
		return s.everybody(e.Order)
	}
	done := make([]bool, len(s.sessions))
	for _, v := range e.Views {
		if _, err := c.Op(v.Session); err != nil {
			return err
		}
		p := s.line[c.Place[v.Session]-1]
		done[p] = true
		if err := s.one(p, v.Order); err != nil {
			return err
		}
	}
	for p, ops := range s.sessions {
		if len(ops) > 0 && !done[p] {
			return fmt.Errorf("there is no order of the session of index %d", s.Ops[ops[0]].Inv)
		}
	}
	return nil
}

// sessionHistory is a history of reads and writes: transactions of one step.
type sessionHistory struct {
	*weak
	guarantee, versions string

	sessions [][]int         // by session, the operations that were ok
	at       []int           // the place of an operation in its session
	must     []bool          // it happened
	value    []history.Value // of a write, as it is
	writes   map[int][]int   // by key, those that happened and, if versions are known, in their order
	voids    map[int]void    // reads that found nothing, once something may have been deleted
	part     map[[2]int]int  // linked: by key and the number of a value without its link, who wrote it
}

func (s *sessionHistory) parse() error {
	for name := range s.Parameters {
		if name != "guarantee" && name != "versions" && name != "per-server" {
			return fmt.Errorf("parameter %s of %s means nothing", name, s.Definition)
		}
	}
	if !slices.Contains([]string{"read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads", "pram",
		"causal", "causal-convergent", "causal-memory", "sequential"}, s.guarantee) ||
		!slices.Contains([]string{"hidden", "increasing", "linked"}, s.versions) {
		return fmt.Errorf("nobody knows guarantee %q with versions %q", s.guarantee, s.versions)
	}
	if s.guarantee == "causal" && s.versions != "hidden" {
		s.guarantee = "causal-convergent"
	}
	s.begin()
	s.at, s.must = make([]int, len(s.Ops)), make([]bool, len(s.Ops))
	s.value, s.writes = make([]history.Value, len(s.Ops)), make(map[int][]int)
	s.findVoids()
	for i := range s.Ops {
		if err := s.operation(i); err != nil {
			return fmt.Errorf("index %d: %w", s.Ops[i].Inv, err)
		}
	}
	s.happen()
	return s.sortWrites()
}

// operation reads one operation. Where there is no key, a list of two is key and
// value.
func (s *sessionHistory) operation(i int) error {
	o := &s.Ops[i]
	node := ""
	if s.Parameters["per-server"] == "true" {
		node = o.Invoke.Node
	}
	s.session(i, node)
	for len(s.sessions) < len(s.lines) {
		s.sessions = append(s.sessions, nil)
	}
	s.at[i] = len(s.sessions[s.line[i]])
	if o.Happened() {
		s.sessions[s.line[i]] = append(s.sessions[s.line[i]], i)
	}
	if n, ok := s.voids[i]; ok {
		n.at = s.at[i]
		s.voids[i] = n
	}
	if o.Invoke.F == "delete" {
		s.value[i] = history.Map(history.String("deleted by"), history.Int(int64(o.Inv)))
		return s.add(i, access{key: s.number(o.Invoke.Key), value: s.number(s.value[i]), write: true})
	}
	a := access{write: o.Invoke.F == "write" || o.Invoke.F == "w"}
	if !a.write && o.Invoke.F != "read" && o.Invoke.F != "r" {
		return fmt.Errorf("%s is neither read nor write", o.Invoke.F)
	}
	key, value := o.Invoke.Key, o.Call.Value()
	if a.write && value.IsNil() {
		value = o.Invoke.Value
	}
	pair := o.Invoke.Value
	if pair.IsNil() {
		pair = value
	}
	if key.IsAbsent() && isPair(pair) {
		key = pair.Elems()[0]
		switch {
		case value.IsNil():
		case !isPair(value) || !value.Elems()[0].Equal(key):
			return fmt.Errorf("it was invoked with another key")
		default:
			value = value.Elems()[1]
		}
	}
	s.value[i] = claim.Known(value)
	a.key, a.value = s.number(key), s.number(claim.Known(value))
	return s.add(i, a)
}

func isPair(v history.Value) bool {
	return len(v.Elems()) == 2 && (v.Kind() == history.KindTuple || v.Kind() == history.KindList)
}

func (s *sessionHistory) read(i int) bool  { return !s.steps[i][0].write && s.Ops[i].Happened() }
func (s *sessionHistory) write(i int) bool { return s.steps[i][0].write && !s.Ops[i].Failed() }
func (s *sessionHistory) key(i int) int    { return s.steps[i][0].key }

// found says what a read found: a write, or nobody's.
func (s *sessionHistory) found(i int) (int, string) {
	if !s.read(i) {
		return nobody, ""
	}
	return s.source(i, 0)
}

// happen finds out which operations happened.
func (s *sessionHistory) happen() {
	s.part = make(map[[2]int]int)
	for i := range s.Ops {
		if s.versions == "linked" && s.write(i) {
			s.part[[2]int{s.key(i), s.number(claim.Known(s.value[i].Get("value")))}] = i
		}
	}
	for i := range s.Ops {
		if s.Ops[i].Happened() {
			s.must[i] = true
			w := i
			if s.read(i) {
				w, _ = s.found(i)
			}
			for ; w != nobody && (w == i || !s.must[w]); w = s.replaced(w) {
				s.must[w] = true
				if s.read(w) {
					break
				}
			}
		}
	}
}

// replaced returns the write that a linked write names, or nobody.
func (s *sessionHistory) replaced(w int) int {
	if s.versions == "linked" && !s.value[w].Get("previous").IsNil() {
		if p, ok := s.part[[2]int{s.key(w), s.number(s.value[w].Get("previous"))}]; ok {
			return p
		}
	}
	return nobody
}

func (s *sessionHistory) sortWrites() error {
	for i := range s.Ops {
		if !s.must[i] || !s.write(i) {
			continue
		}
		if _, ok := s.value[i].Int(); s.versions == "increasing" && !ok {
			return fmt.Errorf("index %d: %v is no integer", s.Ops[i].Inv, s.value[i])
		}
		s.writes[s.key(i)] = append(s.writes[s.key(i)], i)
	}
	if s.versions == "increasing" {
		for _, list := range s.writes {
			slices.SortFunc(list, func(a, b int) int { return s.value[a].Compare(s.value[b]) })
		}
	}
	return nil
}

// so reports whether a is before b in a session.
func (s *sessionHistory) so(a, b int) bool {
	return s.line[a] == s.line[b] && s.Ops[a].Happened() && s.at[a] < s.at[b]
}

// older reports whether a is known to be an earlier version than b.
func (s *sessionHistory) older(a, b int) bool {
	switch {
	case !s.write(a) || !s.write(b) || s.key(a) != s.key(b):
		return false
	case s.versions == "increasing":
		return s.value[a].Compare(s.value[b]) < 0
	}
	return s.replaced(b) == a
}

// places returns the positions in an order, from 1 on. It has everything that
// happened and of which wanted says so, and nothing else.
func (s *sessionHistory) places(order []int, wanted func(int) bool) (pos, list []int, err error) {
	if pos, list, err = s.positions(order); err != nil {
		return nil, nil, err
	}
	for i := range s.Ops {
		if want := s.must[i] && wanted(i); want != (pos[i] > 0) {
			return nil, nil, fmt.Errorf("index %d is missing from an order, or does not belong there", s.Ops[i].Inv)
		}
	}
	return pos, list, s.inVersionOrder(pos)
}

// inVersionOrder confirms that known versions are in their order.
func (s *sessionHistory) inVersionOrder(pos []int) error {
	for _, list := range s.writes {
		for at, w := range list {
			before := s.replaced(w)
			if s.versions == "increasing" && at > 0 {
				before = list[at-1]
			}
			if before != nobody && pos[before] >= pos[w] {
				return fmt.Errorf("index %d is the version before index %d, but not in the order", s.Ops[before].Inv, s.Ops[w].Inv)
			}
		}
	}
	return nil
}

func (s *sessionHistory) any(int) bool { return true }

// everybody confirms one order for all sessions.
func (s *sessionHistory) everybody(order []int) error {
	switch s.guarantee {
	case "sequential", "pram", "causal-memory": // one order of everything is good for each session
		_, list, err := s.places(order, s.any)
		if err != nil {
			return err
		}
		return s.serial(everyone, list)
	case "causal-convergent":
		if _, _, err := s.places(order, s.any); err != nil {
			return err
		}
		return s.ordered(order)
	case "causal":
		_, list, err := s.places(order, s.any)
		if err != nil {
			return err
		}
		return s.notOverwritten(list)
	}
	pos, _, err := s.places(order, s.write)
	if err != nil {
		return err
	}
	return s.guaranteed(everyone, pos)
}

// everyone stands for all sessions.
const everyone = -1

// one confirms the order of one session.
func (s *sessionHistory) one(p int, order []int) error {
	switch s.guarantee {
	case "pram", "causal-memory":
		_, list, err := s.places(order, func(i int) bool { return s.write(i) || s.line[i] == p })
		if err != nil {
			return err
		}
		return s.serial(p, list)
	case "sequential", "causal", "causal-convergent":
		return fmt.Errorf("%s takes one order", s.guarantee)
	}
	pos, _, err := s.places(order, s.write)
	if err != nil {
		return err
	}
	return s.guaranteed(p, pos)
}

// serial confirms that each read of a list finds the last write, and that the list
// keeps so, or for causal memory so and rf. Other sessions have only their writes
// in the order of session p.
func (s *sessionHistory) serial(p int, list []int) error {
	last := make(map[int]int)            // by key, the last write plus one
	next := make([]int, len(s.sessions)) // how far each session has come
	done := make([]bool, len(s.Ops))
	for _, i := range list {
		if s.read(i) {
			if f, _ := s.found(i); last[s.key(i)] != f+1 {
				return fmt.Errorf("index %d does not find the last write", s.Ops[i].Inv)
			}
		}
		line := s.sessions[s.line[i]]
		for n := &next[s.line[i]]; *n < s.at[i]; *n++ {
			before := line[*n]
			f, _ := s.found(before)
			switch {
			case s.write(before) || p == everyone || s.line[i] == p:
				if !done[before] {
					return fmt.Errorf("index %d is not after what its session did before", s.Ops[i].Inv)
				}
			case s.guarantee == "causal-memory" && f != nobody && !done[f]:
				return fmt.Errorf("index %d is not after what its session had read before", s.Ops[i].Inv)
			}
		}
		done[i] = true
		if s.write(i) {
			last[s.key(i)] = i + 1
		}
	}
	return nil
}

// notOverwritten confirms with vector clocks that no read found what was
// overwritten in its past. Sessions are counted by what they did.
func (s *sessionHistory) notOverwritten(list []int) error {
	clocks := make([][]int32, len(s.Ops))
	wrote := make(map[int]map[int][]int) // by key and session
	width := len(s.sessions)
	number := make([]int, len(s.Ops))
	done := make([]bool, len(s.Ops))
	for _, i := range list {
		var clock []int32
		number[i] = s.line[i]
		if s.at[i] > 0 {
			before := s.sessions[s.line[i]][s.at[i]-1]
			if !done[before] {
				return fmt.Errorf("index %d is not after what its session did before", s.Ops[i].Inv)
			}
			clock = slices.Clone(clocks[before])
		}
		f, _ := s.found(i)
		if f != nobody {
			if !done[f] {
				return fmt.Errorf("index %d is not after what it found", s.Ops[i].Inv)
			}
			clock = later(clock, clocks[f])
		}
		if s.read(i) {
			if err := s.notAfter(i, f, clock, clocks, number, wrote[s.key(i)]); err != nil {
				return err
			}
		}
		if !s.Ops[i].Happened() { // a session of its own that goes off from this one
			number[i], width = width, width+1
		}
		clock = later(clock, make([]int32, number[i]+1))
		clock[number[i]] = int32(s.at[i]) + 1
		clocks[i], done[i] = clock, true
		if s.write(i) {
			if wrote[s.key(i)] == nil {
				wrote[s.key(i)] = make(map[int][]int)
			}
			wrote[s.key(i)][number[i]] = append(wrote[s.key(i)][number[i]], i)
		}
	}
	return nil
}

// notAfter confirms that no write of the past of a read is after what it found.
func (s *sessionHistory) notAfter(i, f int, clock []int32, clocks [][]int32, number []int, wrote map[int][]int) error {
	for session, writes := range wrote {
		if session >= len(clock) {
			continue
		}
		n := sort.Search(len(writes), func(k int) bool { return int32(s.at[writes[k]]) >= clock[session] })
		if n == 0 || writes[n-1] == f {
			continue
		}
		w := clocks[writes[n-1]]
		if f == nobody || number[f] < len(w) && w[number[f]] > int32(s.at[f]) {
			return fmt.Errorf("what index %d found was overwritten by index %d in its past", s.Ops[i].Inv, s.Ops[writes[n-1]].Inv)
		}
	}
	return nil
}

// guaranteed confirms an order of the writes for a session, or for all.
func (s *sessionHistory) guaranteed(p int, pos []int) error {
	if err := s.base(p, pos); err != nil {
		return err
	}
	v := &vision{sessionHistory: s, pos: pos, columns: make(map[[2]int]*column)}
	for _, ops := range s.sessions {
		for _, i := range ops {
			v.file(i)
		}
	}
	for line, ops := range s.sessions {
		if p == everyone || p == line {
			if err := v.session(ops); err != nil {
				return err
			}
		}
	}
	return nil
}

// base confirms what is in order whatever was read.
func (s *sessionHistory) base(p int, pos []int) error {
	last := make([]int, len(s.sessions)) // by session, what its next write has to be after
	for i := range s.Ops {
		if !s.must[i] {
			continue
		}
		line := s.line[i]
		f, _ := s.found(i)
		switch s.guarantee {
		case "writes-follow-reads":
			if f != nobody {
				last[line] = max(last[line], pos[f])
			}
			if s.write(i) && pos[i] <= last[line] {
				return fmt.Errorf("index %d is not after what its session had read", s.Ops[i].Inv)
			}
		case "monotonic-reads":
		default:
			if own := s.guarantee == "monotonic-writes" || p == everyone || p == line; own && s.write(i) {
				if pos[i] <= last[line] {
					return fmt.Errorf("index %d is not after the writes before it in its session", s.Ops[i].Inv)
				}
				if s.Ops[i].Happened() {
					last[line] = pos[i]
				}
			}
		}
	}
	return nil
}

// vision knows which writes reads have to see in an order. Columns are, by key and
// session, what the session wrote or, for writes-follow-reads, had read: how far it
// had come, and the latest position until then.
type vision struct {
	*sessionHistory
	pos     []int
	columns map[[2]int]*column
	lines   map[int][]int // by key, the sessions that have a column
}

func (v *vision) file(i int) {
	shown := i
	switch v.guarantee {
	case "monotonic-writes":
		if !v.write(i) {
			return
		}
	case "writes-follow-reads":
		if shown, _ = v.found(i); shown == nobody {
			return
		}
	default:
		return
	}
	at := [2]int{v.key(i), v.line[i]}
	col := v.columns[at]
	if col == nil {
		col = new(column)
		v.columns[at] = col
		if v.lines == nil {
			v.lines = make(map[int][]int)
		}
		v.lines[at[0]] = append(v.lines[at[0]], at[1])
	}
	limit := v.pos[shown]
	if n := len(col.pos); n > 0 {
		limit = max(limit, col.pos[n-1])
	}
	col.count, col.pos = append(col.count, v.at[i]+1), append(col.pos, limit)
}

// session confirms that the reads of a session see what they have to.
func (v *vision) session(ops []int) error {
	seen := make(map[int]int)      // by key, the last position that has to be seen
	bound := make(map[int32]int32) // how far the sessions of writes had come that were read
	for _, i := range ops {
		if v.write(i) {
			if v.guarantee == "read-your-writes" {
				seen[v.key(i)] = v.pos[i]
			}
			continue
		}
		f, _ := v.found(i)
		limit := seen[v.key(i)]
		if f != nobody {
			line := int32(v.line[f])
			bound[line] = max(bound[line], int32(v.at[f]))
		}
		for _, line := range v.lines[v.key(i)] {
			clock := []int32{bound[int32(line)]}
			limit = max(limit, v.columns[[2]int{v.key(i), line}].last(clock, 0))
		}
		if err := v.misses(i, f, limit, v.pos); err != nil {
			return err
		}
		if v.guarantee == "monotonic-reads" && f != nobody {
			seen[v.key(i)] = max(seen[v.key(i)], v.pos[f])
		}
	}
	return nil
}

// forcedRule says that one operation has to be before another.
type forcedRule struct {
	From  int   `json:"from"`
	To    int   `json:"to"`
	Path  []int `json:"path"`
	After bool  `json:"after"`
}

// broken confirms a read of what was not there, or a circle.
func (s *sessionHistory) broken() error {
	var e struct {
		Anomaly string       `json:"anomaly"`
		Read    int          `json:"read"`
		Session int          `json:"session"`
		Forced  []forcedRule `json:"forced"`
		Cycle   []int        `json:"cycle"`
		Path    []int        `json:"path"`
	}
	if err := s.ReadEvidence(&e); err != nil {
		return err
	}
	switch e.Anomaly {
	case "ResurrectedRead":
		return s.resurrected(e.Read, e.Path)
	case "WriteCOInitRead":
		return s.unexplained(e.Read)
	}
	if e.Anomaly != "" {
		i, err := s.reader(e.Read, 0)
		if err != nil {
			return err
		}
		if _, wrong := s.found(i); wrong != e.Anomaly {
			return fmt.Errorf("index %d is no %s", e.Read, e.Anomaly)
		}
		return nil
	}
	if _, err := s.Op(e.Session); err != nil {
		return err
	}
	d := &derivation{sessionHistory: s, p: s.line[s.Place[e.Session]-1], known: make(map[[2]int]bool)}
	end := 0
	for _, r := range e.Forced {
		if err := d.derive(r); err != nil {
			return err
		}
		end = r.To
	}
	if s.guarantee == "causal" && len(e.Forced) > 1 {
		return fmt.Errorf("causal consistency is broken by one read")
	}
	if len(e.Cycle) == 0 && end != nobody {
		return fmt.Errorf("there is no circle")
	}
	return d.path(append(slices.Clone(e.Cycle), e.Cycle[:min(1, len(e.Cycle))]...), d.given, true)
}

// derivation is what has to be before what in the order of session p.
type derivation struct {
	*sessionHistory
	p     int
	known map[[2]int]bool
}

// operation returns one that happened.
func (d *derivation) operation(index int) (int, error) {
	if _, err := d.Op(index); err != nil {
		return 0, err
	}
	i := d.Place[index] - 1
	if !d.must[i] {
		return 0, fmt.Errorf("index %d need not have happened", index)
	}
	return i, nil
}

// path confirms that each step is given or, if that may be, known.
func (d *derivation) path(indices []int, given func(a, b int) bool, known bool) error {
	for at := range indices {
		b, err := d.operation(indices[at])
		if err != nil {
			return err
		}
		if at == 0 {
			continue
		}
		if a := d.Place[indices[at-1]] - 1; !given(a, b) && !(known && d.known[[2]int{a, b}]) {
			return fmt.Errorf("index %d need not be before index %d", indices[at-1], indices[at])
		}
	}
	return nil
}

func (d *derivation) rf(a, b int) bool {
	f, wrong := d.found(b)
	return d.read(b) && f == a && wrong == ""
}

func (d *derivation) causes(a, b int) bool { return d.so(a, b) || d.rf(a, b) }

// given reports whether a is before b whatever else was read.
func (d *derivation) given(a, b int) bool {
	own := d.line[a] == d.p && d.line[b] == d.p
	writes := d.write(a) && d.write(b)
	switch {
	case d.older(a, b):
		return true
	case d.guarantee == "read-your-writes":
		return own && writes && d.so(a, b)
	case d.guarantee == "monotonic-reads":
		return false
	case d.guarantee == "monotonic-writes":
		return writes && d.so(a, b)
	case d.guarantee == "writes-follow-reads":
		return writes && slices.ContainsFunc(d.sessions[d.line[b]][:d.at[b]], func(r int) bool { return d.rf(a, r) })
	case d.guarantee == "pram":
		return (own || writes) && d.so(a, b) || d.line[b] == d.p && d.rf(a, b)
	}
	return d.causes(a, b)
}

// derive confirms one step of a derivation, and remembers it.
func (d *derivation) derive(r forcedRule) error {
	if len(r.Path) == 0 {
		return fmt.Errorf("index %d is before index %d, but there is no path", r.From, r.To)
	}
	given, known := d.given, true
	if d.guarantee == "causal" || d.guarantee == "causal-convergent" {
		given, known = d.causes, false
	}
	shape := !slices.Contains([]string{"pram", "causal-memory", "sequential", "causal", "causal-convergent"}, d.guarantee)
	if shape {
		given, known = func(a, b int) bool { return true }, false
	}
	if err := d.path(r.Path, given, known); err != nil {
		return err
	}
	first, last := d.Place[r.Path[0]]-1, d.Place[r.Path[len(r.Path)-1]]-1
	from, err := d.operation(r.From)
	if err != nil {
		return err
	}
	to := nobody
	if r.To != nobody {
		if to, err = d.operation(r.To); err != nil {
			return err
		}
	}
	var ok bool
	if r.After {
		f, wrong := d.found(from)
		ok = d.guarantee == "sequential" && d.read(from) && wrong == "" && last == to && d.write(to) && d.key(to) == d.key(from) && to != f &&
			(f == first && len(r.Path) > 1 || f == nobody && len(r.Path) == 1)
	} else {
		f, wrong := d.found(last)
		ok = d.read(last) && wrong == "" && f == to && first == from && from != to && d.write(from) && d.key(from) == d.key(last)
		if shape || d.guarantee == "pram" || d.guarantee == "causal-memory" {
			ok = ok && d.line[last] == d.p
		}
		ok = ok && (!shape || d.sees(r.Path))
	}
	if !ok {
		return fmt.Errorf("nothing puts index %d before index %d", r.From, r.To)
	}
	d.known[[2]int{from, to}] = true
	return nil
}

// sees reports whether the last of a path has to see the first, by a session
// guarantee.
func (d *derivation) sees(path []int) bool {
	p := make([]int, len(path))
	for at, index := range path {
		p[at] = d.Place[index] - 1
	}
	r := p[len(p)-1]
	reads := func(r0, w int) bool { return d.rf(w, r0) && (r0 == r || d.so(r0, r)) }
	switch d.guarantee {
	case "read-your-writes":
		return len(p) == 2 && d.so(p[0], r)
	case "monotonic-reads":
		return len(p) == 3 && p[1] != r && reads(p[1], p[0])
	case "monotonic-writes":
		return len(p) > 2 && len(p) < 5 && d.write(p[1]) && d.so(p[0], p[1]) && reads(p[2], p[1])
	default:
		return len(p) > 3 && len(p) < 6 && d.rf(p[0], p[1]) && d.write(p[2]) && d.so(p[1], p[2]) && reads(p[3], p[2])
	}
}
