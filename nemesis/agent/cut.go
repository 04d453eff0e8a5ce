package agent

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/internal/nft"
)

// cutter keeps the rules of this node, and the sums of counters of tables that
// were removed.
type cutter struct {
	table   nft.Table
	probe   uint16
	touched bool // whether there may be rules of ours
	totals  []nft.Count
}

// cut replaces all rules.
func (c *cutter) cut(cut Cut) (Rules, error) {
	rules := nft.Rules{Target: cut.Ports, Probe: []uint16{c.probe}}
	for _, d := range cut.Drops {
		rules.Drops = append(rules.Drops, nft.Drop(d))
	}
	c.touched = true
	if err := c.table.Set(rules); err != nil {
		return Rules{}, fmt.Errorf("%w: does the agent have CAP_NET_ADMIN?", err)
	}
	return c.read()
}

// read asks the kernel.
func (c *cutter) read() (Rules, error) {
	r := Rules{Table: c.table.Name}
	counts := c.totals
	if c.touched {
		now, err := c.table.Counts()
		if err != nil {
			return r, err
		}
		if r.Rules, err = c.table.List(); err != nil {
			return r, err
		}
		counts = sum(counts, now)
	}
	for _, n := range counts {
		r.Packets = append(r.Packets, Count{Peer: n.Peer, Out: n.Out, Class: string(n.Class), Packets: n.Packets, Bytes: n.Bytes})
	}
	return r, nil
}

// heal removes the table. Counters that cannot be read are no reason to keep it.
func (c *cutter) heal() error {
	if !c.touched {
		return nil
	}
	counts, countErr := c.table.Counts()
	if err := c.table.Remove(); err != nil {
		return err
	}
	c.touched = false
	c.totals = sum(c.totals, counts)
	return countErr
}

// sum adds counters of the same kind, and returns them sorted.
func sum(a, b []nft.Count) []nft.Count {
	all := slices.Clone(a)
	for _, n := range b {
		i := slices.IndexFunc(all, func(o nft.Count) bool {
			return o.Peer == n.Peer && o.Out == n.Out && o.Class == n.Class
		})
		if i < 0 {
			all = append(all, n)
			continue
		}
		all[i].Packets += n.Packets
		all[i].Bytes += n.Bytes
	}
	slices.SortStableFunc(all, func(a, b nft.Count) int {
		return cmp.Or(a.Peer.Compare(b.Peer), cmp.Compare(a.Class, b.Class))
	})
	return all
}
