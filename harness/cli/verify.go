package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/verify"
	"github.com/ordeal-dev/ordeal/reports/terminal"
)

// writeCertificate writes the evidence for the verdict on h to a file. It fails
// if there is none for the verdict as a whole.
func (a *app) writeCertificate(path string, h *history.History, r *run.Result) error {
	c := verify.Certificate{Format: verify.Format, Digest: verify.Digest(h)}
	proven := false
	for _, name := range r.Judged {
		result := r.Checkers[name]
		if result.Certify == nil {
			c.Without = append(c.Without, name)
			continue
		}
		claim, err := result.Claim()
		if missing := (*checkers.NoClaimError)(nil); errors.As(err, &missing) {
			fmt.Fprintf(a.err, "ordeal: %s: %v\n", name, missing)
			c.Without = append(c.Without, name)
			continue
		} else if err != nil {
			return fmt.Errorf("the certificate of %s: %w", name, err)
		}
		raw, err := json.Marshal(claim)
		if err != nil {
			return fmt.Errorf("the certificate of %s: %w", name, err)
		}
		c.Claims = append(c.Claims, raw)
		proven = proven || claim.Verdict == r.Verdict
	}
	if !proven {
		fmt.Fprintf(a.err, "ordeal: no certificate was written: there is no evidence for %v that could be verified\n", r.Verdict)
		return nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the certificate: %w", err)
	}
	return nil
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify HISTORY CERTIFICATE",
		Short: "Confirm a verdict from its certificate, without trusting a checker",
		Long: `Confirm the claims of a certificate about a history, from the definitions alone:
no code that came to the verdict is used. The exit code is 0 if every claim
holds, whether it says ok or invalid, and 1 if one does not.`,
		Example: `  ordeal check history.edn --workload list-append --certificate proof.json
  ordeal verify history.edn proof.json`,
		RunE: func(_ *cobra.Command, args []string) error { return a.verify(args) },
	}
}

func (a *app) verify(args []string) error {
	if len(args) != 2 {
		return usagef("name a history and its certificate: ordeal verify HISTORY CERTIFICATE")
	}
	h, err := a.readHistory(args[0], 1<<60)
	if err != nil {
		return usage(err)
	}
	certificate, err := os.ReadFile(args[1])
	if err != nil {
		return usage(fmt.Errorf("reading the certificate: %w", err))
	}
	confirmed, err := verify.Verify(h, certificate)
	if err := a.printVerified(confirmed, err); err != nil {
		return err
	}
	if err != nil {
		return verdictError(checkers.Invalid)
	}
	return nil
}

func (a *app) printVerified(confirmed []verify.Confirmed, refusal error) error {
	if a.json {
		doc := map[string]any{"confirmed": refusal == nil, "claims": confirmed}
		if refusal != nil {
			doc["error"] = refusal.Error()
		}
		return a.printJSON(doc)
	}
	if refusal != nil {
		_, err := fmt.Fprintf(a.out, "REFUSED   %v\n", refusal)
		return err
	}
	var rows [][]string
	for _, c := range confirmed {
		var parameters []string
		for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
			parameters = append(parameters, name+"="+c.Parameters[name])
		}
		rows = append(rows, []string{"CONFIRMED", c.Verdict, c.Definition, strings.Join(parameters, " ")})
	}
	return terminal.Table(a.out, []string{"", "verdict", "definition", "parameters"}, rows)
}
