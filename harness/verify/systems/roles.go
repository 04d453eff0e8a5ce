package systems

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// roleRule is a way in which a history can break a definition that consists of
// rules. It sees whether some operations do, which are given in the order of
// their roles, with what they are about.
type roleRule struct {
	roles  int
	broken func(ops []*claim.Op, item string) bool
}

// byRoles confirms a claim about a definition that consists of rules: invalid, if
// the evidence names a rule and operations that break it; ok, if holds finds
// that every rule holds, for which no evidence is needed.
func byRoles(c *claim.Claim, rules map[string]roleRule, holds func() error) error {
	if c.Verdict == claim.Valid {
		return holds()
	}
	var core struct {
		Anomaly string `json:"anomaly"`
		Ops     []int  `json:"ops"`
		Item    string `json:"item"`
	}
	if err := c.ReadEvidence(&core); err != nil {
		return err
	}
	r, ok := rules[core.Anomaly]
	if !ok || len(core.Ops) != r.roles {
		return fmt.Errorf("no rule is called %q and is broken by %d operations", core.Anomaly, len(core.Ops))
	}
	ops := make([]*claim.Op, len(core.Ops))
	for i, index := range core.Ops {
		var err error
		if ops[i], err = c.Op(index); err != nil {
			return err
		}
	}
	if !r.broken(ops, core.Item) {
		return fmt.Errorf("operations %v do not show %s %s", core.Ops, core.Anomaly, core.Item)
	}
	return nil
}
