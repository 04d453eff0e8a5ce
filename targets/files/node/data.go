package node

import (
	"errors"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/files/blocks"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// pipe is a replica that is being written: this node's place in a pipeline. It
// is not on the disk, so that nobody writes on after a restart.
type pipe struct {
	r     *blocks.Replica
	nodes []actor.NodeID
	at    int    // this node's place among them
	down  uint64 // the nodes after this one have so much
	known uint64 // so much was acknowledged, as far as the node was told
}

// promises are what a data node must not forget. They are in a file of their own.
type promises struct {
	epoch uint64 // the highest one of a name node that was obeyed
	fence uint64 // no block is begun under a stamp up to this one
}

const (
	promiseFile  = "promise"
	promiseDraft = "new-promise" // removed with all drafts when the node starts
)

func (n *node) loadPromises(done func()) {
	n.env.Disk().Read(promiseFile, func(b []byte, err error) {
		if err == nil {
			d := wire.NewDecoder(b)
			n.promised = promises{d.Uvarint(), d.Uvarint()}
			err = d.Done()
		}
		if err != nil && !errors.Is(err, actor.ErrNotExist) {
			panic("files: the promises of this node cannot be read: " + err.Error())
		}
		done()
	})
}

// promise raises what the node has promised, and calls done once that is on the disk.
func (n *node) promise(p promises, done func()) {
	n.promised.epoch = max(n.promised.epoch, p.epoch)
	n.promised.fence = max(n.promised.fence, p.fence)
	if n.promised == n.kept {
		done()
		return
	}
	now := n.promised
	disk := n.env.Disk()
	must := func(err error) {
		if err != nil {
			panic("files: the promises of this node cannot be written: " + err.Error())
		}
	}
	disk.Append(promiseDraft, wire.AppendUvarints(nil, now.epoch, now.fence), must)
	disk.Sync(promiseDraft, must)
	disk.Rename(promiseDraft, promiseFile, must)
	disk.SyncDir(func(err error) {
		must(err)
		n.kept = promises{max(n.kept.epoch, now.epoch), max(n.kept.fence, now.fence)}
		done()
	})
}

// packet takes data of a pipeline. What comes too early is dropped, and will
// come again.
func (n *node) packet(from actor.NodeID, m *message) {
	p := n.pipeOf(m)
	if p == nil {
		n.send(from, &message{kind: msgRefuse, block: m.block, stamp: m.stamp})
		return
	}
	p.known = max(p.known, m.length)
	end := m.offset + uint64(len(m.data))
	if m.offset > p.r.Length {
		return
	}
	if m.offset == p.r.Length {
		n.store.Write(p.r, m.data, func() { n.ackUp(p) })
	}
	if p.at+1 < len(p.nodes) && p.down < end {
		n.send(p.nodes[p.at+1], m)
	}
	if p.r.Synced >= end {
		n.ackUp(p)
	}
}

// pipeOf returns the pipe that a packet is for, or nil if the node must not
// write it. The first packet of a block makes a pipe, unless the block was
// recovered before it arrived.
func (n *node) pipeOf(m *message) *pipe {
	at := slices.Index(m.nodes, n.self)
	if p := n.pipes[m.block]; p != nil && p.r.Stamp == m.stamp {
		return p
	}
	r := n.store.Get(m.block)
	switch {
	case at < 0:
		return nil
	case r == nil && m.offset == 0 && m.stamp > n.promised.fence:
		r = n.store.Create(m.block, m.stamp)
	case r == nil || !n.cfg.Bugs[FS1]:
		return nil
	}
	p := &pipe{r: r, nodes: m.nodes, at: at}
	n.pipes[m.block] = p
	return p
}

// ackUp tells the node before this one how much of a block is on the disks from
// here on; the first node tells the writer, which is the node itself.
func (n *node) ackUp(p *pipe) {
	has := p.r.Synced
	if p.at+1 < len(p.nodes) && !n.cfg.Bugs[FS2] {
		has = min(has, p.down)
	}
	if has == 0 || n.pipes[p.r.ID] != p {
		return
	}
	if p.at > 0 {
		n.send(p.nodes[p.at-1], &message{kind: msgAcked, block: p.r.ID, stamp: p.r.Stamp, offset: has})
		return
	}
	if s := n.writers[p.r.ID]; s != nil {
		s.reached(has)
	}
}

func (n *node) acked(from actor.NodeID, m *message) {
	p := n.pipes[m.block]
	if p == nil || p.at+1 >= len(p.nodes) || p.nodes[p.at+1] != from || m.offset <= p.down {
		return
	}
	p.down = m.offset
	n.ackUp(p)
}

// refused passes on that the pipeline is broken.
func (n *node) refused(m *message) {
	if p := n.pipes[m.block]; p != nil && p.at > 0 {
		n.send(p.nodes[p.at-1], m)
	}
	if s := n.writers[m.block]; s != nil && s.block.Stamp == m.stamp {
		s.broken()
	}
}

func (n *node) knows(m *message) {
	if p := n.pipes[m.block]; p != nil && p.r.Stamp == m.stamp {
		p.known = max(p.known, m.length)
	}
}

// prepare takes a block out of its pipeline, so that no byte is acknowledged any
// more that the answer does not count. A node without a replica has to see to
// it that none is begun later.
func (n *node) prepare(from actor.NodeID, m *message) {
	answer := &message{kind: msgPrepared, id: m.id, block: m.block}
	r := n.store.Get(m.block)
	if r == nil {
		n.promise(promises{fence: m.stamp}, func() { n.send(from, answer) })
		return
	}
	if n.recovering[m.block] > m.stamp || n.bad[m.block] || r.Stamp > m.stamp {
		return
	}
	n.recovering[m.block] = m.stamp
	delete(n.pipes, m.block)
	answer.flag, answer.stamp, answer.length = true, r.Stamp, r.Synced
	n.send(from, answer)
}

// finish gives a replica the length and the stamp that its block has now.
func (n *node) finish(from actor.NodeID, m *message) {
	done := func() { n.send(from, &message{kind: msgFinished, id: m.id, block: m.block}) }
	r := n.store.Get(m.block)
	switch {
	case r == nil || n.recovering[m.block] != m.stamp:
	case r.Stamp == m.stamp:
		done()
	default:
		n.store.Read(r, m.length, func(data []byte, ok bool) {
			if ok {
				n.store.Replace(m.block, m.stamp, data[:m.length], done)
			}
		})
	}
}

// fetch sends what the node has of a block.
func (n *node) fetch(from actor.NodeID, m *message) {
	answer := &message{kind: msgFetched, id: m.id, block: m.block}
	r := n.store.Get(m.block)
	if r != nil && m.stamp != 0 && r.Stamp != m.stamp && !n.cfg.Bugs[FS6] {
		r = nil
	}
	if r == nil || n.bad[m.block] {
		n.send(from, answer)
		return
	}
	if p := n.pipes[m.block]; p != nil {
		answer.length = p.known
	}
	want, open := m.length, m.flag
	switch {
	case open:
		want = r.Synced
	case m.stamp == 0 || n.cfg.Bugs[FS6]:
		want = min(want, r.Synced)
	}
	n.store.Read(r, want, func(data []byte, ok bool) {
		if !ok {
			n.spoilt(r)
		} else {
			answer.flag, answer.data = true, data[:want]
		}
		n.send(from, answer)
	})
}

// spoilt notes that a replica is not as it was written. It is kept, as it may be
// the last one, but it is not counted and not served.
func (n *node) spoilt(r *blocks.Replica) {
	if n.store.Get(r.ID) == r && r.Synced > 0 {
		n.env.Logf("files: the replica of block %d is damaged", r.ID)
		n.bad[r.ID] = true
	}
}

// hello answers the active name node with all that the node has. It does not
// listen to those that came before.
func (n *node) hello(from actor.NodeID, m *message) {
	if m.epoch < n.promised.epoch && !n.cfg.Bugs[FS8] {
		return
	}
	n.promise(promises{epoch: m.epoch}, func() {
		if m.epoch < n.promised.epoch {
			return
		}
		n.reports++
		report := &message{kind: msgReport, id: m.id, epoch: m.epoch, offset: n.reports, tokens: n.tokens()}
		for _, r := range n.store.All() {
			if !n.bad[r.ID] {
				report.list = append(report.list, held{r.ID, r.Stamp, r.Synced})
			}
		}
		n.send(from, report)
	})
}

// obeys reports whether an order is of the name node that this node listens to.
func (n *node) obeys(m *message) bool { return m.epoch == n.promised.epoch }

// drop removes replicas, if the order answers the latest report: what an older
// one said may have been counted on since.
func (n *node) drop(m *message) {
	if !n.obeys(m) || m.offset != n.reports {
		return
	}
	fence := uint64(0)
	for _, h := range m.list {
		fence = max(fence, h.stamp)
	}
	n.promise(promises{fence: fence}, func() {
		for _, h := range m.list {
			n.remove(h)
		}
	})
}

// remove forgets a replica. The fence keeps its writer, who may not know yet,
// from beginning it again.
func (n *node) remove(h held) {
	if r := n.store.Get(h.block); r != nil && r.Stamp == h.stamp {
		delete(n.pipes, h.block)
		delete(n.bad, h.block)
		delete(n.recovering, h.block)
		n.store.Remove(h.block)
	}
}

// copyTo sends a sealed block to another node, after its checksums were verified.
func (n *node) copyTo(m *message) {
	r := n.store.Get(m.block)
	if !n.obeys(m) || r == nil || r.Stamp != m.stamp || len(m.nodes) != 1 || n.bad[m.block] {
		return
	}
	n.store.Read(r, m.length, func(data []byte, ok bool) {
		if !ok {
			n.spoilt(r)
			return
		}
		n.send(m.nodes[0], &message{kind: msgPut, epoch: m.epoch, block: m.block, stamp: m.stamp, data: data[:m.length]})
	})
}

// put keeps a copy. The name node learns of it by the next report.
func (n *node) put(m *message) {
	r := n.store.Get(m.block)
	if !n.obeys(m) || r != nil && r.Stamp >= m.stamp && !n.bad[m.block] {
		return
	}
	delete(n.pipes, m.block) // of an earlier stamp: the block is sealed
	n.store.Replace(m.block, m.stamp, m.data, func() {
		delete(n.bad, m.block)
		actor.Sometimes(n.env, factCopied)
	})
}
