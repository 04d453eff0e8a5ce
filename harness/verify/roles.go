package verify

import "fmt"

// roleRule is a way in which a history can break a definition that consists of
// rules. It sees whether some operations do, which are given in the order of
// their roles, with what they are about.
type roleRule struct {
	roles  int
	broken func(ops []*op, item string) bool
}

// byRoles confirms a claim about a definition that consists of rules: invalid, if
// the evidence names a rule and operations that break it; ok, if holds finds
// that every rule holds, for which no evidence is needed. The evidence is
//
//	{"anomaly": "deep-reorg", "ops": [0, 4], "item": "b7"}
//
// with ops in the order of the roles that the rule gives them.
func (c *claim) byRoles(rules map[string]roleRule, holds func() error) error {
	if c.Verdict == valid {
		return holds()
	}
	var core struct {
		Anomaly string `json:"anomaly"`
		Ops     []int  `json:"ops"`
		Item    string `json:"item"`
	}
	if err := c.evidence(&core); err != nil {
		return err
	}
	r, ok := rules[core.Anomaly]
	if !ok || len(core.Ops) != r.roles {
		return fmt.Errorf("no rule is called %q and is broken by %d operations", core.Anomaly, len(core.Ops))
	}
	ops := make([]*op, len(core.Ops))
	for i, index := range core.Ops {
		var err error
		if ops[i], err = c.op(index); err != nil {
			return err
		}
	}
	if !r.broken(ops, core.Item) {
		return fmt.Errorf("operations %v do not show %s %s", core.Ops, core.Anomaly, core.Item)
	}
	return nil
}
