// Package nft keeps one table of packet filter rules, our own, in the network
// namespace of this process.
//
// [Table.Set] replaces all rules in one batch that the kernel applies as a
// whole: no packet ever meets half of a partition. The rules stand in base
// chains, so they see every packet, those of established connections included.
// Counters are objects of their own that rules refer to, and keep their values
// when the rules are replaced. No other table is read or touched, and everything
// goes over netlink: the command line tool nft is not needed.
package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Drop asks for packets to be lost between this host and a peer: In those that
// come from it, Out those that go to it.
type Drop struct {
	Peer    netip.Addr
	In, Out bool
}

// Rules is all that a table should do.
type Rules struct {
	Drops []Drop
	// Target holds the TCP and UDP ports of the system under test, Probe the UDP
	// ports of the harness: a packet from or to one of them is counted in its class.
	Target, Probe []uint16
}

// Class tells dropped packets apart by their ports.
type Class string

// Packets of the system under test, of the harness, and all others.
const (
	Target Class = "target"
	Probe  Class = "probe"
	Other  Class = "other"
)

// Count is the value of one counter.
type Count struct {
	Peer           netip.Addr
	Out            bool // to the peer; else from it
	Class          Class
	Packets, Bytes uint64
}

// ErrUnsupported says that this system has no nftables.
var ErrUnsupported = errors.New("packet filter rules need Linux with nftables")

// Table is a table by its name, whether the kernel has it or not.
type Table struct{ Name string }

// check refuses what would cut the node off from itself, or be no cut at all.
func (r Rules) check() error {
	for _, d := range r.Drops {
		switch {
		case !d.Peer.IsValid() || d.Peer.IsUnspecified() || d.Peer.IsMulticast():
			return fmt.Errorf("nft: %v is not the address of a peer", d.Peer)
		case d.Peer.IsLoopback():
			return fmt.Errorf("nft: loopback %v is never cut", d.Peer)
		case !d.In && !d.Out:
			return fmt.Errorf("nft: the drop of %v has no direction", d.Peer)
		}
	}
	return nil
}

// counter is what a counter object counts; its name says so.
type counter struct {
	peer  netip.Addr
	out   bool
	class Class
}

// name is a valid identifier for the command line tool as well.
func (c counter) name() string {
	return fmt.Sprintf("%s_%s_%s", direction(c.out), c.class, strings.ReplaceAll(c.peer.String(), ":", "-"))
}

func direction(out bool) string {
	if out {
		return "out"
	}
	return "in"
}

func parseCounter(name string) (counter, bool) {
	part := strings.SplitN(name, "_", 3)
	if len(part) != 3 || !slices.Contains([]string{"in", "out"}, part[0]) {
		return counter{}, false
	}
	peer, err := netip.ParseAddr(strings.ReplaceAll(part[2], "-", ":"))
	c := counter{peer: peer, out: part[0] == "out", class: Class(part[1])}
	return c, err == nil && slices.Contains([]Class{Target, Probe, Other}, c.class)
}

// rule drops and counts what matches: all packets from or to the peer or, if
// port is not 0, those of one transport and port at one end.
type rule struct {
	counter
	protocol byte
	port     uint16
	source   bool // port is the source port, else the destination port
}

// Numbers of IP protocols.
const (
	protocolTCP = 6
	protocolUDP = 17
)

// rules returns what to install, each drop's specific rules before its general one.
func (r Rules) rules() []rule {
	var all []rule
	for _, d := range normal(r.Drops) {
		for _, out := range []bool{false, true} {
			if out && d.Out || !out && d.In {
				all = append(all, r.drop(d.Peer, out)...)
			}
		}
	}
	return all
}

func (r Rules) drop(peer netip.Addr, out bool) []rule {
	var all []rule
	add := func(class Class, protocol byte, ports []uint16) {
		for _, port := range ports {
			for _, source := range []bool{false, true} {
				all = append(all, rule{counter{peer, out, class}, protocol, port, source})
			}
		}
	}
	add(Probe, protocolUDP, r.Probe)
	add(Target, protocolTCP, r.Target)
	add(Target, protocolUDP, r.Target)
	return append(all, rule{counter: counter{peer, out, Other}})
}

// normal merges the drops of one peer and sorts them, so that equal sets give
// equal rules.
func normal(drops []Drop) []Drop {
	var all []Drop
	for _, d := range drops {
		d.Peer = d.Peer.Unmap().WithZone("")
		i := slices.IndexFunc(all, func(o Drop) bool { return o.Peer == d.Peer })
		if i < 0 {
			all = append(all, d)
			continue
		}
		all[i].In = all[i].In || d.In
		all[i].Out = all[i].Out || d.Out
	}
	slices.SortFunc(all, func(a, b Drop) int { return a.Peer.Compare(b.Peer) })
	return all
}
