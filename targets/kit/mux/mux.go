// Package mux lets several components live in one node: two replicated logs, say,
// and what looks after them.
//
// A component is written as if the node were its own. Each gets an environment, a
// part of the node's: its messages go to the same component on other nodes, its
// files begin with a prefix that it does not see, its random numbers are drawn
// apart, and it asks to be woken without regard to the others. Clients talk to the
// node, which hands a component what concerns it.
//
// Whoever sends, writes or waits in such a node is a component, the node's own
// logic included.
package mux

import (
	"fmt"
	"math"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

// Component is a part of a node. Its methods are those of [actor.Node].
type Component interface {
	Receive(from actor.NodeID, msg []byte)
	Wake()
}

const never = int64(math.MaxInt64)

// Mux is what a node hands messages and wake-ups to.
type Mux struct {
	env    actor.Env
	parts  []*part // in the order in which they were added
	byTag  [256]*part
	waking bool
	armed  int64 // what the runtime was asked for
}

// New returns a node's components, of which there are none yet.
func New(env actor.Env) *Mux { return &Mux{env: env, armed: never} }

// Part adds a component. Its messages begin with the tag, its files and the
// names of its random numbers with the prefix: both must be the same on all nodes
// and from one life to the next. It panics if two components could not be told apart.
func (m *Mux) Part(tag byte, prefix string, boot func(env actor.Env) Component) {
	for _, p := range m.parts {
		if p.tag == tag || strings.HasPrefix(p.prefix, prefix) || strings.HasPrefix(prefix, p.prefix) {
			panic(fmt.Sprintf("mux: parts %d %q and %d %q cannot be told apart: give each a tag of its own, and a prefix that begins no other",
				p.tag, p.prefix, tag, prefix))
		}
	}
	p := &part{Env: m.env, mux: m, tag: tag, prefix: prefix, due: never}
	m.parts = append(m.parts, p)
	m.byTag[tag] = p
	p.component = boot(p)
}

// Receive hands a message to the component that it is for. One that is for none
// came from a node of another build, and is dropped.
func (m *Mux) Receive(from actor.NodeID, msg []byte) {
	if len(msg) == 0 || m.byTag[msg[0]] == nil {
		m.env.Logf("mux: dropped a message of %v that is for none of %d parts", from, len(m.parts))
		return
	}
	m.byTag[msg[0]].component.Receive(from, msg[1:])
}

// Wake wakes the components whose time has come.
func (m *Mux) Wake() {
	m.armed, m.waking = never, true
	now := m.env.Mono()
	for _, p := range m.parts {
		if p.due <= now {
			p.due = never
			p.component.Wake()
		}
	}
	m.waking = false
	m.arm()
}

// arm asks the runtime to wake the node for the first component, unless it was
// asked for that before.
func (m *Mux) arm() {
	if m.waking {
		return
	}
	first := never
	for _, p := range m.parts {
		first = min(first, p.due)
	}
	if first != m.armed {
		m.armed = first
		m.env.WakeAt(first)
	}
}

// part is the environment of a component.
type part struct {
	actor.Env
	mux       *Mux
	component Component
	tag       byte
	prefix    string
	due       int64  // when it asked to be woken
	sent      []byte // the last message that was sent
	tagged    []byte // the same, with the tag
}

// WakeAt implements [actor.Env].
func (p *part) WakeAt(t int64) {
	p.due = t
	p.mux.arm()
}

// Send implements [actor.Env]. A message that goes to several nodes is copied once.
func (p *part) Send(to actor.NodeID, msg []byte) {
	if len(msg) == 0 || len(p.sent) != len(msg) || &p.sent[0] != &msg[0] {
		p.sent = msg
		p.tagged = append(append(make([]byte, 0, 1+len(msg)), p.tag), msg...)
	}
	p.Env.Send(to, p.tagged)
}

// Choices implements [actor.Env].
func (p *part) Choices(purpose string) *choice.Stream { return p.Env.Choices(p.prefix + purpose) }

// Disk implements [actor.Env].
func (p *part) Disk() actor.Disk { return folder{p.Env.Disk(), p.prefix} }

// folder is the files of a disk whose names begin with a prefix.
type folder struct {
	disk   actor.Disk
	prefix string
}

func (f folder) Append(name string, data []byte, done func(error)) {
	f.disk.Append(f.prefix+name, data, done)
}

func (f folder) Sync(name string, done func(error)) { f.disk.Sync(f.prefix+name, done) }

func (f folder) SyncDir(done func(error)) { f.disk.SyncDir(done) }

func (f folder) Read(name string, done func([]byte, error)) { f.disk.Read(f.prefix+name, done) }

func (f folder) List(done func([]string, error)) {
	f.disk.List(func(all []string, err error) {
		var names []string
		for _, name := range all {
			if own, is := strings.CutPrefix(name, f.prefix); is {
				names = append(names, own)
			}
		}
		done(names, err)
	})
}

func (f folder) Rename(from, to string, done func(error)) {
	f.disk.Rename(f.prefix+from, f.prefix+to, done)
}

func (f folder) Remove(name string, done func(error)) { f.disk.Remove(f.prefix+name, done) }
