package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// fares draws what a fault makes of a packet: how much later it arrives, or -1
// if it is lost, and how long after that a second one does, or -1. Every packet
// takes the same draws, whatever becomes of it.
func fares(p *world.Packets, s *choice.Stream) (first, second int64) {
	lost, twice, held := s.Chance(p.Loss, million), s.Chance(p.Dup, million), s.Chance(p.Reorder, million)
	first = int64(p.Delay) + s.Int64N(int64(p.Jitter)+1)
	behind, second := s.Int64N(int64(p.Behind)+1), s.Int64N(int64(p.Behind)+1)
	if held {
		first += behind
	}
	if !twice || lost {
		second = -1
	}
	if lost {
		first = -1
	}
	return first, second
}

// reshape draws what a fault makes of a packet that would arrive once or, if
// twice is not -1, twice: when it does now, and whether it is lost.
func (n *network) reshape(at int32, once, twice int64) (first, second int64, lost bool) {
	l := &n.links[at]
	more, again := fares(l.shape, &n.shaping[at])
	if more != 0 || again >= 0 {
		l.shaped++
	}
	switch {
	case again >= 0:
		twice = once + more + again
	case twice >= 0:
		twice += more
	}
	return once + more, twice, more < 0
}

// shapedForClient is how much later a packet comes on the way between a client
// of node own and a node, because a fault shapes that way: TCP sends again what
// was lost, drops what comes twice, and waits for what was held back.
func (n *network) shapedForClient(own, node int32, request bool) int64 {
	late := n.later(world.Clients, node, request)
	if own != node {
		late += n.later(own, node, request)
	}
	return late
}

// later is shapedForClient for one link, from near to far if it is a request.
func (n *network) later(near, far int32, request bool) int64 {
	at := n.index(near, far)
	if !request {
		at = n.index(far, near)
	}
	p := n.links[at].shape
	if p == nil {
		return 0
	}
	late, _ := fares(p, &n.shaping[at])
	if late < 0 {
		late = int64(retransmission) + int64(p.Delay)
	}
	if late > 0 {
		n.links[at].shaped++
	}
	return late
}

// Shape implements world.Control.
func (k control) Shape(links []world.Link, p world.Packets) error {
	if err := k.check(links); err != nil {
		return err
	}
	for _, d := range []time.Duration{p.Delay, p.Jitter, p.Behind} {
		if d < 0 || d > longestShape {
			return fmt.Errorf("sim: packets cannot be delayed by %v: from 0 to %v", d, longestShape)
		}
	}
	for _, ppm := range []int64{p.Loss, p.Dup, p.Reorder} {
		if ppm < 0 || ppm > million {
			return fmt.Errorf("sim: loss, dup and reorder are counts in a million, not %d", ppm)
		}
	}
	k.hop()
	k.w.c.net.shape(links, p)
	k.w.c.note(&event{kind: kShape, body: describeShape(links, p)})
	k.hop()
	return nil
}

// longestShape bounds each delay, far from where sums of them overflow.
const longestShape = time.Hour

func (n *network) shape(links []world.Link, p world.Packets) {
	for i := range n.links {
		n.links[i].shape = nil
	}
	n.slowest = 0
	for _, l := range links {
		n.links[n.index(int32(l.From), int32(l.To))].shape = &p
		n.slowest = int64(p.Delay + p.Jitter + p.Behind)
	}
}

func describeShape(links []world.Link, p world.Packets) []byte {
	var b strings.Builder
	for _, l := range links {
		b.WriteString(endName(int32(l.From)) + "→" + endName(int32(l.To)) + " ")
	}
	fmt.Fprintf(&b, "delay %v+%v loss %d dup %d reorder %d behind %v", p.Delay, p.Jitter, p.Loss, p.Dup, p.Reorder, p.Behind)
	return []byte(b.String())
}

// Shaped implements world.Control.
func (k control) Shaped() (map[world.Link]uint64, error) {
	return k.counts(func(l *link) uint64 { return l.shaped })
}
