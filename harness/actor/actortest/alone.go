package actortest

import (
	"bytes"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

// Alone is the world of one node, the second of several, for tests of what it does
// step by step: time stands still unless the test moves it, nobody hears what the
// node sends, and its disk does what it is asked for when Settle is called.
type Alone struct {
	Size  int // of the cluster
	Now   int64
	Files map[string][]byte
	queue []func()
}

// NewAlone returns the world of a node in a cluster of that size, with an empty disk.
func NewAlone(size int) *Alone { return &Alone{Size: size, Files: map[string][]byte{}} }

// Self implements actor.Env.
func (a *Alone) Self() actor.NodeID { return 1 }

// Nodes implements actor.Env.
func (a *Alone) Nodes() int { return a.Size }

// Mono implements actor.Env.
func (a *Alone) Mono() int64 { return a.Now }

// Wall implements actor.Env.
func (a *Alone) Wall() int64 { return a.Now }

// WakeAt implements actor.Env.
func (a *Alone) WakeAt(int64) {}

// Send implements actor.Env.
func (a *Alone) Send(actor.NodeID, []byte) {}

// Reply implements actor.Env.
func (a *Alone) Reply(actor.RequestID, []byte) {}

// Disk implements actor.Env.
func (a *Alone) Disk() actor.Disk { return a }

// Choices implements actor.Env.
func (a *Alone) Choices(p string) *choice.Stream { return choice.New(1).Stream(p) }

// Logf implements actor.Env.
func (a *Alone) Logf(string, ...any) {}

// Append implements actor.Disk.
func (a *Alone) Append(name string, data []byte, done func(error)) {
	a.later(func() { a.Files[name] = append(a.Files[name], data...) }, done)
}

// Sync implements actor.Disk.
func (a *Alone) Sync(_ string, done func(error)) { a.later(func() {}, done) }

// SyncDir implements actor.Disk.
func (a *Alone) SyncDir(done func(error)) { a.later(func() {}, done) }

// Rename implements actor.Disk.
func (a *Alone) Rename(from, to string, done func(error)) {
	a.later(func() {
		a.Files[to] = a.Files[from]
		delete(a.Files, from)
	}, done)
}

// Remove implements actor.Disk.
func (a *Alone) Remove(name string, done func(error)) {
	a.later(func() { delete(a.Files, name) }, done)
}

// Read implements actor.Disk.
func (a *Alone) Read(name string, done func([]byte, error)) {
	a.queue = append(a.queue, func() {
		if b, has := a.Files[name]; has {
			done(bytes.Clone(b), nil)
		} else {
			done(nil, actor.ErrNotExist)
		}
	})
}

// List implements actor.Disk.
func (a *Alone) List(done func([]string, error)) {
	a.queue = append(a.queue, func() { done(slices.Sorted(maps.Keys(a.Files)), nil) })
}

func (a *Alone) later(do func(), done func(error)) {
	a.queue = append(a.queue, do, func() {
		if done != nil {
			done(nil)
		}
	})
}

// Settle has the disk do everything that it was asked for, and what follows.
func (a *Alone) Settle() {
	for len(a.queue) > 0 {
		next := a.queue[0]
		a.queue = a.queue[1:]
		next()
	}
}

// Kill forgets what the disk was asked for and has not done.
func (a *Alone) Kill() { a.queue = nil }

var (
	_ actor.Env  = (*Alone)(nil)
	_ actor.Disk = (*Alone)(nil)
)
