package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// control is the world.Control of a worker. Each call takes time, as if an
// order went to the machine in question and word came back.
type control struct{ w *worker }

// orders is how long an order takes one way, past the network under test.
var orders = Latency{200 * time.Microsecond, 100 * time.Microsecond}

// answerTime is how long a process may take to answer the harness.
const answerTime = time.Second

// hop waits for as long as an order is under way.
func (k control) hop() { k.w.sleep(time.Duration(orders.draw(&k.w.latency))) }

// at carries out f on the machine of a node.
func (k control) at(node int, f func(n *machine) error) error {
	if err := k.known(node); err != nil {
		return err
	}
	k.hop()
	err := f(k.w.c.nodes[node])
	k.hop()
	return err
}

// known returns an error if there is no such node.
func (k control) known(node int) error {
	if node < 0 || node >= k.Nodes() {
		return fmt.Errorf("sim: there is no node %d: the nodes of this cluster are 0 to %d", node, k.Nodes()-1)
	}
	return nil
}

// Nodes implements world.Control.
func (k control) Nodes() int { return len(k.w.c.nodes) }

// Now implements world.Control.
func (k control) Now() time.Duration { return time.Duration(k.w.c.now) }

// Sleep implements world.Control.
func (k control) Sleep(d time.Duration) { k.w.sleep(d) }

// check returns an error if one of the links does not exist.
func (k control) check(links []world.Link) error {
	for _, l := range links {
		if l.From == l.To || min(l.From, l.To) < world.Clients || max(l.From, l.To) >= k.Nodes() {
			return fmt.Errorf("sim: there is no link from %d to %d in a cluster of %d nodes", l.From, l.To, k.Nodes())
		}
	}
	return nil
}

// Cut implements world.Control.
func (k control) Cut(links []world.Link) error {
	if err := k.check(links); err != nil {
		return err
	}
	k.hop()
	c := k.w.c
	for i := range c.net.links {
		c.net.links[i].cut = false
	}
	for _, l := range links {
		c.net.links[c.net.index(int32(l.From), int32(l.To))].cut = true
	}
	c.note(&event{kind: kCut, body: []byte(c.net.describe())})
	k.hop()
	return nil
}

// describe names all links that are cut, in a fixed order.
func (n *network) describe() string {
	var b strings.Builder
	for from := int32(world.Clients); from < n.size-1; from++ {
		for to := int32(world.Clients); to < n.size-1; to++ {
			if n.links[n.index(from, to)].cut {
				b.WriteString(endName(from) + "→" + endName(to) + " ")
			}
		}
	}
	return b.String()
}

// Dropped implements world.Control.
func (k control) Dropped() (map[world.Link]uint64, error) {
	return k.counts(func(l *link) uint64 { return l.dropped })
}

// counts returns a count of each link where it is not 0.
func (k control) counts(of func(l *link) uint64) (map[world.Link]uint64, error) {
	k.hop()
	n, counts := &k.w.c.net, map[world.Link]uint64{}
	for i := range n.links {
		if count := of(&n.links[i]); count > 0 {
			from, to := int32(i)/n.size-1, int32(i)%n.size-1
			counts[world.Link{From: int(from), To: int(to)}] = count
		}
	}
	k.hop()
	return counts, nil
}

// Kill implements world.Control. To kill a dead node is nothing.
func (k control) Kill(node int) error {
	return k.at(node, func(n *machine) error {
		n.kill()
		return nil
	})
}

// PowerOff implements world.Control. Before the power goes, the harness writes
// its canaries; a node that was dead already loses its page cache as well.
// Where one node loses most, the others lose as much: what befalls them has the
// same cause, and who relies on the disks of others has to survive just that.
func (k control) PowerOff(nodes []int, sag world.Sag) error {
	var hit []*machine
	for _, node := range nodes {
		if err := k.known(node); err != nil {
			return err
		}
		hit = append(hit, k.w.c.nodes[node])
	}
	k.hop()
	var errs []error
	for _, n := range hit {
		errs = append(errs, n.disk.writeCanaries())
	}
	k.Sleep(canaryTime)
	for _, n := range hit {
		n.disk.sag, n.disk.spared = int64(sag.Sync), sag.Spared
	}
	k.Sleep(sag.For)
	harsh := len(hit) > 1 && hit[0].crash.Chance(1, 2)
	for _, n := range hit {
		n.powerOff(harsh)
	}
	k.hop()
	return errors.Join(errs...)
}

// Start implements world.Control. To start a node that runs is nothing.
func (k control) Start(node int) error {
	return k.at(node, func(n *machine) error {
		if n.proc == nil {
			n.boot()
		}
		return nil
	})
}

var errDead = errors.New("sim: the process is dead")

// Pause implements world.Control.
func (k control) Pause(node int) error {
	return k.at(node, func(n *machine) error {
		switch {
		case n.proc == nil:
			return errDead
		case !n.paused:
			n.pause()
		}
		return nil
	})
}

// Resume implements world.Control. To resume a node that is not paused is nothing.
func (k control) Resume(node int) error {
	return k.at(node, func(n *machine) error {
		if n.paused {
			n.resume()
		}
		return nil
	})
}

// Process implements world.Control.
func (k control) Process(node int) (p world.Process, err error) {
	err = k.at(node, func(n *machine) error {
		p = n.process()
		return nil
	})
	return p, err
}

// process is what the operating system of a node says of its process.
func (n *machine) process() world.Process {
	p := world.Process{State: "dead", Starts: n.starts, Started: n.started, Refused: n.refused}
	if n.proc == nil {
		return p
	}
	p.PID = 100*(int(n.id)+1) + n.starts
	p.State = "running"
	if n.paused {
		p.State = "stopped"
	}
	return p
}

// SetClock implements world.Control.
func (k control) SetClock(node int, offset time.Duration, rate int64) error {
	return k.at(node, func(n *machine) error {
		n.mark(kSetClock, fmt.Sprintf("%v %+d ns/s", offset, rate))
		n.clock.set(n.c.now, int64(offset), rate)
		return nil
	})
}

// Clock implements world.Control.
func (k control) Clock(node int) (r world.ClockReading, err error) {
	err = k.question(node, func(p *process) {
		r = world.ClockReading{Wall: p.wall(), True: epoch + p.n.c.now, Reads: p.reads}
	})
	return r, err
}

// Status implements world.Control.
func (k control) Status(node int) (s actor.Status, err error) {
	err = k.question(node, func(p *process) { s = p.actor.Status() })
	return s, err
}

// Command implements world.Control.
func (k control) Command(node int, order string) (c actor.Conduct, err error) {
	var refused error
	err = k.question(node, func(p *process) {
		p.n.mark(kCommand, order)
		if who, ok := p.actor.(actor.Commanded); ok {
			c, refused = who.Command(order)
		} else {
			refused = errObeys
		}
	})
	return c, errors.Join(err, refused)
}

var errObeys = errors.New("sim: the nodes of this target cannot be told to be Byzantine: leave the fault out")

// question has the process of a node answer a question, past all cuts.
func (k control) question(node int, ask func(p *process)) error {
	if node < 0 || node >= k.Nodes() {
		return fmt.Errorf("sim: there is no node %d: the nodes of this cluster are 0 to %d", node, k.Nodes()-1)
	}
	w := k.w
	id := w.expect()
	w.ask = ask
	w.c.queue.push(w.c.now+orders.draw(&w.latency), event{kind: kAsk, from: w.id, to: int32(node), id: id})
	if !w.await(w.c.now + int64(answerTime)) {
		return fmt.Errorf("sim: %v did not answer within %v", actor.NodeID(node), answerTime)
	}
	return w.err
}

// question answers what the worker asked, as part of the process.
func (w *worker) question(n *machine, e *event) {
	if !w.waiting || w.call != e.id {
		return
	}
	w.ask(n.proc)
	w.answer(n, e)
}

// unanswered tells the worker that there is no process that could answer.
func (w *worker) unanswered(n *machine, e *event) {
	if w.waiting && w.call == e.id {
		w.err = errDead
		w.answer(n, e)
	}
}

func (w *worker) answer(n *machine, e *event) {
	w.c.queue.push(w.c.now+orders.draw(&w.latency), event{kind: kAnswer, from: int32(n.id), to: w.id, id: e.id})
}

// Disk implements world.Control.
func (k control) Disk(node int) (found world.Canaries, err error) {
	err = k.at(node, func(n *machine) error {
		if n.disk.last == nil {
			return fmt.Errorf("sim: %v never lost its power", n.id)
		}
		found = *n.disk.last
		return nil
	})
	return found, err
}
