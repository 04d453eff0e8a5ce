// Package namespace is what the name nodes of the filesystem agree on: which
// names there are, of which blocks the file under each name consists, which
// data nodes hold each block, and who may write.
//
// It is a deterministic machine. [Machine.Apply] takes one entry of the journal
// after the other and has no other input: no clock, no random number, no word of
// a data node. So name nodes that applied the same entries are in the same
// state, and a standby that becomes active knows all that its predecessor had
// acknowledged.
//
// # Files and blocks
//
// A name stands for a file, a file is an inode and a list of blocks. A block is
// open while it is written and sealed for good after that; what is appended to a
// file later goes into a new block. The number of a block is never used again.
// Its generation stamp says which replicas are right: a data node that was cut
// off while the block was recovered has an older stamp, and what it holds is
// not the block any more.
//
// # Leases
//
// Whoever writes a file holds its lease, which is known by its token: the number
// of the journal entry that granted it. Anybody may take over a lease at any
// time ([Take]); whoever held it finds its token refused from then on. So time
// decides only when it is worth while to take a lease over, never whether it is safe.
//
// A file that is written as a whole is a draft until it is closed, which puts it
// into the place of what was there before, in one entry. A draft whose lease is
// taken over is gone.
//
// # Epochs
//
// The active name node begins with an entry that makes its epoch known
// ([Activate]). From there on the decisions of its predecessors on where blocks
// are ([Move]) come too late and are refused. It also puts the namespace into
// safe mode, in which nothing new is begun, until it has heard of enough blocks.
package namespace

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Block is a piece of a file.
type Block struct {
	ID     uint64
	Stamp  uint64 // replicas with an older one are not of the block
	Open   bool   // it is being written
	Length uint64 // in bytes, once it is sealed
	// Recovery is the stamp that the block is being recovered to, 0 if it is not.
	Recovery uint64
	// Nodes hold it. While it is open they are the pipeline, in order: every byte
	// that was acknowledged is on all of them.
	Nodes []actor.NodeID
}

// Latest is the stamp that whoever seals the block has to name.
func (b *Block) Latest() uint64 { return max(b.Stamp, b.Recovery) }

// File is what a name stands for.
type File struct {
	Inode  uint64
	Blocks []*Block
}

// open returns the block that is being written, or nil.
func (f *File) open() *Block {
	if n := len(f.Blocks); n > 0 && f.Blocks[n-1].Open {
		return f.Blocks[n-1]
	}
	return nil
}

// Lease is the right to write.
type Lease struct {
	Token  uint64
	Holder actor.NodeID
	Draft  *File // written in place of what has the name now; nil if that is appended to
}

// Config is what the machine of every node of a cluster is set to.
type Config struct {
	// Replication is how many nodes are to hold each block.
	Replication int
	// Forgetful is a bug: the leases of an image are not read.
	Forgetful bool
}

// Machine is the namespace.
type Machine struct {
	cfg    Config
	names  map[string]*File
	leases map[string]*Lease // by name
	blocks map[uint64]*Block // all blocks of files and drafts

	inodes, ids, stamps uint64 // the last that were given out
	epoch               uint64
	safe                bool
}

// New returns a namespace without names.
func New(cfg Config) *Machine {
	m := &Machine{cfg: cfg}
	m.clear()
	return m
}

func (m *Machine) clear() {
	*m = Machine{cfg: m.cfg, names: map[string]*File{}, leases: map[string]*Lease{}, blocks: map[uint64]*Block{}}
}

// Apply carries out a command, which is entry index of the journal, and returns
// an encoded [Answer].
func (m *Machine) Apply(index uint64, cmd []byte) []byte {
	c, err := ParseCommand(cmd)
	if err != nil {
		return (&Answer{Code: Bad}).Append(nil)
	}
	return m.do(index, &c).Append(nil)
}

func (m *Machine) do(index uint64, c *Command) *Answer {
	if m.safe && c.Kind.begins() {
		return &Answer{Code: Safe}
	}
	switch c.Kind {
	case Create:
		return m.create(c)
	case Rename:
		return m.rename(c)
	case Delete:
		return m.remove(c)
	case Truncate:
		return m.truncate(c)
	case Open:
		return m.open(index, c)
	case Take:
		return m.take(index, c)
	case Next, Recover, Seal, Close:
		return m.written(c)
	case Activate:
		return m.activate(c.Epoch)
	case Leave:
		if c.Epoch != m.epoch {
			return &Answer{Code: Stale}
		}
		m.safe = false
		return &Answer{Code: OK}
	case Move:
		return m.move(c)
	default:
		return &Answer{Code: Bad}
	}
}

// activate begins an epoch. An entry that comes again begins nothing.
func (m *Machine) activate(epoch uint64) *Answer {
	switch {
	case epoch < m.epoch:
		return &Answer{Code: Stale}
	case epoch > m.epoch:
		m.epoch, m.safe = epoch, true
	}
	return &Answer{Code: OK}
}

func (m *Machine) create(c *Command) *Answer {
	if m.names[c.Name] != nil || m.leases[c.Name] != nil {
		return &Answer{Code: Exists}
	}
	m.names[c.Name] = m.file()
	return &Answer{Code: OK}
}

func (m *Machine) file() *File {
	m.inodes++
	return &File{Inode: m.inodes}
}

// rename is one entry: nobody ever sees both names, or neither.
func (m *Machine) rename(c *Command) *Answer {
	f := m.names[c.Name]
	switch {
	case f == nil:
		return &Answer{Code: NotFound}
	case m.names[c.To] != nil || m.leases[c.To] != nil:
		return &Answer{Code: Exists}
	case m.leases[c.Name] != nil:
		return m.leased(c.Name)
	}
	delete(m.names, c.Name)
	m.names[c.To] = f
	return &Answer{Code: OK}
}

// remove deletes a file. Whoever appends to it is not asked.
func (m *Machine) remove(c *Command) *Answer {
	f := m.names[c.Name]
	if f == nil {
		return &Answer{Code: NotFound}
	}
	if l := m.leases[c.Name]; l != nil && l.Draft == nil {
		delete(m.leases, c.Name)
	}
	m.free(f)
	delete(m.names, c.Name)
	return &Answer{Code: OK}
}

// truncate cuts a file. Replicas keep what is beyond the end, and nobody asks
// them for it.
func (m *Machine) truncate(c *Command) *Answer {
	f := m.names[c.Name]
	switch {
	case f == nil:
		return &Answer{Code: NotFound}
	case m.leases[c.Name] != nil:
		return m.leased(c.Name)
	}
	left := c.Length
	kept := &File{Inode: f.Inode}
	for _, b := range f.Blocks {
		if left == 0 {
			delete(m.blocks, b.ID)
			continue
		}
		b.Length = min(b.Length, left)
		left -= b.Length
		kept.Blocks = append(kept.Blocks, b)
	}
	m.names[c.Name] = kept
	return &Answer{Code: OK}
}

func (m *Machine) leased(name string) *Answer {
	l := m.leases[name]
	return &Answer{Code: Leased, Token: l.Token, Holder: l.Holder}
}

func (m *Machine) free(f *File) {
	for _, b := range f.Blocks {
		delete(m.blocks, b.ID)
	}
}

// open grants a lease, and the first block to write to.
func (m *Machine) open(index uint64, c *Command) *Answer {
	if m.leases[c.Name] != nil {
		return m.leased(c.Name)
	}
	l := &Lease{Token: index, Holder: c.Holder}
	m.leases[c.Name] = l
	if c.Draft {
		l.Draft = m.file()
	} else if m.names[c.Name] == nil {
		m.names[c.Name] = m.file()
	}
	return &Answer{Code: OK, Token: l.Token, Block: m.grow(m.target(c.Name), c.Nodes)}
}

// target is the file that the holder of a lease writes.
func (m *Machine) target(name string) *File {
	if l := m.leases[name]; l.Draft != nil {
		return l.Draft
	}
	return m.names[name]
}

// grow adds a block to a file.
func (m *Machine) grow(f *File, nodes []actor.NodeID) *Block {
	m.ids++
	m.stamps++
	b := &Block{ID: m.ids, Stamp: m.stamps, Open: true, Nodes: slices.Clone(nodes)}
	f.Blocks = append(f.Blocks, b)
	m.blocks[b.ID] = b
	return b
}

// take gives a lease to somebody else. Of a file that is appended to, the last
// block has to be recovered: the answer has it, with the stamp to recover it to.
func (m *Machine) take(index uint64, c *Command) *Answer {
	l := m.leases[c.Name]
	switch {
	case l == nil:
		return &Answer{Code: NotFound}
	case l.Token != c.Token:
		return m.leased(c.Name)
	case l.Draft != nil:
		m.free(l.Draft)
		delete(m.leases, c.Name)
		return &Answer{Code: OK}
	}
	l.Token, l.Holder = index, c.Holder
	b := m.names[c.Name].open()
	if b != nil {
		m.stamps++
		b.Recovery = m.stamps
	}
	return &Answer{Code: OK, Token: l.Token, Block: b}
}

// written takes the steps of the holder of a lease.
func (m *Machine) written(c *Command) *Answer {
	l := m.leases[c.Name]
	if l == nil || l.Token != c.Token {
		return &Answer{Code: Stale}
	}
	f := m.target(c.Name)
	if c.Kind == Recover {
		b := f.open()
		if b == nil || b.ID != c.Block {
			return &Answer{Code: Stale}
		}
		m.stamps++
		b.Recovery = m.stamps
		return &Answer{Code: OK, Block: b}
	}
	if c.Block != 0 && !m.seal(f, c) || (c.Kind == Next || c.Kind == Close) && f.open() != nil {
		return &Answer{Code: Stale}
	}
	switch c.Kind {
	case Next:
		return &Answer{Code: OK, Block: m.grow(f, c.Nodes)}
	case Close:
		m.close(c.Name, l)
	}
	return &Answer{Code: OK}
}

// seal ends the writing of a block, of which nothing is kept if it is empty.
func (m *Machine) seal(f *File, c *Command) bool {
	b := f.open()
	if b == nil || b.ID != c.Block || c.Stamp != b.Latest() {
		return false
	}
	b.Open, b.Stamp, b.Recovery, b.Length = false, c.Stamp, 0, c.Length
	if c.Kind == Seal {
		b.Nodes = slices.Clone(c.Nodes)
	}
	if b.Length == 0 {
		f.Blocks = f.Blocks[:len(f.Blocks)-1]
		delete(m.blocks, b.ID)
	}
	return true
}

// close ends a lease, and puts a draft into its place.
func (m *Machine) close(name string, l *Lease) {
	delete(m.leases, name)
	if l.Draft == nil {
		return
	}
	if old := m.names[name]; old != nil {
		m.free(old)
	}
	m.names[name] = l.Draft
}

// move takes note of where blocks are.
func (m *Machine) move(c *Command) *Answer {
	if c.Epoch < m.epoch {
		return &Answer{Code: Stale}
	}
	for _, ch := range c.Changes {
		b := m.blocks[ch.Block]
		if b == nil || b.Open || b.Stamp != ch.Stamp {
			continue
		}
		at := slices.Index(b.Nodes, ch.Node)
		switch {
		case ch.Add && at < 0 && len(b.Nodes) < m.cfg.Replication:
			b.Nodes = append(b.Nodes, ch.Node)
		case !ch.Add && at >= 0 && len(b.Nodes) > 1:
			b.Nodes = slices.Delete(b.Nodes, at, at+1)
		}
	}
	return &Answer{Code: OK}
}

// Read answers a query, an encoded [Command] of kind List or Stat.
func (m *Machine) Read(query []byte) []byte {
	c, err := ParseCommand(query)
	switch {
	case err != nil:
		return (&Answer{Code: Bad}).Append(nil)
	case c.Kind == List:
		return m.list(c.Name).Append(nil)
	case c.Kind == Stat:
		return m.stat(c.Name).Append(nil)
	default:
		return (&Answer{Code: Bad}).Append(nil)
	}
}

// list returns the names that begin with a prefix, in order.
func (m *Machine) list(prefix string) *Answer {
	a := &Answer{Code: OK}
	for _, name := range sortedKeys(m.names) {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			a.Entries = append(a.Entries, Entry{name, m.names[name].Inode})
		}
	}
	return a
}

func (m *Machine) stat(name string) *Answer {
	f := m.names[name]
	if f == nil {
		return &Answer{Code: NotFound}
	}
	return &Answer{Code: OK, Inode: f.Inode, Blocks: f.Blocks}
}

// Epoch returns the highest epoch that was made known, and whether the namespace
// is in safe mode.
func (m *Machine) Epoch() (epoch uint64, safe bool) { return m.epoch, m.safe }

// Block returns a block by its number, or nil if there is none. Known reports
// whether there ever was one: a number that is not known yet may be that of a
// block which this node has not heard of.
func (m *Machine) Block(id uint64) (b *Block, known bool) { return m.blocks[id], id <= m.ids }

// Blocks returns all blocks in the order of their numbers. They are the
// machine's own: nobody may change them.
func (m *Machine) Blocks() []*Block {
	all := make([]*Block, 0, len(m.blocks))
	for _, id := range sortedKeys(m.blocks) {
		all = append(all, m.blocks[id])
	}
	return all
}

// Held is a lease with the name that it is for.
type Held struct {
	Name string
	Lease
}

// Leases returns all leases in the order of their names.
func (m *Machine) Leases() []Held {
	var all []Held
	for _, name := range sortedKeys(m.leases) {
		all = append(all, Held{name, *m.leases[name]})
	}
	return all
}
