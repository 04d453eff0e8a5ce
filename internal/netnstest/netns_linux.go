package netnstest

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NS is a network namespace with a thread that lives in it.
type NS struct {
	t    testing.TB
	work chan func()
	file *os.File // keeps the namespace and names it to netlink
}

// New makes an empty namespace with its loopback interface up. It is gone when
// the test ends and the last process in it has ended.
func New(t testing.TB) *NS {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	n := &NS{t: t, work: make(chan func())}
	made := make(chan error)
	go n.run(made)
	if err := <-made; err != nil {
		t.Skipf("needs network namespaces: %v", err)
	}
	t.Cleanup(func() { close(n.work); n.file.Close() })
	n.Do(func() { n.must(up("lo")) })
	return n
}

// run never unlocks its thread, so that Go ends the thread with the goroutine
// and nobody else finds himself in the namespace.
func (n *NS) run(made chan<- error) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		made <- err
		return
	}
	var err error
	n.file, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	made <- err
	for f := range n.work {
		f()
	}
}

// Do runs f on the thread of the namespace and waits for it: sockets that f
// opens and processes that it starts belong to the namespace. f must not end
// the test.
func (n *NS) Do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// Join lays a cable between two namespaces; the addresses have a prefix length
// ("10.0.0.1/24") and are of one network.
func Join(a *NS, addrA string, b *NS, addrB string) {
	a.t.Helper()
	name := "to" + addrB[:len(addrB)-3]
	peer := "to" + addrA[:len(addrA)-3]
	a.Do(func() {
		a.must(netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: name},
			PeerName:      peer,
			PeerNamespace: netlink.NsFd(b.file.Fd()),
		}))
		a.must(address(name, addrA))
	})
	b.Do(func() { b.must(address(peer, addrB)) })
}

func address(link, addr string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	parsed.Flags = unix.IFA_F_NODAD
	if err := netlink.AddrAdd(l, parsed); err != nil {
		return err
	}
	return up(link)
}

func up(link string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

func (n *NS) must(err error) {
	if err != nil {
		n.t.Error("network namespace:", err)
	}
}
