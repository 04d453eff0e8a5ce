package history

import "strings"

// The nemesis writes four kinds of records, each with a map as its value:
//
//	f          value
//	fault      {id, kind, step, nodes, …}   a step in the life of a fault window, see below
//	died       {node, reason, lines}        a node died that nobody killed
//	log        {node, line, at}             a fatal line in a node's log
//	replicas   {n1: {shard: digest}, …}     what every replica held after recovery
//
// A fault window goes through the steps "inject" (the intent, before anything
// is done), "injected" (what was applied, with evidence), "heal" (the intent)
// and "healed" (with evidence). A step that could not be done carries "error".
// "injected" and "healed" carry the "witness", and "healed" says whether the
// window was "exercised".
const (
	FFault    = "fault"
	FDied     = "died"
	FLog      = "log"
	FReplicas = "replicas"
)

// Witness is the result of looking whether a fault took effect.
type Witness string

// A probe saw the fault; a probe saw that it did nothing; nobody can tell.
const (
	Confirmed    Witness = "confirmed"
	Ineffective  Witness = "ineffective"
	Inconclusive Witness = "inconclusive"
)

// Window is one fault from its injection to its healing, as the nemesis
// recorded it.
type Window struct {
	ID        int64
	Kind      string   // "partition", "kill"
	Nodes     []string // the nodes it was aimed at
	Start     int64    // when it was known to be in force
	End       int64    // when healing began; the end of the history if it never did
	Healed    int64    // when it was known to be healed; 0 if never
	Witness   Witness
	Exercised bool
	Injected  Value // the whole record of the injection
	Ended     Value // the whole record of the healing
}

// Overlaps reports whether the window was open at some time from a to b.
func (w Window) Overlaps(a, b int64) bool { return w.Start <= b && a <= w.End }

// Windows returns the fault windows of a history in the order of injection.
// A fault whose injection was never completed has no window.
func (h *History) Windows() []Window {
	var windows []Window
	at := make(map[int64]int)
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Process != Nemesis || op.F != FFault {
			continue
		}
		id, _ := op.Value.Get("id").Int()
		switch op.Value.Get("step").Text() {
		case "injected":
			at[id] = len(windows)
			windows = append(windows, openWindow(id, op))
		case "heal":
			if w, ok := at[id]; ok {
				windows[w].End = op.Time
			}
		case "healed":
			if w, ok := at[id]; ok {
				closeWindow(&windows[w], op)
			}
		}
	}
	if len(h.Ops) > 0 {
		end := h.Ops[len(h.Ops)-1].Time
		for i := range windows {
			if windows[i].End == 0 {
				windows[i].End = end
			}
		}
	}
	return windows
}

// Byzantine returns the nodes that were Byzantine at some time, in the order of their
// windows: what they say is no evidence.
func (h *History) Byzantine() (nodes []string) {
	for _, w := range h.Windows() {
		if strings.HasPrefix(w.Kind, "byzantine") {
			nodes = append(nodes, w.Nodes...)
		}
	}
	return nodes
}

// Recovery returns the record of the nemesis that says what each node held after all
// faults were healed, with an error if they had not recovered; nil if nobody asked.
func (h *History) Recovery() *Op {
	for i := len(h.Ops) - 1; i >= 0; i-- {
		if op := &h.Ops[i]; op.Process == Nemesis && op.F == FReplicas && op.Value.Kind() == KindMap {
			return op
		}
	}
	return nil
}

func openWindow(id int64, op *Op) Window {
	w := Window{
		ID:       id,
		Kind:     op.Value.Get("kind").Text(),
		Start:    op.Time,
		Witness:  Witness(op.Value.Get("witness").Text()),
		Injected: op.Value,
	}
	for _, n := range op.Value.Get("nodes").Elems() {
		w.Nodes = append(w.Nodes, n.Text())
	}
	return w
}

func closeWindow(w *Window, op *Op) {
	w.Healed, w.Ended = op.Time, op.Value
	w.Exercised, _ = op.Value.Get("exercised").Bool()
	// A witness that looks back on the whole window has the last word, unless
	// it could not see: the node may be dead by now because of another fault.
	if seen := Witness(op.Value.Get("witness").Text()); seen == Confirmed || seen == Ineffective {
		w.Witness = seen
	}
}
