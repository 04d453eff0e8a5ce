package namespace

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// journal applies commands one after the other.
type journal struct {
	m     *Machine
	index uint64
}

func newJournal() *journal { return &journal{m: New(Config{Replication: 3})} }

func (j *journal) do(c Command) Answer {
	j.index++
	a, err := ParseAnswer(j.m.Apply(j.index, c.Append(nil)))
	if err != nil {
		panic(err)
	}
	return a
}

func (j *journal) names() (all []string) {
	q := Command{Kind: List}
	a, err := ParseAnswer(j.m.Read(q.Append(nil)))
	if err != nil {
		panic(err)
	}
	for _, e := range a.Entries {
		all = append(all, e.Name)
	}
	return all
}

func (j *journal) stat(name string) Answer {
	q := Command{Kind: Stat, Name: name}
	a, err := ParseAnswer(j.m.Read(q.Append(nil)))
	if err != nil {
		panic(err)
	}
	return a
}

var three = []actor.NodeID{0, 1, 2}

// write gives a file a content of one block.
func (j *journal) write(name string, length uint64) *Block {
	a := j.do(Command{Kind: Open, Name: name, Draft: true, Nodes: three})
	j.do(Command{Kind: Close, Name: name, Token: a.Token, Block: a.Block.ID, Stamp: a.Block.Stamp, Length: length})
	return a.Block
}

// A file gets its content when it is closed, and not before.
func Example() {
	m := New(Config{Replication: 3})
	do := func(index uint64, c Command) Answer {
		a, err := ParseAnswer(m.Apply(index, c.Append(nil)))
		if err != nil {
			panic(err)
		}
		return a
	}
	stat := func() {
		q := Command{Kind: Stat, Name: "a"}
		a, err := ParseAnswer(m.Read(q.Append(nil)))
		fmt.Println(a.Code, len(a.Blocks), err)
	}
	open := do(1, Command{Kind: Open, Name: "a", Draft: true, Holder: 2, Nodes: three})
	other := do(2, Command{Kind: Open, Name: "a", Draft: true, Holder: 3, Nodes: three})
	fmt.Println(other.Code, "by", other.Holder)
	stat()
	do(3, Command{Kind: Close, Name: "a", Token: open.Token, Block: open.Block.ID, Stamp: open.Block.Stamp, Length: 7})
	stat()
	// Output:
	// leased by n3
	// not-found 0 <nil>
	// ok 1 <nil>
}

func TestNames(t *testing.T) {
	t.Parallel()
	j := newJournal()
	for _, c := range []struct {
		do   Command
		code Code
		want []string
	}{
		{Command{Kind: Create, Name: "a"}, OK, []string{"a"}},
		{Command{Kind: Create, Name: "a"}, Exists, []string{"a"}},
		{Command{Kind: Create, Name: "b"}, OK, []string{"a", "b"}},
		{Command{Kind: Rename, Name: "a", To: "b"}, Exists, []string{"a", "b"}},
		{Command{Kind: Rename, Name: "x", To: "c"}, NotFound, []string{"a", "b"}},
		{Command{Kind: Rename, Name: "a", To: "c"}, OK, []string{"b", "c"}},
		{Command{Kind: Delete, Name: "a"}, NotFound, []string{"b", "c"}},
		{Command{Kind: Delete, Name: "b"}, OK, []string{"c"}},
		{Command{Kind: 99}, Bad, []string{"c"}},
	} {
		if a := j.do(c.do); a.Code != c.code || !slices.Equal(j.names(), c.want) {
			t.Errorf("%+v: %v, %v; want %v, %v", c.do, a.Code, j.names(), c.code, c.want)
		}
	}
	if a := j.stat("c"); a.Inode != 1 {
		t.Errorf("a file that was renamed has inode %d, and had 1", a.Inode)
	}
}

// Whoever lost a lease can do nothing with it any more, and the file is as the
// recovery leaves it.
func TestTakenLease(t *testing.T) {
	t.Parallel()
	j := newJournal()
	old := j.do(Command{Kind: Open, Name: "a", Holder: 1, Nodes: three})
	taken := j.do(Command{Kind: Take, Name: "a", Token: old.Token, Holder: 2})
	if taken.Code != OK || taken.Block.Recovery <= old.Block.Stamp {
		t.Fatalf("took %+v over from %+v", taken, old)
	}
	for _, kind := range []Kind{Next, Recover, Seal, Close} {
		if a := j.do(Command{Kind: kind, Name: "a", Token: old.Token, Block: old.Block.ID, Stamp: old.Block.Stamp, Length: 9, Nodes: three}); a.Code != Stale {
			t.Errorf("command %d of who lost the lease: %v", kind, a.Code)
		}
	}
	if a := j.do(Command{Kind: Take, Name: "a", Token: old.Token, Holder: 3}); a.Code != Leased || a.Holder != 2 {
		t.Errorf("a token that is not in force can be taken: %+v", a)
	}
	if a := j.do(Command{Kind: Close, Name: "a", Token: taken.Token}); a.Code != Stale {
		t.Errorf("a file is closed whose last block was not sealed: %v", a.Code)
	}
	seal := Command{Kind: Seal, Name: "a", Token: taken.Token, Block: old.Block.ID, Stamp: old.Block.Stamp, Length: 5, Nodes: three[1:]}
	if a := j.do(seal); a.Code != Stale {
		t.Errorf("a block is sealed under the stamp that it is recovered from: %v", a.Code)
	}
	seal.Stamp = taken.Block.Recovery
	if a := j.do(seal); a.Code != OK {
		t.Errorf("the block is not sealed: %v", a.Code)
	}
	j.do(Command{Kind: Close, Name: "a", Token: taken.Token})
	b := j.stat("a").Blocks[0]
	if b.Open || b.Length != 5 || b.Stamp != seal.Stamp || !slices.Equal(b.Nodes, three[1:]) || len(j.m.Leases()) != 0 {
		t.Errorf("the block is %+v", b)
	}
}

// A draft that is taken over leaves nothing, and what the file held before stays.
func TestTakenDraft(t *testing.T) {
	t.Parallel()
	j := newJournal()
	before := j.write("a", 10)
	draft := j.do(Command{Kind: Open, Name: "a", Draft: true, Holder: 1, Nodes: three})
	if a := j.do(Command{Kind: Take, Name: "a", Token: draft.Token, Holder: 2}); a.Code != OK || a.Token != 0 {
		t.Errorf("taking a draft: %+v", a)
	}
	if a := j.do(Command{Kind: Close, Name: "a", Token: draft.Token, Block: draft.Block.ID, Stamp: draft.Block.Stamp, Length: 3}); a.Code != Stale {
		t.Errorf("the draft was closed: %v", a.Code)
	}
	if b := j.stat("a").Blocks; len(b) != 1 || b[0].ID != before.ID || len(j.m.Blocks()) != 1 {
		t.Errorf("the file has %v", b)
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	j := newJournal()
	open := j.do(Command{Kind: Open, Name: "a", Nodes: three})
	next := j.do(Command{Kind: Next, Name: "a", Token: open.Token, Block: open.Block.ID, Stamp: open.Block.Stamp, Length: 100, Nodes: three})
	if a := j.do(Command{Kind: Truncate, Name: "a", Length: 1}); a.Code != Leased {
		t.Errorf("a file that is written can be cut: %v", a.Code)
	}
	j.do(Command{Kind: Close, Name: "a", Token: open.Token, Block: next.Block.ID, Stamp: next.Block.Stamp, Length: 50})
	for _, c := range []struct {
		length uint64
		want   []uint64
	}{{200, []uint64{100, 50}}, {120, []uint64{100, 20}}, {100, []uint64{100}}, {30, []uint64{30}}, {0, nil}} {
		j.do(Command{Kind: Truncate, Name: "a", Length: c.length})
		var got []uint64
		for _, b := range j.stat("a").Blocks {
			got = append(got, b.Length)
		}
		if !slices.Equal(got, c.want) || len(j.m.Blocks()) != len(c.want) {
			t.Errorf("cut to %d: %v, want %v", c.length, got, c.want)
		}
	}
	if a := j.do(Command{Kind: Truncate, Name: "b"}); a.Code != NotFound {
		t.Errorf("a file that is not there: %v", a.Code)
	}
}

// In safe mode nothing begins, and what was begun goes on. An epoch that is over
// decides nothing any more.
func TestEpochs(t *testing.T) {
	t.Parallel()
	j := newJournal()
	b := j.write("a", 10)
	open := j.do(Command{Kind: Open, Name: "b", Nodes: three})
	if a := j.do(Command{Kind: Activate, Epoch: 5}); a.Code != OK {
		t.Fatal(a.Code)
	}
	for _, kind := range []Kind{Create, Rename, Delete, Truncate, Open, Take} {
		if a := j.do(Command{Kind: kind, Name: "c", To: "d"}); a.Code != Safe {
			t.Errorf("command %d in safe mode: %v", kind, a.Code)
		}
	}
	if a := j.do(Command{Kind: Close, Name: "b", Token: open.Token, Block: open.Block.ID, Stamp: open.Block.Stamp}); a.Code != OK {
		t.Errorf("a file cannot be closed in safe mode: %v", a.Code)
	}
	gone := []Change{{Block: b.ID, Stamp: b.Stamp, Node: 2}}
	for _, c := range []Command{{Kind: Activate, Epoch: 4}, {Kind: Leave, Epoch: 4}, {Kind: Move, Epoch: 4, Changes: gone}} {
		if a := j.do(c); a.Code != Stale {
			t.Errorf("%+v: %v", c, a.Code)
		}
	}
	j.do(Command{Kind: Leave, Epoch: 5})
	j.do(Command{Kind: Activate, Epoch: 5}) // again
	if epoch, safe := j.m.Epoch(); epoch != 5 || safe {
		t.Errorf("epoch %d, safe mode %v", epoch, safe)
	}
	j.do(Command{Kind: Move, Epoch: 5, Changes: gone})
	if got, _ := j.m.Block(b.ID); !slices.Equal(got.Nodes, three[:2]) {
		t.Errorf("the block is on %v", got.Nodes)
	}
}

// A block is never on more nodes than it is to be, nor on none.
func TestMove(t *testing.T) {
	t.Parallel()
	j := newJournal()
	b := j.write("a", 10)
	move := func(node actor.NodeID, stamp uint64, add bool) []actor.NodeID {
		j.do(Command{Kind: Move, Changes: []Change{{Block: b.ID, Stamp: stamp, Node: node, Add: add}}})
		got, _ := j.m.Block(b.ID)
		return got.Nodes
	}
	for _, c := range []struct {
		node  actor.NodeID
		stamp uint64
		add   bool
		want  []actor.NodeID
	}{
		{3, b.Stamp, true, []actor.NodeID{0, 1, 2}},
		{0, b.Stamp + 1, false, []actor.NodeID{0, 1, 2}},
		{0, b.Stamp, false, []actor.NodeID{1, 2}},
		{3, b.Stamp, true, []actor.NodeID{1, 2, 3}},
		{1, b.Stamp, false, []actor.NodeID{2, 3}},
		{2, b.Stamp, false, []actor.NodeID{3}},
		{3, b.Stamp, false, []actor.NodeID{3}},
	} {
		if got := move(c.node, c.stamp, c.add); !slices.Equal(got, c.want) {
			t.Errorf("%+v: on %v", c, got)
		}
	}
}

// command draws a command that has some chance to do something.
func command(rt *rapid.T, j *journal) Command {
	c := Command{
		Kind: Kind(rapid.IntRange(1, int(Move)).Draw(rt, "kind")), Draft: rapid.Bool().Draw(rt, "draft"),
		Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name"), To: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "to"),
		Epoch: uint64(rapid.IntRange(0, 5).Draw(rt, "epoch")), Length: uint64(rapid.IntRange(0, 9).Draw(rt, "length")), Nodes: three,
	}
	for _, l := range j.m.Leases() {
		if l.Name != c.Name || rapid.IntRange(0, 4).Draw(rt, "old") == 0 {
			continue
		}
		c.Token = l.Token
		if b := j.m.target(l.Name).open(); b != nil {
			c.Block, c.Stamp = b.ID, b.Latest()
		}
	}
	for _, b := range j.m.Blocks() {
		c.Changes = append(c.Changes, Change{b.ID, b.Stamp, actor.NodeID(rapid.IntRange(0, 4).Draw(rt, "node")), rapid.Bool().Draw(rt, "add")})
	}
	return c
}

// Whatever is done: a node that goes on from an image is in the state of one that
// did it all, the blocks are those of the files, and no file has an open block
// before its end, or one without a lease.
func TestMachine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		j, other := newJournal(), newJournal()
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			c := command(rt, j)
			a, b := j.do(c), other.do(c)
			if a.Code != b.Code || j.m.Digest() != other.m.Digest() {
				rt.Fatalf("%+v: %v and %v", c, a, b)
			}
			if rapid.IntRange(0, 5).Draw(rt, "restart") == 0 {
				other.m = New(Config{Replication: 3})
				if err := other.m.Restore(j.m.Encode()); err != nil {
					rt.Fatal(err)
				}
			}
			sound(rt, j.m)
		}
	})
}

func sound(rt *rapid.T, m *Machine) {
	blocks := 0
	see := func(name string, f *File, written bool) {
		for i, b := range f.Blocks {
			blocks++
			if b.Open && (i < len(f.Blocks)-1 || !written) || !b.Open && b.Length == 0 {
				rt.Fatalf("%s has the block %+v", name, b)
			}
			if got, known := m.Block(b.ID); got != b || !known || len(b.Nodes) == 0 || b.Latest() > m.stamps {
				rt.Fatalf("%s has the block %+v, and the machine %+v", name, b, got)
			}
		}
	}
	for name, f := range m.names {
		l := m.leases[name]
		see(name, f, l != nil && l.Draft == nil)
	}
	for name, l := range m.leases {
		if l.Draft != nil {
			see(name, l.Draft, true)
		} else if m.names[name] == nil {
			rt.Fatalf("%s is leased and not there", name)
		}
	}
	if blocks != len(m.Blocks()) {
		rt.Fatalf("files have %d blocks, the machine %d", blocks, len(m.Blocks()))
	}
}

func FuzzParse(f *testing.F) {
	c := Command{Kind: Move, Name: "a", To: "b", Nodes: three, Changes: []Change{{1, 2, 3, true}}}
	f.Add(c.Append(nil))
	a := Answer{Block: &Block{ID: 1, Nodes: three}, Blocks: []*Block{{ID: 2}}, Entries: []Entry{{"a", 1}}}
	f.Add(a.Append(nil))
	j := newJournal()
	j.write("a", 7)
	j.do(Command{Kind: Open, Name: "b", Draft: true, Nodes: three})
	f.Add(j.m.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCommand(b); err == nil {
			if again, err := ParseCommand(c.Append(nil)); err != nil || string(again.Append(nil)) != string(c.Append(nil)) {
				t.Errorf("%+v became %+v, %v", c, again, err)
			}
			newJournal().do(c)
		}
		if a, err := ParseAnswer(b); err == nil {
			if again, err := ParseAnswer(a.Append(nil)); err != nil || string(again.Append(nil)) != string(a.Append(nil)) {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
		m := New(Config{Replication: 3})
		if m.Restore(b) == nil {
			image := m.Encode()
			if err := m.Restore(image); err != nil || string(m.Encode()) != string(image) {
				t.Errorf("an image is read as another one: %v", err)
			}
		}
	})
}
