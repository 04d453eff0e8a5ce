package sim

import (
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// disk is the disk of a node: the volume with the target's files, one with the
// harness's own, and the operations under way. It is the actor.Disk of all
// processes of the node.
type disk struct {
	n         *machine
	files     volume
	canaries  volume
	latency   choice.Stream
	idle      int64            // when all operations under way will be done
	sag       int64            // so much longer does a sync take
	spared    int              // syncs that do not, before the others
	pending   fifo[operation]  // started, not done
	completed fifo[completion] // done, not yet told to the process
	last      *world.Canaries  // of the last loss of power
}

// operation is a disk operation under way.
type operation struct {
	do    func(v *volume, op *operation) completion
	name  string
	to    string
	data  []byte
	syncs bool
	done  any // func(error), func([]byte, error) or func([]string, error)
}

// completion is the result of an operation.
type completion struct {
	done  any
	err   error
	data  []byte
	names []string
}

// call tells the process.
func (r completion) call() {
	switch done := r.done.(type) {
	case func(error):
		if done != nil {
			done(r.err)
		}
	case func([]byte, error):
		done(r.data, r.err)
	case func([]string, error):
		done(r.names, r.err)
	}
}

func newDisk(n *machine, latency choice.Stream) disk {
	return disk{n: n, latency: latency, files: newVolume(), canaries: newVolume()}
}

// start puts an operation in the line. It completes after all before it.
func (d *disk) start(l Latency, op operation) {
	c := d.n.c
	if d.n.proc == nil {
		return
	}
	d.idle = max(d.idle, c.now) + l.draw(&d.latency)
	if op.syncs {
		if d.spared--; d.spared < 0 {
			d.idle += d.sag
		}
	}
	d.pending.push(op)
	c.queue.push(d.idle, event{kind: kDisk, to: int32(d.n.id), id: uint64(d.n.starts)})
}

// diskDone makes the first operation in the line happen.
func (n *machine) diskDone(e *event) {
	if n.proc == nil || e.id != uint64(n.starts) {
		return // of a process that is gone
	}
	op := n.disk.pending.first()
	r := op.do(&n.disk.files, op)
	n.disk.pending.pop()
	e.body = r.data
	n.disk.completed.push(r)
	n.accept(e)
}

// interrupt ends all that is under way: some first part of it was done, and that
// often ends with bytes that were written and not synced.
func (d *disk) interrupt(s *choice.Stream) {
	n, written := s.IntN(d.pending.len()+1), s.Chance(1, 2)
	for writes := false; d.pending.len() > 0 && (n > 0 || written && !writes); n-- {
		op := d.pending.first()
		writes = op.data != nil
		op.do(&d.files, op)
		d.pending.pop()
	}
	d.pending, d.completed = fifo[operation]{}, fifo[completion]{}
	d.idle = 0
}

// canary files are written just before the power goes.
const (
	canarySynced   = "synced"
	canaryUnsynced = "unsynced"
	canaryText     = "ordeal was here"
)

func (d *disk) writeCanaries() error {
	d.canaries = newVolume()
	d.canaries.append(canarySynced, []byte(canaryText))
	err := d.canaries.sync(canarySynced)
	d.canaries.syncDir()
	d.canaries.append(canaryUnsynced, []byte(canaryText))
	return err
}

// powerOff loses what was not synced, and looks what became of the canaries. A
// stream says what survives by chance; without one, nothing does.
func (d *disk) powerOff(s *choice.Stream) {
	d.sag = 0
	lost := d.files.crash(s)
	d.canaries.crash(s)
	d.last = &world.Canaries{
		Synced:   d.canaries.holds(canarySynced, canaryText),
		Unsynced: d.canaries.holds(canaryUnsynced, canaryText),
		Lost:     lost,
	}
}

func (d *disk) timing() *Disk { return &d.n.c.cfg.Disk }

// Append implements actor.Disk.
func (d *disk) Append(name string, data []byte, done func(error)) {
	d.start(d.timing().Append, operation{name: name, data: data, done: done, do: func(v *volume, op *operation) completion {
		v.append(op.name, op.data)
		return completion{done: op.done}
	}})
}

// Sync implements actor.Disk.
func (d *disk) Sync(name string, done func(error)) {
	d.start(d.timing().Sync, operation{name: name, syncs: true, done: done, do: func(v *volume, op *operation) completion {
		return completion{done: op.done, err: v.sync(op.name)}
	}})
}

// SyncDir implements actor.Disk.
func (d *disk) SyncDir(done func(error)) {
	d.start(d.timing().Sync, operation{syncs: true, done: done, do: func(v *volume, op *operation) completion {
		v.syncDir()
		return completion{done: op.done}
	}})
}

// Read implements actor.Disk.
func (d *disk) Read(name string, done func([]byte, error)) {
	d.start(d.timing().Other, operation{name: name, done: done, do: func(v *volume, op *operation) completion {
		data, err := v.read(op.name)
		return completion{done: op.done, data: data, err: err}
	}})
}

// List implements actor.Disk.
func (d *disk) List(done func([]string, error)) {
	d.start(d.timing().Other, operation{done: done, do: func(v *volume, op *operation) completion {
		return completion{done: op.done, names: v.list()}
	}})
}

// Rename implements actor.Disk.
func (d *disk) Rename(from, to string, done func(error)) {
	d.start(d.timing().Other, operation{name: from, to: to, done: done, do: func(v *volume, op *operation) completion {
		return completion{done: op.done, err: v.rename(op.name, op.to)}
	}})
}

// Remove implements actor.Disk.
func (d *disk) Remove(name string, done func(error)) {
	d.start(d.timing().Other, operation{name: name, done: done, do: func(v *volume, op *operation) completion {
		return completion{done: op.done, err: v.remove(op.name)}
	}})
}

var _ actor.Disk = (*disk)(nil)

// canaryTime is how long it takes to write the canaries.
const canaryTime = time.Millisecond

// fifo is a queue whose memory is used again once it is empty.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) push(item T) {
	if f.head > 1024 && 2*f.head > len(f.items) {
		kept := copy(f.items, f.items[f.head:])
		clear(f.items[kept:])
		f.items, f.head = f.items[:kept], 0
	}
	f.items = append(f.items, item)
}

// first returns the item that pop would take, in its place.
func (f *fifo[T]) first() *T { return &f.items[f.head] }

func (f *fifo[T]) pop() T {
	var none T
	item := f.items[f.head]
	f.items[f.head] = none
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return item
}
