package nft

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// before puts our chains in front of those that others may have: what we drop
// is dropped, and no one else's rules see it.
const before = -150

func (t Table) table() *nftables.Table {
	return &nftables.Table{Name: t.Name, Family: nftables.TableFamilyINet}
}

// chains returns our two base chains, for what comes in and what goes out.
func (t Table) chains() (in, out *nftables.Chain) {
	chain := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return &nftables.Chain{
			Name:     name,
			Table:    t.table(),
			Type:     nftables.ChainTypeFilter,
			Hooknum:  hook,
			Priority: nftables.ChainPriorityRef(before),
		}
	}
	return chain("input", nftables.ChainHookInput), chain("output", nftables.ChainHookOutput)
}

// connect opens netlink with room for an acknowledgement of every message of a
// large batch.
func connect() (*nftables.Conn, error) {
	conn, err := nftables.New(nftables.WithSockOptions(roomy))
	if err != nil {
		return nil, fmt.Errorf("nft: %w", err)
	}
	return conn, nil
}

func roomy[C interface {
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}](conn C) error {
	const size = 8 << 20
	return errors.Join(conn.SetReadBuffer(size), conn.SetWriteBuffer(size))
}

// find connects and looks whether the kernel has the table.
func (t Table) find() (*nftables.Conn, bool, error) {
	conn, err := connect()
	if err != nil {
		return nil, false, err
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, false, fmt.Errorf("nft: list tables: %w", err)
	}
	return conn, slices.ContainsFunc(tables, func(o *nftables.Table) bool { return o.Name == t.Name }), nil
}

// Set makes the table hold these rules and no others. Counters go on from where
// they are. It is an error, and nothing changes, if the kernel refuses any of it;
// os.ErrPermission (EPERM) means that CAP_NET_ADMIN is missing.
func (t Table) Set(r Rules) error {
	if err := r.check(); err != nil {
		return err
	}
	conn, err := connect()
	if err != nil {
		return err
	}
	in, out := t.chains()
	conn.AddTable(t.table())
	for _, chain := range []*nftables.Chain{in, out} {
		conn.AddChain(chain)
		conn.FlushChain(chain)
	}
	made := make(map[string]bool)
	for _, rule := range r.rules() {
		if name := rule.name(); !made[name] {
			made[name] = true
			conn.AddObj(&nftables.CounterObj{Table: t.table(), Name: name})
		}
		chain := in
		if rule.out {
			chain = out
		}
		conn.AddRule(&nftables.Rule{Table: t.table(), Chain: chain, Exprs: rule.exprs()})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("nft: set %d rules in table %s: %w", len(r.rules()), t.Name, err)
	}
	return nil
}

// Remove deletes the table, its rules and its counters. It is not an error if
// there is none.
func (t Table) Remove() error {
	conn, err := connect()
	if err != nil {
		return err
	}
	conn.DelTable(t.table())
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("nft: remove table %s: %w", t.Name, err)
	}
	return nil
}

// Counts reads all counters of the table, those of past rules included. A table
// that is not there has none.
func (t Table) Counts() ([]Count, error) {
	conn, found, err := t.find()
	if err != nil || !found {
		return nil, err
	}
	objects, err := conn.GetObjects(t.table())
	if err != nil {
		return nil, fmt.Errorf("nft: read counters of table %s: %w", t.Name, err)
	}
	var counts []Count
	for _, o := range objects {
		if c, ok := o.(*nftables.CounterObj); ok {
			if k, ok := parseCounter(c.Name); ok {
				counts = append(counts, Count{k.peer, k.out, k.class, c.Packets, c.Bytes})
			}
		}
	}
	slices.SortFunc(counts, compare)
	return counts, nil
}

func compare(a, b Count) int {
	return cmp.Or(a.Peer.Compare(b.Peer), cmp.Compare(direction(a.Out), direction(b.Out)), cmp.Compare(a.Class, b.Class))
}

// List says what rules the kernel holds, one line each: it is read from the
// kernel and not from what was asked for.
func (t Table) List() ([]string, error) {
	conn, found, err := t.find()
	if err != nil || !found {
		return nil, err
	}
	var lines []string
	in, out := t.chains()
	for _, chain := range []*nftables.Chain{in, out} {
		rules, err := conn.GetRules(t.table(), chain)
		if err != nil {
			return nil, fmt.Errorf("nft: list table %s: %w", t.Name, err)
		}
		for _, r := range rules {
			lines = append(lines, chain.Name+": "+describe(r.Exprs))
		}
	}
	return lines, nil
}
