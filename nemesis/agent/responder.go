package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/ordeal-dev/ordeal/internal/proc"
)

// Mono is CLOCK_MONOTONIC in nanoseconds, which controller and agents on one
// host share.
func Mono() int64 { return proc.Mono() }

const (
	probeMagic  = "ordealP1"
	probeSize   = len(probeMagic) + 8
	probeCopies = 3    // one datagram may get lost without any fault
	probeMemory = 4096 // how many nonces a responder remembers
)

// Responder sends probes and remembers those that arrived: UDP datagrams that
// carry a nonce. There is no echo, so that a link can be probed in one
// direction while the other is cut. Every agent has one; a controller makes its
// own to stand for the clients.
type Responder struct {
	conn *net.UDPConn

	mu      sync.Mutex
	seen    map[uint64]Arrival
	order   []uint64 // of seen, oldest first
	waiting map[uint64]chan struct{}
}

// NewResponder listens on a UDP address until Close; port 0 takes a free one.
func NewResponder(addr netip.AddrPort) (*Responder, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("probe responder: %w", err)
	}
	r := &Responder{conn: conn, seen: make(map[uint64]Arrival), waiting: make(map[uint64]chan struct{})}
	go r.receive()
	return r, nil
}

// Addr is where the responder listens.
func (r *Responder) Addr() netip.AddrPort {
	return r.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close ends the responder.
func (r *Responder) Close() error { return r.conn.Close() }

// Send sends a few copies of a probe. That a packet filter of this host refuses
// to send it is no error: the probe does not arrive, and that is the answer.
func (r *Responder) Send(to netip.AddrPort, nonce uint64) error {
	packet := binary.BigEndian.AppendUint64([]byte(probeMagic), nonce)
	for range probeCopies {
		_, err := r.conn.WriteToUDPAddrPort(packet, to)
		if err != nil && !errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("send probe: %w", err)
		}
	}
	return nil
}

// Arrived waits until a probe with the nonce has arrived or ctx is done.
func (r *Responder) Arrived(ctx context.Context, nonce uint64) Arrival {
	r.mu.Lock()
	arrival, ok := r.seen[nonce]
	wait := r.waiting[nonce]
	if !ok && wait == nil {
		wait = make(chan struct{})
		r.waiting[nonce] = wait
	}
	r.mu.Unlock()
	if ok {
		return arrival
	}
	select {
	case <-wait:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[nonce] == wait {
		delete(r.waiting, nonce)
	}
	return r.seen[nonce]
}

func (r *Responder) receive() {
	packet := make([]byte, 64)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n != probeSize || string(packet[:len(probeMagic)]) != probeMagic {
			continue
		}
		r.record(binary.BigEndian.Uint64(packet[len(probeMagic):n]), from)
	}
}

func (r *Responder) record(nonce uint64, from netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.seen[nonce]; ok {
		return
	}
	if len(r.order) == probeMemory {
		delete(r.seen, r.order[0])
		r.order = r.order[1:]
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	r.seen[nonce] = Arrival{Arrived: true, From: from, Mono: Mono()}
	r.order = append(r.order, nonce)
	if wait, ok := r.waiting[nonce]; ok {
		close(wait)
		delete(r.waiting, nonce)
	}
}
