package namespace

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Kind says what a command does.
type Kind byte

// The kinds of commands, and of the two queries at the end.
const (
	Create   Kind = iota + 1 // Name becomes an empty file
	Rename                   // the file Name is called To
	Delete                   // the file Name is gone
	Truncate                 // the file Name is no longer than Length
	Open                     // Holder gets the lease of Name, for a draft or to append, and a block on Nodes
	Take                     // Holder gets the lease Token of Name, which another one has
	Next                     // the lease gets another block on Nodes, after Block was sealed
	Recover                  // the lease's Block gets a stamp to be recovered to
	Seal                     // the lease's Block is recovered: it is Length long, under Stamp, on Nodes
	Close                    // the lease ends, after Block was sealed
	Activate                 // Epoch begins, in safe mode
	Leave                    // safe mode of Epoch ends
	Move                     // blocks are and are not where Changes say
	List                     // which names begin with Name?
	Stat                     // what is the file Name?
)

// begins reports whether a command begins something new, which has to wait for
// the end of safe mode.
func (k Kind) begins() bool { return k <= Take }

// Command is an entry of the journal, or a query. Which fields count depends on
// its kind.
type Command struct {
	Kind    Kind
	Draft   bool
	Name    string
	To      string
	Token   uint64
	Holder  actor.NodeID
	Epoch   uint64
	Block   uint64 // 0 if there is nothing to seal
	Stamp   uint64
	Length  uint64
	Nodes   []actor.NodeID
	Changes []Change
}

// Change says that a node holds a block, or that it does not.
type Change struct {
	Block, Stamp uint64
	Node         actor.NodeID
	Add          bool
}

// Append writes the command.
func (c *Command) Append(b []byte) []byte {
	b = append(b, byte(c.Kind), flag(c.Draft))
	b = wire.AppendString(wire.AppendString(b, c.Name), c.To)
	b = wire.AppendUvarints(b, c.Token, uint64(c.Holder), c.Epoch, c.Block, c.Stamp, c.Length)
	b = appendNodes(b, c.Nodes)
	b = binary.AppendUvarint(b, uint64(len(c.Changes)))
	for _, ch := range c.Changes {
		b = append(wire.AppendUvarints(b, ch.Block, ch.Stamp, uint64(ch.Node)), flag(ch.Add))
	}
	return b
}

// ParseCommand reads a command.
func ParseCommand(b []byte) (c Command, err error) {
	d := wire.NewDecoder(b)
	c.Kind, c.Draft = Kind(d.Byte()), d.Byte() != 0
	c.Name, c.To = d.String(), d.String()
	c.Token, c.Holder, c.Epoch = d.Uvarint(), actor.NodeID(d.Uvarint()), d.Uvarint()
	c.Block, c.Stamp, c.Length = d.Uvarint(), d.Uvarint(), d.Uvarint()
	c.Nodes = nodes(d)
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		c.Changes = append(c.Changes, Change{d.Uvarint(), d.Uvarint(), actor.NodeID(d.Uvarint()), d.Byte() != 0})
	}
	return c, d.Done()
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendNodes(b []byte, nodes []actor.NodeID) []byte {
	b = binary.AppendUvarint(b, uint64(len(nodes)))
	for _, n := range nodes {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func nodes(d *wire.Decoder) (all []actor.NodeID) {
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		all = append(all, actor.NodeID(d.Uvarint()))
	}
	return all
}

// Code says how a command ended.
type Code byte

// The codes. All but OK say that nothing was changed.
const (
	OK       Code = iota
	NotFound      // there is no such file, or no such lease
	Exists        // the name is taken
	Leased        // somebody else writes the file
	Stale         // the token, the stamp or the epoch is not in force any more
	Safe          // the namespace is in safe mode
	Bad           // the command cannot be read
)

// String returns the code as it stands in histories.
func (c Code) String() string {
	names := []string{"ok", "not-found", "exists", "leased", "stale", "safe-mode", "bad-request"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("code-%d", byte(c))
}

// Answer is what came of a command or a query.
type Answer struct {
	Code    Code
	Token   uint64       // of the lease that was given, or that is in the way
	Holder  actor.NodeID // of the lease that is in the way
	Inode   uint64       // Stat
	Block   *Block       // to write to, or to recover; nil if there is none
	Blocks  []*Block     // Stat
	Entries []Entry      // List
}

// Entry is a line of a list.
type Entry struct {
	Name  string
	Inode uint64
}

// Append writes the answer.
func (a *Answer) Append(b []byte) []byte {
	b = append(b, byte(a.Code), flag(a.Block != nil))
	b = wire.AppendUvarints(b, a.Token, uint64(a.Holder), a.Inode)
	if a.Block != nil {
		b = appendBlock(b, a.Block)
	}
	b = appendBlocks(b, a.Blocks)
	b = binary.AppendUvarint(b, uint64(len(a.Entries)))
	for _, e := range a.Entries {
		b = binary.AppendUvarint(wire.AppendString(b, e.Name), e.Inode)
	}
	return b
}

// ParseAnswer reads an answer.
func ParseAnswer(b []byte) (a Answer, err error) {
	d := wire.NewDecoder(b)
	a.Code = Code(d.Byte())
	has := d.Byte() != 0
	a.Token, a.Holder, a.Inode = d.Uvarint(), actor.NodeID(d.Uvarint()), d.Uvarint()
	if has {
		a.Block = block(d)
	}
	a.Blocks = blocks(d)
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		a.Entries = append(a.Entries, Entry{d.String(), d.Uvarint()})
	}
	return a, d.Done()
}

func appendBlock(b []byte, k *Block) []byte {
	b = append(wire.AppendUvarints(b, k.ID, k.Stamp, k.Length, k.Recovery), flag(k.Open))
	return appendNodes(b, k.Nodes)
}

func block(d *wire.Decoder) *Block {
	return &Block{ID: d.Uvarint(), Stamp: d.Uvarint(), Length: d.Uvarint(), Recovery: d.Uvarint(), Open: d.Byte() != 0, Nodes: nodes(d)}
}

func appendBlocks(b []byte, all []*Block) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, k := range all {
		b = appendBlock(b, k)
	}
	return b
}

func blocks(d *wire.Decoder) (all []*Block) {
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		all = append(all, block(d))
	}
	return all
}

func appendFile(b []byte, f *File) []byte {
	return appendBlocks(binary.AppendUvarint(b, f.Inode), f.Blocks)
}

// Encode writes the whole state.
func (m *Machine) Encode() []byte {
	b := append(make([]byte, 0, 1024), flag(m.safe))
	b = wire.AppendUvarints(b, m.epoch, m.inodes, m.ids, m.stamps, uint64(len(m.names)))
	for _, name := range sortedKeys(m.names) {
		b = appendFile(wire.AppendString(b, name), m.names[name])
	}
	b = binary.AppendUvarint(b, uint64(len(m.leases)))
	for _, name := range sortedKeys(m.leases) {
		l := m.leases[name]
		b = append(wire.AppendUvarints(wire.AppendString(b, name), l.Token, uint64(l.Holder)), flag(l.Draft != nil))
		if l.Draft != nil {
			b = appendFile(b, l.Draft)
		}
	}
	return b
}

// Restore replaces the state by one that Encode wrote.
func (m *Machine) Restore(image []byte) error {
	m.clear()
	d := wire.NewDecoder(image)
	m.safe = d.Byte() != 0
	m.epoch, m.inodes, m.ids, m.stamps = d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint()
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		name := d.String()
		m.names[name] = m.restored(d)
	}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		name := d.String()
		l := &Lease{Token: d.Uvarint(), Holder: actor.NodeID(d.Uvarint())}
		if d.Byte() != 0 {
			l.Draft = m.restored(d)
		}
		if !m.cfg.Forgetful {
			m.leases[name] = l
		}
	}
	if err := d.Done(); err != nil {
		return fmt.Errorf("image of the namespace, %d bytes: %w", len(image), err)
	}
	return nil
}

func (m *Machine) restored(d *wire.Decoder) *File {
	f := &File{Inode: d.Uvarint(), Blocks: blocks(d)}
	for _, b := range f.Blocks {
		m.blocks[b.ID] = b
	}
	return f
}

// Digest returns a hash of the state.
func (m *Machine) Digest() string {
	sum := sha256.Sum256(m.Encode())
	return hex.EncodeToString(sum[:8])
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
