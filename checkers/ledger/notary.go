package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// NotaryName is what the checker of proofs of existence is called.
const NotaryName = "notary"

// Names of the anomalies of a notary.
const (
	LostStamp      = "lost-stamp"
	ChangedStamp   = "changed-stamp"
	PhantomStamp   = "phantom-stamp"
	AbortedStamp   = "aborted-stamp"
	PrematureStamp = "premature-stamp"
	BackdatedStamp = "backdated-stamp"
	FalseProof     = "false-proof"
)

// NotaryAnomalies returns the names of all anomalies of a notary, the gravest first.
func NotaryAnomalies() []string {
	return []string{LostStamp, ChangedStamp, FalseProof, BackdatedStamp, PhantomStamp, AbortedStamp, PrematureStamp}
}

// NotaryReport counts what a notary did.
type NotaryReport struct {
	Documents int            `json:"documents"` // that clients wanted to have stamped
	Stamped   int            `json:"stamped"`   // of these, stamped for sure
	Proofs    int            `json:"proofs"`    // that were asked for with success
	Broken    map[string]int `json:"broken"`    // how often each rule was
}

// NewNotary returns a checker of proofs of existence: what was stamped stays
// stamped, where it was stamped.
//
//	stamp  DOC   => {"block": B, "height": 7} or nil    ok: the stamp is confirmed; nil: it was taken
//	proof  DOC   => {"block": B, "height": 7} or nil    nil: there is no stamp
//	proof  DOC   => {"false": "why"}                    there was an answer, and it proves nothing
//
// A stamp and a proof that name a block each show that the document is in that
// block for good.
//
//	lost-stamp       shown, and a proof that began later finds none
//	changed-stamp    shown in two blocks
//	backdated-stamp  a document was stamped before the stamping of another began, which is in a lower block
//	phantom-stamp    there is a proof of a document that nobody had stamped
//	aborted-stamp    there is a proof, but every stamp of the document failed
//	premature-stamp  there was a proof before any stamp of the document began
//	false-proof      what was given for a proof is none
//
// O(n log n).
func NewNotary() checkers.Checker {
	return checkers.New(NotaryName, func(ctx context.Context, h *history.History) checkers.Result {
		n, err := notarise(ctx, h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return n.result()
	})
}

func (n *notary) result() checkers.Result {
	if n.report.Stamped+n.report.Proofs == 0 {
		return checkers.Unknownf("no stamp and no proof was ok: there is nothing to judge").Detail(n.report)
	}
	return n.book.Result(NotaryAnomalies(), NotaryName, nil, nil).Detail(n.report)
}

// notary is what is known of a notary.
type notary struct {
	clock  checkers.Clock
	names  intern.Table
	docs   []document // by number of the name
	shown  []showing  // of all documents, in the order of invocation
	report NotaryReport
	book   rules.Book
}

// document is what happened to a document.
type document struct {
	first    history.Call // its first stamp
	possible bool         // some stamp did not fail
	shows    []showing    // in the order of invocation
	lacks    []history.Call
}

// showing is a call that showed a document in a block.
type showing struct {
	history.Call
	doc    int32
	block  history.Value
	height int64
}

func notarise(ctx context.Context, h *history.History) (*notary, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	n := &notary{clock: checkers.ClockOf(calls)}
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations were read: %w", i, len(calls), context.Cause(ctx))
		}
		if err := n.call(c); err != nil {
			return nil, fmt.Errorf("index %d: %w; see what the client records", c.Invoke.Index, err)
		}
	}
	for doc := range n.docs {
		n.judge(int32(doc))
	}
	n.backdated()
	n.report.Broken = n.book.Counts()
	return n, nil
}

func (n *notary) call(c history.Call) error {
	f := c.Invoke.F
	if f != "stamp" && f != "proof" || f == "proof" && c.Type() != history.OK {
		return nil
	}
	if err := scalar(c.Invoke.Value); err != nil {
		return err
	}
	doc := n.names.ID(c.Invoke.Value)
	if int(doc) == len(n.docs) {
		n.docs = append(n.docs, document{})
	}
	d := &n.docs[doc]
	if f == "stamp" {
		if d.first.Invoke == nil {
			n.report.Documents++
			d.first = c
		}
		d.possible = d.possible || c.Type() != history.Fail
	} else {
		n.report.Proofs++
	}
	if c.Type() != history.OK {
		return nil
	}
	v := c.Complete.Value
	if f == "proof" && v.IsNil() {
		d.lacks = append(d.lacks, c)
		return nil
	}
	if v.IsNil() {
		return nil // it was taken, and nothing was said of where it is
	}
	if why := v.Get("false"); f == "proof" && !why.IsNil() {
		n.note(FalseProof, doc, fmt.Sprintf("process %v%s asked for document %s at %s and got what is no proof of it: %s",
			c.Invoke.Process, through(c.Invoke), checkers.KeyName(n.names.Value(doc)), n.clock.At(c.Invoke), checkers.KeyName(why)), c)
		return nil
	}
	height, ok := v.Get("height").Int()
	if !ok || v.Get("block").IsNil() {
		return fmt.Errorf("a %s has to return a block and its height, not %v", f, v)
	}
	if f == "stamp" {
		n.report.Stamped++
	}
	s := showing{c, doc, v.Get("block"), height}
	d.shows, n.shown = append(d.shows, s), append(n.shown, s)
	return nil
}

// judge judges the proofs of one document.
func (n *notary) judge(doc int32) {
	d := &n.docs[doc]
	if len(d.shows) == 0 {
		return
	}
	known := slices.MinFunc(d.shows, func(a, b showing) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	for _, c := range d.lacks {
		if known.Complete.Index < c.Invoke.Index {
			n.note(LostStamp, doc, fmt.Sprintf("%s; after that, process %v%s asked for it at %s and was told that there is none",
				n.tell(known), c.Invoke.Process, through(c.Invoke), n.clock.At(c.Invoke)), known.Call, c)
		}
	}
	for _, s := range d.shows {
		if !s.block.Equal(d.shows[0].block) || s.height != d.shows[0].height {
			n.note(ChangedStamp, doc, n.tell(d.shows[0])+"; "+n.tell(s), d.shows[0].Call, s.Call)
		}
	}
	switch first := d.shows[0]; {
	case d.first.Invoke == nil:
		n.note(PhantomStamp, doc, n.tell(first)+", although nobody had it stamped", first.Call)
	case !d.possible:
		n.note(AbortedStamp, doc, fmt.Sprintf("%s, but every stamp of it failed, as that of process %v at %s",
			n.tell(first), d.first.Invoke.Process, n.clock.At(d.first.Invoke)), d.first, first.Call)
	case known.Complete.Index < d.first.Invoke.Index:
		n.note(PrematureStamp, doc, fmt.Sprintf("%s, but its first stamp did not begin until %s", n.tell(known), n.clock.At(d.first.Invoke)), known.Call, d.first)
	}
}

// backdated finds documents whose first stamp began after another was shown in
// a block that is higher than theirs. It goes through the documents in the order
// of their first stamps, with the highest block shown by then.
func (n *notary) backdated() {
	ended := slices.SortedFunc(slices.Values(n.shown), func(a, b showing) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	var order []int32
	for doc := range n.docs {
		if d := &n.docs[doc]; d.first.Invoke != nil && len(d.shows) > 0 {
			order = append(order, int32(doc))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Compare(n.docs[a].first.Invoke.Index, n.docs[b].first.Invoke.Index)
	})
	var top, other *showing // other is the highest of all documents but that of top
	for _, doc := range order {
		d := &n.docs[doc]
		for ; len(ended) > 0 && ended[0].Complete.Index < d.first.Invoke.Index; ended = ended[1:] {
			top, other = higher(top, other, &ended[0])
		}
		old := top
		if top != nil && top.doc == doc {
			old = other
		}
		low := slices.MinFunc(d.shows, func(a, b showing) int { return cmp.Compare(a.height, b.height) })
		if old != nil && low.height < old.height {
			n.note(BackdatedStamp, doc, fmt.Sprintf("%s; the first stamp of document %s began only then, at %s, but %s",
				n.tell(*old), checkers.KeyName(n.names.Value(doc)), n.clock.At(d.first.Invoke), n.tell(low)), old.Call, d.first, low.Call)
		}
	}
}

// higher takes in another showing.
func higher(top, other, s *showing) (newTop, newOther *showing) {
	switch {
	case top == nil || s.height > top.height && s.doc == top.doc:
		return s, other
	case s.height > top.height:
		return s, top
	case s.doc != top.doc && (other == nil || s.height > other.height):
		return top, s
	default:
		return top, other
	}
}

// tell says what a call showed.
func (n *notary) tell(s showing) string {
	what := "asked for document"
	if s.Invoke.F == "stamp" {
		what = "had document"
	}
	end := "and found it in"
	if s.Invoke.F == "stamp" {
		end = "stamped in"
	}
	return fmt.Sprintf("process %v%s %s %s %s block %s of height %d, by %s", s.Invoke.Process, through(s.Invoke), what,
		checkers.KeyName(n.names.Value(s.doc)), end, checkers.KeyName(s.block), s.height, n.clock.At(s.Complete))
}

func (n *notary) note(rule string, doc int32, why string, calls ...history.Call) {
	f := rules.Finding{Rule: rule, Item: checkers.KeyName(n.names.Value(doc)), Why: why}
	for _, c := range calls {
		f.Ops = append(f.Ops, c.Invoke.Index)
	}
	if rule == LostStamp {
		f.Edges = []checkers.Edge{{From: f.Ops[0], To: f.Ops[1], Kind: "rt", Why: "the first was shown before the second was asked for"}}
	}
	n.book.Add(f)
}
