package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// subnet is a /24 of a run: the gateway, which is the host, is .1, and the
// nodes follow from .11 on.
type subnet netip.Prefix

const (
	firstNode = 11
	maxNodes  = 255 - firstNode
)

func (s subnet) String() string { return netip.Prefix(s).String() }

func (s subnet) host(n byte) netip.Addr {
	a := netip.Prefix(s).Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a)
}

func (s subnet) gateway() netip.Addr      { return s.host(1) }
func (s subnet) node(node int) netip.Addr { return s.host(byte(firstNode + node)) }

// Subnets are taken from 10.128.0.0/9, beginning at a place that depends on the
// run, so that runs that start together do not all try the same.
const candidates = 1 << 15

func candidate(run string, try int) subnet {
	h := fnv.New32a()
	_, _ = h.Write([]byte(run))
	n := (h.Sum32() + uint32(try)) % candidates
	base := uint32(10)<<24 | uint32(128)<<16
	addr := binary.BigEndian.AppendUint32(nil, base+n<<8)
	return subnet(netip.PrefixFrom(netip.AddrFrom4([4]byte(addr)), 24))
}

// maxTries bounds the subnets that are tried.
const maxTries = 512

// makeNetwork makes a network of its own for a run. Another run may take the
// same addresses at the same moment: the engine then refuses, and the next are tried.
func makeNetwork(ctx context.Context, e *engine, run, name string) (string, subnet, error) {
	used, err := usedPrefixes(ctx, e)
	if err != nil {
		return "", subnet{}, err
	}
	for try := range maxTries {
		s := candidate(run, try)
		if overlaps(used, s) {
			continue
		}
		id, err := e.createNetwork(context.WithoutCancel(ctx), name, s, runLabels(run))
		if errors.Is(err, errTaken) {
			continue
		}
		if err != nil {
			return "", subnet{}, environment("make network %s: %w", name, err)
		}
		return id, s, nil
	}
	return "", subnet{}, environment("no free /24 found in 10.128.0.0/9 after %d tries: remove networks that are not needed (ordeal clean, docker network prune)", maxTries)
}

// usedPrefixes returns what the engine's networks and the routes of this host cover.
func usedPrefixes(ctx context.Context, e *engine) ([]netip.Prefix, error) {
	networks, err := e.networks(ctx, "")
	if err != nil {
		return nil, environment("list networks: %w", err)
	}
	var used []netip.Prefix
	for _, n := range networks {
		for _, s := range n.subnets {
			if p, err := netip.ParsePrefix(s); err == nil {
				used = append(used, p)
			}
		}
	}
	routes, err := netlink.RouteList(nil, syscall.AF_INET)
	if err != nil {
		return nil, environment("list routes: %w", err)
	}
	for _, r := range routes {
		if p, ok := prefixOf(r); ok {
			used = append(used, p)
		}
	}
	return used, nil
}

// prefixOf returns where a route leads, unless it is the default route.
func prefixOf(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(r.Dst.String())
	return p, err == nil && p.Bits() > 0
}

func overlaps(used []netip.Prefix, s subnet) bool {
	for _, p := range used {
		if p.Overlaps(netip.Prefix(s)) {
			return true
		}
	}
	return false
}

func checkNodes(n int) error {
	if n < 1 || n > maxNodes {
		return fmt.Errorf("docker world: %d nodes: it can be 1 to %d", n, maxNodes)
	}
	return nil
}
