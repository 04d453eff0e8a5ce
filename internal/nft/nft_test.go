package nft

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRulesRefuse(t *testing.T) {
	t.Parallel()
	peer := netip.MustParseAddr("10.0.0.2")
	for name, d := range map[string]Drop{
		"no address":   {In: true},
		"loopback":     {Peer: netip.MustParseAddr("127.0.0.1"), In: true},
		"loopback 6":   {Peer: netip.IPv6Loopback(), Out: true},
		"any":          {Peer: netip.IPv4Unspecified(), In: true},
		"no direction": {Peer: peer},
	} {
		if (Rules{Drops: []Drop{d}}).check() == nil {
			t.Errorf("%s: %+v was accepted", name, d)
		}
	}
}

// Equal sets of drops give equal rules, in whatever order and however often
// each is named.
func TestRulesNormal(t *testing.T) {
	t.Parallel()
	drop := rapid.Custom(func(t *rapid.T) Drop {
		return Drop{
			Peer: netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "peer")}),
			In:   rapid.Bool().Draw(t, "in"),
			Out:  rapid.Bool().Draw(t, "out"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		drops := rapid.SliceOf(drop).Draw(t, "drops")
		shuffled := rapid.Permutation(append(drops, drops...)).Draw(t, "shuffled")
		a := Rules{Drops: drops, Target: []uint16{1}, Probe: []uint16{2}}.rules()
		b := Rules{Drops: shuffled, Target: []uint16{1}, Probe: []uint16{2}}.rules()
		if !slices.Equal(a, b) {
			t.Fatalf("%v\nand\n%v", a, b)
		}
	})
}

func TestCounterNames(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"10.0.0.2", "fd00::1:2"} {
		for _, out := range []bool{false, true} {
			for _, class := range []Class{Target, Probe, Other} {
				want := counter{netip.MustParseAddr(peer), out, class}
				if got, ok := parseCounter(want.name()); !ok || got != want {
					t.Errorf("%s is read back as %+v", want.name(), got)
				}
			}
		}
	}
	for _, name := range []string{"", "in", "in_target", "up_target_10.0.0.1", "in_mine_10.0.0.1", "in_target_x"} {
		if got, ok := parseCounter(name); ok {
			t.Errorf("%q is read as %+v", name, got)
		}
	}
}
