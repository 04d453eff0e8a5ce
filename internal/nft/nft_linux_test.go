package nft

import (
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"github.com/ordeal-dev/ordeal/internal/netnstest"
)

// pair is two hosts and an established connection between them.
type pair struct {
	t              *testing.T
	left, right    *netnstest.NS
	client, server net.Conn
}

var (
	leftAddr = netip.MustParseAddr("10.0.0.1")
	ours     = Table{Name: "ordeal"}
)

const port = 7000

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, left: netnstest.New(t), right: netnstest.New(t)}
	netnstest.Join(p.left, "10.0.0.1/24", p.right, "10.0.0.2/24")
	var listener net.Listener
	var err1, err2, err3 error
	p.right.Do(func() { listener, err1 = net.Listen("tcp", "10.0.0.2:7000") })
	p.left.Do(func() { p.client, err2 = net.Dial("tcp", "10.0.0.2:7000") })
	if err1 == nil && err2 == nil {
		p.server, err3 = listener.Accept()
	}
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { listener.Close(); p.client.Close(); p.server.Close() })
	return p
}

// crosses reports whether what is written at one end arrives at the other
// within a time, TCP's retries included.
func crosses(from, to net.Conn, within time.Duration) bool {
	from.Write([]byte{'x'})
	to.SetReadDeadline(time.Now().Add(within))
	n, _ := to.Read(make([]byte, 100))
	return n > 0
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) set(ns *netnstest.NS, drops ...Drop) {
	p.t.Helper()
	var err error
	ns.Do(func() { err = ours.Set(Rules{Drops: drops, Target: []uint16{port}, Probe: []uint16{9}}) })
	p.must(err)
}

func (p *pair) counts(ns *netnstest.NS) []Count {
	p.t.Helper()
	var counts []Count
	var err error
	ns.Do(func() { counts, err = ours.Counts() })
	p.must(err)
	return counts
}

func packets(counts []Count, peer netip.Addr, out bool, class Class) uint64 {
	i := slices.IndexFunc(counts, func(c Count) bool { return c.Peer == peer && c.Out == out && c.Class == class })
	if i < 0 {
		return 0
	}
	return counts[i].Packets
}

// A cut in one direction stops an established connection in that direction
// only, as far as TCP lets us see it, and healing lets the bytes through.
func TestCutEstablished(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if !crosses(p.client, p.server, 5*time.Second) || !crosses(p.server, p.client, 5*time.Second) {
		t.Fatal("the control pair does not talk")
	}
	p.set(p.right, Drop{Peer: leftAddr, In: true})
	if crosses(p.client, p.server, 50*time.Millisecond) {
		t.Error("bytes came through a cut link")
	}
	if !crosses(p.server, p.client, 5*time.Second) {
		t.Error("the other direction is cut as well")
	}
	if n := packets(p.counts(p.right), leftAddr, false, Target); n == 0 {
		t.Error("the target's packets were not counted")
	}
	p.set(p.right)
	if !crosses(p.client, p.server, 10*time.Second) {
		t.Error("the link did not heal")
	}
}

// A cut of what goes out, for peers that have no agent.
func TestCutOut(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.set(p.right, Drop{Peer: leftAddr, Out: true})
	if crosses(p.server, p.client, 50*time.Millisecond) {
		t.Error("bytes came through a cut link")
	}
	if n := packets(p.counts(p.right), leftAddr, true, Target); n == 0 {
		t.Error("the target's packets were not counted")
	}
	p.set(p.right)
	if !crosses(p.server, p.client, 10*time.Second) {
		t.Error("the link did not heal")
	}
}

// Counters tell the target's packets from probes and from all others, and go
// on when the rules are replaced.
func TestCountsByClass(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	send := func(port string) {
		p.left.Do(func() {
			conn, err := net.Dial("udp", "10.0.0.2:"+port)
			if err == nil {
				conn.Write([]byte("hello"))
				conn.Close()
			}
		})
	}
	for range 2 {
		p.set(p.right, Drop{Peer: leftAddr, In: true})
		send("7000")
		send("9")
		send("9")
		send("10")
	}
	p.set(p.right)
	counts := p.counts(p.right)
	for class, want := range map[Class]uint64{Target: 2, Probe: 4, Other: 2} {
		if got := packets(counts, leftAddr, false, class); got != want {
			t.Errorf("%s: %d packets, want %d, in %+v", class, got, want, counts)
		}
	}
}

// Set and Remove may be repeated, what List says is what the kernel holds, and
// another's table survives.
func TestOwnTableOnly(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	other := &nftables.Table{Name: "other", Family: nftables.TableFamilyINet}
	var lines []string
	var err error
	p.right.Do(func() { conn, _ := nftables.New(); conn.AddTable(other); err = conn.Flush() })
	p.must(err)
	p.right.Do(func() { err = ours.Remove() })
	p.must(err)
	for range 2 {
		p.set(p.right, Drop{Peer: leftAddr, In: true}, Drop{Peer: netip.MustParseAddr("fd00::5"), In: true, Out: true})
	}
	p.right.Do(func() { lines, err = ours.List() })
	p.must(err)
	want := "input: family ip saddr 10.0.0.1 protocol tcp sport 7000 counter in_target_10.0.0.1 drop"
	if !slices.Contains(lines, want) || len(lines) != 3*7 {
		t.Errorf("%d rules:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for range 2 {
		p.right.Do(func() { err = ours.Remove() })
		p.must(err)
	}
	if left := p.tables(p.right); !slices.Equal(left, []string{"other"}) {
		t.Errorf("left are the tables %v", left)
	}
}

func (p *pair) tables(ns *netnstest.NS) []string {
	var names []string
	ns.Do(func() {
		conn, _ := nftables.New()
		tables, err := conn.ListTables()
		if err != nil {
			p.t.Error(err)
		}
		for _, table := range tables {
			names = append(names, table.Name)
		}
	})
	return names
}

// A large cluster's rules fit into one batch.
func TestManyPeers(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var drops []Drop
	for i := range 200 {
		drops = append(drops, Drop{Peer: netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), In: true, Out: true})
	}
	p.set(p.left, drops...)
	var lines []string
	p.left.Do(func() { lines, _ = ours.List() })
	if len(lines) != 200*2*7 {
		t.Errorf("%d rules", len(lines))
	}
}

// The command line tool, where there is one, sees what we say that there is.
func TestCrossCheck(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("nft is not installed")
	}
	p := newPair(t)
	p.set(p.right, Drop{Peer: leftAddr, In: true})
	var out []byte
	p.right.Do(func() { out, err = exec.Command(tool, "list", "table", "inet", "ordeal").CombinedOutput() })
	p.must(err)
	for _, want := range []string{
		"ip saddr 10.0.0.1 tcp dport 7000 counter name \"in_target_10.0.0.1\" drop",
		"ip saddr 10.0.0.1 udp sport 9 counter name \"in_probe_10.0.0.1\" drop",
		"ip saddr 10.0.0.1 counter name \"in_other_10.0.0.1\" drop",
		"type filter hook input priority",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nft does not show %s:\n%s", want, out)
		}
	}
}
