// Package verify confirms certificates: it decides from the definitions alone
// whether the evidence for a verdict holds, and trusts no checker. It imports
// none, shares no code with one, and is meant to be read before it is believed.
//
// A certificate is a JSON document:
//
//	{"certificate": 1,
//	 "digest": "sha256:…",       of the history: its records as JSON lines
//	 "claims": [
//	   {"definition": "linearizable", "parameters": {"model": "register"},
//	    "verdict": "ok", "evidence": …}]}
//
// A claim says that the history meets a definition (ok) or does not (invalid).
// What the evidence is depends on the definition; the files of this package
// say so, one for each family:
//
//	linear.go   linearizable: an order of the operations; or a proof that there is none
//	elements.go    set, set-full, unique-ids: nothing; or operations that show an anomaly
//	deliveries.go  queue, total-queue: the same
//	totals.go      bank, counter, pn-counter: the same
//	order.go       long-fork, causal-reverse: the same
//	rows.go        monotonic: the same
//	agreement.go   converge: the same
//	survivors.go   causal-writes: the same
//	log.go, loggroup.go    log: an order of the operations; or operations that break a rule, or a cycle
//	staleness.go   staleness, strong-eventual-consistency: nothing; or operations that break a rule, see ruling.go
//	watch.go       watch: the same
//	stream.go      stream: the same
//	adya.go        adya: the same; predicate: an order of the transactions, or operations that break a rule, or a cycle
//	weak.go        weak-isolation: a commit order; or a wrong read, or a cycle
//	session.go     sessions: one order or one for each session; or a wrong read, or a cycle
//	txn.go, txn….go        transactions: an order; or an anomaly with its steps
//	polygraph.go           isolated-registers: an order; or a proof that there is none
//	ledger.go, notary.go, files.go, append.go, lease.go, batch.go
//	               ledger, notary, files, append, lease, batch: nothing; or operations in the roles of a rule, see roles.go
//
// Operations are named by the index of their invocation. An operation is before
// another in real time if it was completed before the other was invoked, by the
// order of the records, which one scheduler wrote down. One that failed did not
// happen; one whose outcome is unknown may have happened at any time after its
// invocation, or never.
package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Format is the version of the format of certificates.
const Format = 1

// Certificate is a certificate as it is written to a file.
type Certificate struct {
	Format int               `json:"certificate"`
	Digest string            `json:"digest"`
	Claims []json.RawMessage `json:"claims"`
	// Without names the checkers that had a say in the verdict and have no
	// evidence: what they found is not confirmed by this certificate.
	Without []string `json:"without,omitempty"`
}

// Confirmed is a claim that was found to be true.
type Confirmed struct {
	Definition string            `json:"definition"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Verdict    string            `json:"verdict"`
}

// Digest identifies the records of a history, whatever format they came in.
func Digest(h *history.History) string {
	sum := sha256.New()
	var line []byte
	for i := range h.Ops {
		line = append(history.AppendJSON(line[:0], &h.Ops[i]), '\n')
		sum.Write(line)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// Verify confirms every claim of a certificate about h, or says which one does
// not hold and why.
func Verify(h *history.History, certificate []byte) ([]Confirmed, error) {
	var c Certificate
	if err := decode(certificate, &c); err != nil {
		return nil, fmt.Errorf("this is no certificate: %w", err)
	}
	switch {
	case c.Format != Format:
		return nil, fmt.Errorf("this is no certificate of format %d but of format %d", Format, c.Format)
	case len(c.Claims) == 0:
		return nil, fmt.Errorf("the certificate claims nothing")
	case c.Digest != Digest(h):
		return nil, fmt.Errorf("the certificate is for another history: its digest is %s, that of this history is %s", c.Digest, Digest(h))
	}
	var all []Confirmed
	for i, raw := range c.Claims {
		confirmed, err := VerifyClaim(h, raw)
		if err != nil {
			return nil, fmt.Errorf("claim %d (%s): %w", i+1, confirmed.Definition, err)
		}
		all = append(all, confirmed)
	}
	return all, nil
}

// VerifyClaim confirms one claim about h, given as JSON.
func VerifyClaim(h *history.History, raw []byte) (Confirmed, error) {
	var c claim
	if err := decode(raw, &c); err != nil {
		return Confirmed{}, fmt.Errorf("this is no claim: %w", err)
	}
	confirmed := Confirmed{c.Definition, c.Parameters, c.Verdict}
	define, ok := definitions[c.Definition]
	switch {
	case !ok:
		return confirmed, fmt.Errorf("nobody here knows the definition %q", c.Definition)
	case c.Verdict != valid && c.Verdict != invalid:
		return confirmed, fmt.Errorf("the verdict is %q; only ok and invalid can be confirmed", c.Verdict)
	}
	if err := c.read(h); err != nil {
		return confirmed, err
	}
	return confirmed, define(&c)
}

// The verdicts that can be confirmed.
const (
	valid   = "ok"
	invalid = "invalid"
)

// definitions has what confirms the claims of each definition.
var definitions = map[string]func(*claim) error{
	"watch":                       isWatch,
	"stream":                      isStream,
	"adya":                        isAdya,
	"predicate":                   isPredicate,
	"files":                       files,
	"lease":                       lease,
	"batch":                       batch,
	"append":                      appends,
	"causal-writes":               causalWrites,
	"linearizable":                linearizable,
	"log":                         isLog,
	"staleness":                   isStale,
	"strong-eventual-consistency": isStrongEventual,
	"set":                         setAtEnd,
	"set-full":                    setFull,
	"unique-ids":                  uniqueIDs,
	"queue":                       plainQueue,
	"total-queue":                 totalQueue,
	"bank":                        bank,
	"counter":                     strictCounter,
	"pn-counter":                  eventualCounter,
	"long-fork":                   longFork,
	"causal-reverse":              causalReverse,
	"monotonic":                   monotonic,
	"converge":                    converge,
	"ledger":                      ledger,
	"notary":                      notary,
	"weak-isolation":              weakIsolation,
	"sessions":                    sessionGuarantee,
	"transactions":                transactions,
	"isolated-registers":          isolatedRegisters,
}

// claim is what has to be confirmed, with the history it is about.
type claim struct {
	Definition string            `json:"definition"`
	Parameters map[string]string `json:"parameters"`
	Verdict    string            `json:"verdict"`
	Evidence   json.RawMessage   `json:"evidence"`

	ops   []op        // in the order of their invocations
	place []int       // by the index of an invocation, the place in ops plus one
	asked *history.Op // the last record of what the replicas hold, if there is one

	windows []history.Window // of the faults
}

// op is an operation of a client.
type op struct {
	history.Call
	inv, res int // when it was invoked and completed: places in the history; res is never if nobody knows
}

// never is after everything that was recorded.
const never = math.MaxInt

// happened reports whether the operation certainly took effect.
func (o *op) happened() bool { return o.Type() == history.OK }

// failed reports whether it certainly did not.
func (o *op) failed() bool { return o.Type() == history.Fail }

// before reports whether o was completed before p was invoked.
func (o *op) before(p *op) bool { return o.res < p.inv }

// read takes the operations from the history.
func (c *claim) read(h *history.History) error {
	calls, err := h.Calls()
	if err != nil {
		return err
	}
	c.windows = h.Windows()
	c.asked = lastReplicas(h)
	c.place = make([]int, len(h.Ops))
	c.ops = make([]op, len(calls))
	for i, call := range calls {
		if call.Invoke.Index < 0 || call.Invoke.Index >= len(h.Ops) {
			return fmt.Errorf("index %d is outside of the history", call.Invoke.Index)
		}
		c.ops[i] = op{Call: call, inv: call.Invoke.Index, res: never}
		if call.Type() == history.OK || call.Type() == history.Fail {
			c.ops[i].res = call.Complete.Index
		}
		c.place[call.Invoke.Index] = i + 1
	}
	return nil
}

// op returns the operation that was invoked at an index.
func (c *claim) op(index int) (*op, error) {
	if index < 0 || index >= len(c.place) || c.place[index] == 0 {
		return nil, fmt.Errorf("index %d is no invocation of a client", index)
	}
	return &c.ops[c.place[index]-1], nil
}

// evidence reads the evidence into a value of the form that the definition takes.
func (c *claim) evidence(into any) error {
	if len(c.Evidence) == 0 {
		return fmt.Errorf("there is no evidence")
	}
	if err := decode(c.Evidence, into); err != nil {
		return fmt.Errorf("the evidence has the wrong form: %w", err)
	}
	return nil
}

// decode reads one JSON value, all of whose fields must be known.
func decode(text []byte, into any) error {
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
