package sessions

import (
	"fmt"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// weakIsolation confirms a claim about a level that needs no order of versions; see the package comment.
func weakIsolation(c *claim.Claim) error {
	w := &weak{Claim: c, level: c.Parameters["level"], lists: c.Parameters["workload"] == "list-append"}
	switch {
	case len(c.Parameters) != 2 || !w.lists && c.Parameters["workload"] != "rw-register":
		return fmt.Errorf("the parameters have to be level and workload, and workload one of rw-register and list-append")
	case w.level != "read-committed" && w.level != "read-atomic" && w.level != "causal":
		return fmt.Errorf("level %q is none of read-committed, read-atomic and causal", w.level)
	}
	if err := w.transactions(); err != nil {
		return err
	}
	if c.Verdict == claim.Invalid {
		return w.broken()
	}
	var e struct {
		Order []int `json:"order"`
	}
	if err := c.ReadEvidence(&e); err != nil {
		return err
	}
	return w.ordered(e.Order)
}

// weak is a history of accesses to registers: transactions, or operations as
// transactions of one step. Transactions are known by their place among the
// operations, and the initial state is nobody.
type weak struct {
	*claim.Claim
	level  string
	lists  bool
	lines  map[[2]string]int // numbers of sessions, by process and, if that matters, node
	line   []int             // the session of each transaction
	names  map[string]int    // numbers of keys and values, by their names
	steps  [][]access
	writes []map[int]int   // by transaction and key, what it wrote last
	writer map[[2]int]int  // of a key and value: who wrote it and did not fail
	at     map[[2]int]int  // of a key and value: in which step
	failed map[[2]int]bool // of a key and value: one that failed wrote it
}

// access is a micro-operation. The value of a read of the initial state is unset.
type access struct {
	write      bool
	key, value int
}

const nobody = -1

// unset is the number of nil.
const unset = 0

func (w *weak) transactions() error {
	w.begin()
	for i := range w.Ops {
		o := &w.Ops[i]
		w.session(i, "")
		if o.Call.Value().Kind() != history.KindList {
			return fmt.Errorf("index %d is not a transaction", o.Inv)
		}
		for _, m := range o.Call.Value().Elems() {
			a, err := w.micro(m)
			if err != nil {
				return fmt.Errorf("index %d: %w", o.Inv, err)
			}
			if a.write || o.Happened() {
				err = w.add(i, a)
			} else {
				w.steps[i] = append(w.steps[i], access{}) // it keeps its place, but shows nothing
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *weak) begin() {
	w.steps, w.writes = make([][]access, len(w.Ops)), make([]map[int]int, len(w.Ops))
	w.lines, w.line = make(map[[2]string]int), make([]int, len(w.Ops))
	w.names = map[string]int{claim.Name(history.Nil): unset}
	w.writer, w.at, w.failed = make(map[[2]int]int, len(w.Ops)), make(map[[2]int]int, len(w.Ops)), make(map[[2]int]bool)
}

// session puts a transaction into the session of its process at a node.
func (w *weak) session(i int, node string) {
	at := [2]string{w.Ops[i].Invoke.Process.String(), node}
	n, ok := w.lines[at]
	if !ok {
		n = len(w.lines)
		w.lines[at] = n
	}
	w.line[i] = n
}

// add gives a transaction one more step.
func (w *weak) add(i int, a access) error {
	w.steps[i] = append(w.steps[i], a)
	at := [2]int{a.key, a.value}
	_, again := w.writer[at]
	switch {
	case !a.write:
		return nil
	case a.value == unset:
		return fmt.Errorf("index %d writes nil", w.Ops[i].Inv)
	case w.Ops[i].Failed():
		w.failed[at] = true
		return nil
	case again:
		return fmt.Errorf("index %d writes a value that was written before: nobody knows who was read", w.Ops[i].Inv)
	}
	w.writer[at], w.at[at] = i, len(w.steps[i])-1
	if w.writes[i] == nil {
		w.writes[i] = make(map[int]int, 4)
	}
	w.writes[i][a.key] = a.value
	return nil
}

// micro reads a micro-operation.
func (w *weak) micro(m history.Value) (access, error) {
	parts := m.Elems()
	if m.Kind() != history.KindList || len(parts) < 2 || len(parts) > 3 {
		return access{}, fmt.Errorf("%v is no micro-operation", m)
	}
	value := history.Nil
	if len(parts) == 3 {
		value = claim.Known(parts[2])
	}
	f := parts[0].Text()
	a := access{key: w.number(parts[1])}
	switch {
	case f == "r" || f == "read":
		if list := value.Elems(); w.lists && len(list) > 0 {
			value = claim.Known(list[len(list)-1])
		} else if w.lists {
			value = history.Nil
		}
	case w.lists && (f == "append" || f == "a"), !w.lists && (f == "w" || f == "write"):
		a.write = true
	default:
		return a, fmt.Errorf("%v is no micro-operation", m)
	}
	a.value = w.number(value)
	return a, nil
}

// number returns the number of a key or value.
func (w *weak) number(v history.Value) int {
	text := claim.Name(v)
	n, ok := w.names[text]
	if !ok {
		n = len(w.names)
		w.names[text] = n
	}
	return n
}

// source says who a read read from: itself, nobody, or another one; or what is
// wrong with it.
func (w *weak) source(i, step int) (from int, wrong string) {
	mine := unset
	for _, a := range w.steps[i][:step] {
		if a.write && a.key == w.steps[i][step].key {
			mine = a.value
		}
	}
	return w.sourceAfter(i, step, mine)
}

// sourceAfter does so if mine is what the transaction wrote last to the key.
func (w *weak) sourceAfter(i, step, mine int) (from int, wrong string) {
	r := w.steps[i][step]
	at := [2]int{r.key, r.value}
	from, written := w.writer[at]
	switch {
	case mine != unset && mine == r.value:
		return i, ""
	case r.value == unset && mine == unset:
		return nobody, ""
	case r.value == unset:
		return nobody, "NotMyOwnWrite"
	case !written && w.failed[at]:
		return nobody, "AbortedRead"
	case !written:
		return nobody, "ThinAirRead"
	case from == i && w.at[at] < step:
		return i, "NotMyLastWrite"
	case from == i:
		return i, "FutureRead"
	case mine != unset:
		return from, "NotMyOwnWrite"
	case w.writes[from][r.key] != r.value:
		return from, "IntermediateRead"
	}
	return from, ""
}

// sources returns for each step who it read from; itself for what is no read.
func (w *weak) sources(i int) ([]int, error) {
	list := make([]int, len(w.steps[i]))
	mine := make(map[int]int, len(w.writes[i]))
	for at, a := range w.steps[i] {
		list[at] = i
		if a.write {
			mine[a.key] = a.value
		}
		if a.write || !w.Ops[i].Happened() {
			continue
		}
		from, wrong := w.sourceAfter(i, at, mine[a.key])
		if wrong != "" {
			return nil, fmt.Errorf("index %d, step %d: %s", w.Ops[i].Inv, at, wrong)
		}
		list[at] = from
	}
	return list, nil
}

// ordered confirms a commit order.
func (w *weak) ordered(order []int) error {
	pos, list, err := w.positions(order)
	if err != nil {
		return err
	}
	from := make([][]int, len(w.Ops))
	last := make([]int, len(w.lines)) // of a session, the position
	for i := range w.Ops {
		o := &w.Ops[i]
		if o.Happened() && pos[i] == 0 {
			return fmt.Errorf("index %d was ok, but is not in the order", o.Inv)
		}
		if pos[i] == 0 {
			continue
		}
		if pos[i] < last[w.line[i]] {
			return fmt.Errorf("index %d is before what its session did before", o.Inv)
		}
		if from[i], err = w.sources(i); err != nil {
			return err
		}
		for _, f := range from[i] {
			if f != nobody && f != i && (pos[f] == 0 || pos[f] > pos[i]) {
				return fmt.Errorf("index %d read from index %d, which is not before it", o.Inv, w.Ops[f].Inv)
			}
		}
		if o.Happened() {
			last[w.line[i]] = pos[i]
		}
	}
	if w.level == "causal" {
		return w.causal(list, pos, from)
	}
	return w.seen(list, pos, from)
}

// positions returns the positions in the order from 1 on, and who is there.
func (w *weak) positions(order []int) (pos, list []int, err error) {
	pos = make([]int, len(w.Ops))
	for at, index := range order {
		if _, err := w.Op(index); err != nil {
			return nil, nil, err
		}
		i := w.Place[index] - 1
		if pos[i] != 0 || w.Ops[i].Failed() {
			return nil, nil, fmt.Errorf("index %d failed, or is in the order twice", index)
		}
		pos[i] = at + 1
		list = append(list, i)
	}
	return pos, list, nil
}

// seen confirms read-committed and read-atomic, one reader after the other.
func (w *weak) seen(list, pos []int, from [][]int) error {
	session := make([]map[int]int, len(w.lines)) // by key, the position of who wrote it last
	for _, i := range list {
		mine := session[w.line[i]]
		if mine == nil {
			mine = make(map[int]int)
			session[w.line[i]] = mine
		}
		see := make(map[int]int) // by key, the position of the last writer that can be seen
		if w.level == "read-atomic" {
			for at := range w.steps[i] {
				w.show(see, i, from[i][at], pos)
			}
		}
		for at, a := range w.steps[i] {
			f := from[i][at]
			if a.write || f == i {
				continue
			}
			limit := see[a.key]
			if w.level == "read-atomic" {
				limit = max(limit, mine[a.key])
			}
			if err := w.misses(i, f, limit, pos); err != nil {
				return err
			}
			w.show(see, i, f, pos)
		}
		if w.Ops[i].Happened() {
			for k := range w.writes[i] {
				mine[k] = pos[i]
			}
		}
	}
	return nil
}

// show makes what f wrote visible to i, as far as i could read it.
func (w *weak) show(see map[int]int, i, f int, pos []int) {
	if f == nobody || f == i {
		return
	}
	if len(w.writes[f]) <= len(w.steps[i]) {
		for k := range w.writes[f] {
			see[k] = max(see[k], pos[f])
		}
		return
	}
	for _, a := range w.steps[i] {
		if _, ok := w.writes[f][a.key]; ok {
			see[a.key] = max(see[a.key], pos[f])
		}
	}
}

// misses fails if i read from f, although it could see a later write.
func (w *weak) misses(i, f, limit int, pos []int) error {
	at := 0
	if f != nobody {
		at = pos[f]
	}
	if at < limit {
		return fmt.Errorf("index %d reads from number %d of the order, but can see number %d, which writes the same key", w.Ops[i].Inv, at, limit)
	}
	return nil
}

// past has vector clocks: how many transactions of each session are in the past
// of another. One of unknown outcome is a session of its own that goes off from
// another.
type past struct {
	now    [][]int32                 // by session, its clock
	clocks map[int][]int32           // of transactions that will still be read from
	uses   []int                     // how often they will be
	wrote  map[int]map[int32]*column // by key and session
}

// column is what one session wrote to a key: when, counted in its transactions,
// and where in the order.
type column struct{ count, pos []int }

// causal confirms that each read is of the last write of its past.
func (w *weak) causal(list, pos []int, from [][]int) error {
	p := past{make([][]int32, len(w.lines)), make(map[int][]int32), make([]int, len(w.Ops)), make(map[int]map[int32]*column)}
	for i := range from {
		for _, f := range w.others(i, from) {
			p.uses[f]++
		}
	}
	for _, i := range list {
		s, clock := p.session(&w.Ops[i], w.line[i])
		for _, f := range w.others(i, from) {
			clock = later(clock, p.clocks[f])
			if p.uses[f]--; p.uses[f] == 0 {
				delete(p.clocks, f)
			}
		}
		for at, f := range from[i] {
			if f == i {
				continue
			}
			for session, col := range p.wrote[w.steps[i][at].key] {
				if err := w.misses(i, f, col.last(clock, session), pos); err != nil {
					return err
				}
			}
		}
		for len(clock) <= s {
			clock = append(clock, 0)
		}
		clock[s]++
		p.now[s] = clock
		if p.uses[i] > 0 {
			p.clocks[i] = slices.Clone(clock)
		}
		for k := range w.writes[i] {
			p.write(k, int32(s), int(clock[s]), pos[i])
		}
	}
	return nil
}

// others returns who a transaction read from.
func (w *weak) others(i int, from [][]int) []int {
	list := make([]int, 0, len(from[i]))
	for _, f := range from[i] {
		if f != nobody && f != i {
			list = append(list, f)
		}
	}
	return list
}

// session returns the session of an operation, and its clock so far.
func (p *past) session(o *claim.Op, line int) (s int, clock []int32) {
	if o.Happened() {
		return line, p.now[line]
	}
	p.now = append(p.now, nil)
	return len(p.now) - 1, slices.Clone(p.now[line])
}

func (p *past) write(key int, session int32, count, pos int) {
	if p.wrote[key] == nil {
		p.wrote[key] = make(map[int32]*column)
	}
	if p.wrote[key][session] == nil {
		p.wrote[key][session] = new(column)
	}
	col := p.wrote[key][session]
	col.count, col.pos = append(col.count, count), append(col.pos, pos)
}

// later returns a clock that is at least as late as both.
func later(clock, other []int32) []int32 {
	for s, n := range other {
		if s == len(clock) {
			clock = append(clock, 0)
		}
		clock[s] = max(clock[s], n)
	}
	return clock
}

// last returns the position of the last write that a clock has seen, or 0.
func (col *column) last(clock []int32, session int32) int {
	if int(session) >= len(clock) {
		return 0
	}
	n := sort.SearchInts(col.count, int(clock[session])+1)
	if n == 0 {
		return 0
	}
	return col.pos[n-1]
}

// weakEdge says that one transaction has to be before another.
type weakEdge struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"`
	Path []int  `json:"path"`
	Step int    `json:"step"`
}

// broken confirms a read that is wrong, or a cycle.
func (w *weak) broken() error {
	var e struct {
		Anomaly string     `json:"anomaly"`
		Txn     int        `json:"txn"`
		Step    int        `json:"step"`
		Cycle   []weakEdge `json:"cycle"`
	}
	if err := w.ReadEvidence(&e); err != nil {
		return err
	}
	if e.Anomaly != "" {
		i, err := w.reader(e.Txn, e.Step)
		if err != nil {
			return err
		}
		if _, wrong := w.source(i, e.Step); wrong != e.Anomaly {
			return fmt.Errorf("index %d, step %d, is no %s", e.Txn, e.Step, e.Anomaly)
		}
		return nil
	}
	return w.cycle(e.Cycle)
}

// cycle confirms that each edge has to be there, and goes on where the one before
// it ends.
func (w *weak) cycle(cycle []weakEdge) error {
	if len(cycle) == 0 {
		return fmt.Errorf("there is no cycle")
	}
	for at, e := range cycle {
		next := cycle[(at+1)%len(cycle)]
		initial := e.To == nobody && len(cycle) == 1 && e.Kind == "forced"
		if e.To != next.From && !initial {
			return fmt.Errorf("an edge ends at %d, and the next begins at %d", e.To, next.From)
		}
		var err error
		if e.Kind == "forced" {
			err = w.forced(e)
		} else {
			err = w.direct(e.From, e.To, e.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reader returns the transaction that has a read as one of its steps.
func (w *weak) reader(index, step int) (int, error) {
	o, err := w.Op(index)
	if err != nil {
		return 0, err
	}
	i := w.Place[index] - 1
	if !o.Happened() || step < 0 || step >= len(w.steps[i]) || w.steps[i][step].write {
		return 0, fmt.Errorf("step %d of index %d is no read that shows anything", step, index)
	}
	return i, nil
}

// direct confirms an edge of so or wr.
func (w *weak) direct(from, to int, kind string) error {
	a, err := w.Op(from)
	if err != nil {
		return err
	}
	b, err := w.Op(to)
	if err != nil {
		return err
	}
	i := w.Place[to] - 1
	switch {
	case kind != "wr" && a.Happened() && !b.Failed() && a.Inv < b.Inv && w.line[w.Place[from]-1] == w.line[i]:
		return nil
	case kind != "so" && b.Happened() && w.readsFrom(i, w.Place[from]-1, len(w.steps[i])):
		return nil
	}
	return fmt.Errorf("index %d need not be before index %d by %s", from, to, kind)
}

// readsFrom reports whether one of the first steps of i reads from another one.
func (w *weak) readsFrom(i, from, steps int) bool {
	for at, a := range w.steps[i][:steps] {
		if writer, ok := w.writer[[2]int{a.key, a.value}]; a.write || !ok || writer != from {
			continue
		}
		if f, wrong := w.source(i, at); f == from && f != i && wrong == "" {
			return true
		}
	}
	return false
}

// forced confirms that the last of the path can see what it did not read.
func (w *weak) forced(e weakEdge) error {
	if len(e.Path) < 2 || e.Path[0] != e.From || w.level != "causal" && len(e.Path) > 2 {
		return fmt.Errorf("%v is not the way that %s sees index %d", e.Path, w.level, e.From)
	}
	for at := range e.Path[1:] {
		if err := w.direct(e.Path[at], e.Path[at+1], "so or wr"); err != nil {
			return err
		}
	}
	reader := e.Path[len(e.Path)-1]
	i, err := w.reader(reader, e.Step)
	if err != nil {
		return err
	}
	from, to := w.Place[e.From]-1, nobody
	if e.To != nobody {
		if _, err := w.Op(e.To); err != nil {
			return err
		}
		to = w.Place[e.To] - 1
	}
	if w.level == "read-committed" && !w.readsFrom(i, from, e.Step) {
		return fmt.Errorf("index %d reads nothing from index %d before step %d", reader, e.From, e.Step)
	}
	_, writes := w.writes[from][w.steps[i][e.Step].key]
	if f, wrong := w.source(i, e.Step); f != to || f == i || wrong != "" || from == to || !writes {
		return fmt.Errorf("step %d of index %d does not put index %d before %d", e.Step, reader, e.From, e.To)
	}
	return nil
}
