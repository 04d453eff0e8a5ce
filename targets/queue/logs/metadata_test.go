package logs

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// config is that of small logs: two partitions on three of five nodes each.
func config(bugs ...Bug) *Config {
	cfg := &Config{Topics: 1, Partitions: 2, Replicas: 3, MinISR: 2, Acks: AcksAll, Idempotent: true, SnapshotEvery: 1000, Sessions: 100, Bugs: map[Bug]bool{}}
	for _, b := range bugs {
		cfg.Bugs[b] = true
	}
	return cfg
}

// do applies a command and returns the first byte of the answer, and the decoder
// of the rest.
func do(m *metadata, cmd []byte) (byte, *wire.Decoder) {
	answer := m.Apply(0, cmd)
	return answer[0], wire.NewDecoder(answer[1:])
}

func alive(cfg *Config) *metadata {
	m := newMetadata(cfg, 5)
	for id := range actor.NodeID(5) {
		do(m, registerCommand(id, 7))
	}
	return m
}

func TestElections(t *testing.T) {
	t.Parallel()
	m := alive(config())
	p := &m.parts[0]
	if p.leader != 0 || p.epoch != 1 || !slices.Equal(p.isr, []actor.NodeID{0, 1, 2}) {
		t.Fatalf("the first to register leads: %+v", p)
	}
	do(m, fenceCommand(0, 7))
	if p.leader != 1 || p.epoch != 2 || !slices.Equal(p.isr, []actor.NodeID{1, 2}) {
		t.Fatalf("the next one in the ISR leads: %+v", p)
	}
	do(m, alterCommand(0, 2, p.version, []actor.NodeID{1}))
	do(m, registerCommand(0, 8))
	do(m, fenceCommand(1, 7))
	if p.leader != nobody || !slices.Equal(p.isr, []actor.NodeID{1}) {
		t.Fatalf("only the last of the ISR has all: %+v", p)
	}
	do(m, registerCommand(1, 9))
	if p.leader != 1 || p.epoch != 3 {
		t.Fatalf("it is back: %+v", p)
	}
	do(m, registerCommand(1, 10))
	if p.leader != 1 || p.epoch != 4 {
		t.Fatalf("a new life leads in a new epoch: %+v", p)
	}
}

func TestUncleanElections(t *testing.T) {
	t.Parallel()
	for _, cfg := range []*Config{{Unclean: true}, config(Q1)} {
		cfg.Topics, cfg.Partitions, cfg.Replicas = 1, 1, 3
		m := alive(cfg)
		p := &m.parts[0]
		do(m, alterCommand(0, 1, p.version, []actor.NodeID{0}))
		do(m, fenceCommand(0, 7))
		if p.leader != 1 || !slices.Equal(p.isr, []actor.NodeID{1}) {
			t.Errorf("whoever is alive leads, and is all that is in sync: %+v", p)
		}
	}
}

func TestAlterIsForWhatTheLeaderKnows(t *testing.T) {
	t.Parallel()
	m := alive(config())
	p := &m.parts[0]
	do(m, fenceCommand(2, 7))
	for name, cmd := range map[string][]byte{
		"another epoch":   alterCommand(0, 2, p.version, []actor.NodeID{0}),
		"another version": alterCommand(0, 1, p.version-1, []actor.NodeID{0}),
		"a dead node":     alterCommand(0, 1, p.version, []actor.NodeID{0, 1, 2}),
		"no leader":       alterCommand(0, 1, p.version, []actor.NodeID{1}),
	} {
		if how, _ := do(m, cmd); how != stale {
			t.Errorf("%s: answer %d", name, how)
		}
	}
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	m := alive(config())
	_, d := do(m, initCommand("a"))
	x := readTxn(d)
	do(m, beginCommand(x, []int{1, 0, 1}))
	if _, may := m.writes(x, 1); !may {
		t.Fatal("it was announced")
	}
	how, d := do(m, endCommand(x, true, membership{}, nil))
	if next := d.Uvarint(); how != done || next <= x.epoch {
		t.Fatalf("answer %d, next epoch %d", how, next)
	}
	if len(m.ended) != 1 || !m.ended[0].commit || !slices.Equal(m.ended[0].parts, []int{0, 1}) {
		t.Fatalf("markers are to be written: %+v", m.ended)
	}
	for _, late := range [][]byte{beginCommand(x, []int{0}), endCommand(x, false, membership{}, nil)} {
		if how, _ := do(m, late); how != fenced {
			t.Errorf("%c of an epoch that is over: answer %d", late[0], how)
		}
	}
	do(m, markedCommand([]mark{{x, 0}, {x, 1}}))
	if len(m.ended) != 0 {
		t.Errorf("all markers are committed: %+v", m.ended)
	}
}

func TestANewProducerAbortsTheOldOne(t *testing.T) {
	t.Parallel()
	m := alive(config())
	_, d := do(m, initCommand("a"))
	x := readTxn(d)
	do(m, beginCommand(x, []int{0}))
	_, d = do(m, initCommand("a"))
	if y := readTxn(d); y.id != x.id || y.epoch <= x.epoch {
		t.Fatalf("%v after %v", y, x)
	}
	if len(m.ended) != 1 || m.ended[0].commit || m.met != factFenced {
		t.Fatalf("it is aborted: %+v, %q", m.ended, m.met)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	m := alive(config())
	owns := func(who string) (uint64, []position) {
		d := wire.NewDecoder(m.Read(syncQuery("g", who))[1:])
		return d.Uvarint(), readPositions(d)
	}
	do(m, joinCommand("g", "a", 0))
	if gen, own := owns("a"); gen != 1 || len(own) != 2 {
		t.Fatalf("the only member owns all: %d %v", gen, own)
	}
	do(m, joinCommand("g", "b", 1))
	a, b := membership{"g", "a", 2}, membership{"g", "b", 2}
	if how, _ := do(m, commitCommand(membership{"g", "a", 1}, []position{{0, 5}})); how != stale {
		t.Errorf("commit in an old generation: answer %d", how)
	}
	do(m, commitCommand(a, []position{{0, 5}}))
	do(m, commitCommand(a, []position{{0, 4}})) // was on its way for longer
	do(m, fenceCommand(0, 7))
	if gen, own := owns("b"); gen != 3 || !slices.Equal(own, []position{{0, 5}, {1, 0}}) {
		t.Errorf("b owns all when the node of a is dead: %d %v", gen, own)
	}
	_, d := do(m, initCommand("x"))
	x := readTxn(d)
	do(m, beginCommand(x, []int{0}))
	if how, _ := do(m, endCommand(x, true, b, []position{{1, 3}})); how != stale || m.met != factRebalance {
		t.Errorf("a transaction of an old generation commits: answer %d", how)
	}
	if len(m.ended) != 1 || m.ended[0].commit {
		t.Errorf("it is aborted: %+v", m.ended)
	}
}

// Whatever is applied, the state can be written and read again, and no bytes are
// too strange to be refused.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := alive(config())
		node := rapid.Custom(func(t *rapid.T) actor.NodeID { return actor.NodeID(rapid.IntRange(0, 5).Draw(t, "node")) })
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		small := rapid.Uint64Range(0, 4)
		txn := rapid.Custom(func(t *rapid.T) txnID { return txnID{small.Draw(t, "id"), small.Draw(t, "epoch")} })
		for range rapid.IntRange(0, 40).Draw(t, "commands") {
			who := membership{"g", name.Draw(t, "member"), small.Draw(t, "generation")}
			cmds := [][]byte{
				registerCommand(node.Draw(t, "n"), small.Draw(t, "life")), fenceCommand(node.Draw(t, "n"), 7),
				alterCommand(0, m.parts[0].epoch, m.parts[0].version, []actor.NodeID{node.Draw(t, "n"), m.parts[0].isr[0]}),
				initCommand(name.Draw(t, "name")), beginCommand(txn.Draw(t, "txn"), []int{0, 1}),
				endCommand(txn.Draw(t, "txn"), true, who, []position{{1, 4}}), expireCommand(txn.Draw(t, "txn")),
				markedCommand([]mark{{txn.Draw(t, "txn"), 1}}), joinCommand("g", who.member, node.Draw(t, "n")),
				leaveCommand("g", who.member), commitCommand(who, []position{{0, 2}}),
				rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
			}
			m.Apply(0, rapid.SampledFrom(cmds).Draw(t, "command"))
		}
		again := newMetadata(m.cfg, m.nodes)
		if err := again.Restore(m.Encode()); err != nil {
			t.Fatal(err)
		}
		if again.Digest() != m.Digest() {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	m := alive(config())
	do(m, joinCommand("g", "a", 0))
	f.Add(m.Encode(), joinCommand("g", "b", 1))
	f.Add([]byte{}, endCommand(txnID{1, 0}, true, membership{"g", "a", 1}, []position{{1, 1}}))
	f.Fuzz(func(_ *testing.T, state, cmd []byte) {
		m := alive(config())
		_ = m.Restore(state)
		m.Apply(0, cmd)
		m.Read(cmd)
	})
}
