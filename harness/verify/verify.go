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
// What the evidence is depends on the definition. There is a package for each family
// of definitions, whose comment says so. Who wants to believe one kind of claim reads
// that package, this file and the package claim, which all of them share:
//
//	package      lines  definitions
//	claim          400  (read by all of them)
//	linearizable  1900  linearizable
//	transactions  1900  transactions, isolated-registers
//	sessions      1700  sessions, weak-isolation
//	predicates     300  adya, predicate
//	collections   2600  set, set-full, unique-ids, queue, total-queue,
//	                    bank, counter, pn-counter, long-fork, causal-reverse,
//	                    monotonic, converge, causal-writes
//	logs          1200  log
//	streams        900  stream, watch, staleness,
//	                    strong-eventual-consistency
//	systems       3200  ledger, notary, files, append, batch, lease
package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
	"github.com/ordeal-dev/ordeal/harness/verify/collections"
	"github.com/ordeal-dev/ordeal/harness/verify/linearizable"
	"github.com/ordeal-dev/ordeal/harness/verify/logs"
	"github.com/ordeal-dev/ordeal/harness/verify/predicates"
	"github.com/ordeal-dev/ordeal/harness/verify/sessions"
	"github.com/ordeal-dev/ordeal/harness/verify/streams"
	"github.com/ordeal-dev/ordeal/harness/verify/systems"
	"github.com/ordeal-dev/ordeal/harness/verify/transactions"
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
	if err := claim.Decode(certificate, &c); err != nil {
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
		confirmed, err := Claim(h, raw)
		if err != nil {
			return nil, fmt.Errorf("claim %d (%s): %w", i+1, confirmed.Definition, err)
		}
		all = append(all, confirmed)
	}
	return all, nil
}

// Claim confirms one claim about h, given as JSON.
func Claim(h *history.History, raw []byte) (Confirmed, error) {
	c, err := definitions.Confirm(h, raw)
	return Confirmed{c.Definition, c.Parameters, c.Verdict}, err
}

// families are the packages that know definitions.
var families = []claim.Definitions{
	linearizable.Definitions, transactions.Definitions, sessions.Definitions, predicates.Definitions,
	collections.Definitions, logs.Definitions, streams.Definitions, systems.Definitions,
}

// definitions has what confirms the claims of each definition, of all families.
var definitions = merged()

func merged() claim.Definitions {
	all := claim.Definitions{}
	for _, family := range families {
		maps.Copy(all, family)
	}
	return all
}
