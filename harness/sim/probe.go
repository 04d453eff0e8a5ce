package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/world"
)

// probe is a question of the harness to the network: a number of packets, of
// which it is noted when they arrive.
type probe struct {
	w       *worker
	arrived []int // how often each of its packets did
	missing int   // how many did not yet
	saw     func(packet int)
}

const (
	probeTries = 3  // times that a link is tried until a packet arrives,
	roughTries = 12 // where a fault may lose most of them,
	roughBurst = 8  // and then with so many packets each time
	probeBits  = 24 // of the id of a probe's event are the number of the packet
)

// newProbe opens a question of so many packets.
func (k control) newProbe(packets int, saw func(packet int)) (p *probe, id uint64) {
	c := k.w.c
	p = &probe{w: k.w, arrived: make([]int, packets), missing: packets, saw: saw}
	c.probes = append(c.probes, p)
	return p, uint64(len(c.probes)-1) << probeBits
}

// closeProbe ends a question: what arrives later is too late.
func (k control) closeProbe(id uint64) { k.w.c.probes[id>>probeBits] = nil }

// Probe implements world.Control. The ends of the links answer for the
// harness, whatever the state of their processes.
func (k control) Probe(links []world.Link) ([]bool, error) {
	if err := k.check(links); err != nil {
		return nil, err
	}
	c, tries, burst := k.w.c, probeTries, 1
	if c.net.slowest > 0 {
		tries, burst = roughTries, roughBurst
	}
	p, id := k.newProbe(len(links), nil)
	for try := range tries {
		for i, l := range links {
			for n := 0; n < burst && p.arrived[i] == 0; n++ {
				c.sendProbe(p, id|uint64(i), l)
			}
		}
		until := c.now + c.net.patience()
		if try == tries-1 {
			until += c.net.slowest
		}
		for p.missing > 0 && c.now < until {
			k.w.wait(until)
		}
	}
	k.closeProbe(id)
	k.hop()
	alive := make([]bool, len(links))
	for i, n := range p.arrived {
		alive[i] = n > 0
	}
	return alive, nil
}

// farBehind is by how much later another packet must have been sent for one to
// count as overtaken by it: less is what a slow network does by itself.
const farBehind = int64(50 * time.Millisecond)

// Measure implements world.Control.
func (k control) Measure(links []world.Link, t world.Train) ([]world.Passage, error) {
	if err := k.check(links); err != nil {
		return nil, err
	}
	if t.Packets < 1 || t.Packets*len(links) >= 1<<probeBits || t.Over < 0 || t.Wait < 0 {
		return nil, fmt.Errorf("sim: %d packets over %v and %v on %d links are no train: take fewer than %d packets, and times of 0 or more",
			t.Packets, t.Over, t.Wait, len(links), 1<<probeBits/max(1, len(links)))
	}
	c, m := k.w.c, newMeasurement(len(links), t.Packets)
	p, id := k.newProbe(len(links)*t.Packets, func(packet int) { m.arrive(packet, c.now) })
	for i := range t.Packets {
		m.sent[i] = c.now
		for l := range links {
			c.sendProbe(p, id|uint64(l*t.Packets+i), links[l])
		}
		k.Sleep(t.Over / time.Duration(t.Packets))
	}
	k.Sleep(t.Wait + time.Duration(c.net.patience()))
	k.closeProbe(id)
	k.hop()
	return m.passages(), nil
}

// measurement is a train on some links. Packets are numbered link by link.
type measurement struct {
	sent []int64         // when each packet of a train was
	last []int64         // by link: when the latest packet that has arrived was sent
	took [][]int64       // by link: how long each packet took
	seen []bool          // which packets arrived
	pass []world.Passage // by link
}

func newMeasurement(links, packets int) *measurement {
	m := &measurement{
		sent: make([]int64, packets), last: make([]int64, links), took: make([][]int64, links),
		seen: make([]bool, links*packets), pass: make([]world.Passage, links),
	}
	for l := range m.pass {
		m.pass[l].Sent = packets
	}
	return m
}

func (m *measurement) arrive(packet int, now int64) {
	link, sent := packet/len(m.sent), m.sent[packet%len(m.sent)]
	if m.seen[packet] {
		m.pass[link].Twice++
		return
	}
	m.seen[packet] = true
	m.took[link] = append(m.took[link], now-sent)
	if sent+farBehind <= m.last[link] {
		m.pass[link].Overtaken++
	}
	m.last[link] = max(m.last[link], sent)
}

func (m *measurement) passages() []world.Passage {
	for l, took := range m.took {
		m.pass[l].Arrived = len(took)
		if slices.Sort(took); len(took) > 0 {
			m.pass[l].Delay = time.Duration(took[len(took)/2])
		}
	}
	return m.pass
}

// patience is how long a packet of the harness may take on a network that is
// well: twice as long as the slowest.
func (n *network) patience() int64 {
	link := n.cfg.Link
	return 2 * int64(link.Base+(longestTail+1)*link.Half)
}

// sendProbe sends a packet by the road of the target's packets. It draws from
// the stream of the worker, so that looking does not change what happens.
func (c *Cluster) sendProbe(p *probe, id uint64, l world.Link) {
	n, at := &c.net, c.net.index(int32(l.From), int32(l.To))
	road := n.cfg.Link
	if l.From == world.Clients || l.To == world.Clients {
		road = n.cfg.Local
	}
	latency, twice := road.draw(&p.w.latency), int64(-1)
	lost := n.rough && p.w.latency.Chance(n.cfg.Loss, million)
	if shape := n.links[at].shape; shape != nil {
		first, second := fares(shape, &p.w.latency)
		lost, latency, twice = lost || first < 0, latency+first, second
	}
	if lost || n.links[at].cut {
		return
	}
	e := event{kind: kProbe, from: int32(l.From), to: int32(l.To), id: id}
	c.queue.push(c.now+latency, e)
	if twice >= 0 {
		c.queue.push(c.now+latency+twice, e)
	}
}

// arriveProbe is the boundary of a node, which answers a probe.
func (c *Cluster) arriveProbe(e *event) {
	if c.net.links[c.net.index(e.from, e.to)].cut {
		return
	}
	c.note(e)
	p, i := c.probes[e.id>>probeBits], int(e.id&(1<<probeBits-1))
	if p == nil {
		return // too late
	}
	if p.saw != nil {
		p.saw(i)
	}
	if p.arrived[i]++; p.arrived[i] > 1 {
		return
	}
	p.missing--
	if p.missing == 0 {
		p.w.nudge(c.now)
	}
}
