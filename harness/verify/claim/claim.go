// Package claim has what all packages share that confirm claims: what a claim and an
// operation are, and how they are read. It has no say in whether a claim holds.
//
// An operation is named by the index of its invocation. It is before another one in
// real time if it was completed before the other was invoked, by the order of the
// records, which one scheduler wrote down. One that failed did not happen; one whose
// outcome is unknown may have happened at any time after its invocation, or never.
//
// A definition that is a list of rules is confirmed with [Claim.ByRules].
package claim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verdicts that can be confirmed.
const (
	Valid   = "ok"
	Invalid = "invalid"
)

// Definitions has what confirms the claims of each definition, by its name.
type Definitions map[string]func(*Claim) error

// Confirm confirms one claim about h, given as JSON, or says why it does not hold.
// It returns the claim as far as it could be read.
func (d Definitions) Confirm(h *history.History, raw []byte) (*Claim, error) {
	var c Claim
	if err := Decode(raw, &c); err != nil {
		return &Claim{}, fmt.Errorf("this is no claim: %w", err)
	}
	define, ok := d[c.Definition]
	switch {
	case !ok:
		return &c, fmt.Errorf("nobody here knows the definition %q", c.Definition)
	case c.Verdict != Valid && c.Verdict != Invalid:
		return &c, fmt.Errorf("the verdict is %q; only ok and invalid can be confirmed", c.Verdict)
	}
	if err := c.About(h); err != nil {
		return &c, err
	}
	own := c // some definitions change the claim that they get
	return &c, define(&own)
}

// Claim is what has to be confirmed, with the history it is about.
type Claim struct {
	Definition string            `json:"definition"`
	Parameters map[string]string `json:"parameters"`
	Verdict    string            `json:"verdict"`
	Evidence   json.RawMessage   `json:"evidence"`

	History *history.History `json:"-"`
	Ops     []Op             `json:"-"` // in the order of their invocations
	Place   []int            `json:"-"` // by the index of an invocation, the place in Ops plus one
}

// Op is an operation of a client.
type Op struct {
	history.Call
	Inv, Res int // when it was invoked and completed: places in the history; Res is Never if nobody knows
}

// Never is after everything that was recorded.
const Never = math.MaxInt

// Happened reports whether the operation certainly took effect.
func (o *Op) Happened() bool { return o.Type() == history.OK }

// Failed reports whether it certainly did not.
func (o *Op) Failed() bool { return o.Type() == history.Fail }

// Before reports whether o was completed before p was invoked.
func (o *Op) Before(p *Op) bool { return o.Res < p.Inv }

// About takes the operations from the history that the claim is about.
func (c *Claim) About(h *history.History) error {
	calls, err := h.Calls()
	if err != nil {
		return err
	}
	c.History = h
	c.Place = make([]int, len(h.Ops))
	c.Ops = make([]Op, len(calls))
	for i, call := range calls {
		if call.Invoke.Index < 0 || call.Invoke.Index >= len(h.Ops) {
			return fmt.Errorf("index %d is outside of the history", call.Invoke.Index)
		}
		c.Ops[i] = Op{Call: call, Inv: call.Invoke.Index, Res: Never}
		if call.Type() == history.OK || call.Type() == history.Fail {
			c.Ops[i].Res = call.Complete.Index
		}
		c.Place[call.Invoke.Index] = i + 1
	}
	return nil
}

// Op returns the operation that was invoked at an index.
func (c *Claim) Op(index int) (*Op, error) {
	if index < 0 || index >= len(c.Place) || c.Place[index] == 0 {
		return nil, fmt.Errorf("index %d is no invocation of a client", index)
	}
	return &c.Ops[c.Place[index]-1], nil
}

// ReadEvidence reads the evidence into a value of the form that the definition takes.
func (c *Claim) ReadEvidence(into any) error {
	if len(c.Evidence) == 0 {
		return fmt.Errorf("there is no evidence")
	}
	if err := Decode(c.Evidence, into); err != nil {
		return fmt.Errorf("the evidence has the wrong form: %w", err)
	}
	return nil
}

// Decode reads one JSON value, all of whose fields must be known.
func Decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("there is more behind it")
	}
	return nil
}
