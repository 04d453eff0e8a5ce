package ap

import (
	"bytes"
	"reflect"
	"testing"
)

// encoder is a message as its sender has it.
type encoder interface{ append(b []byte) []byte }

func samples() []encoder {
	e := entry{key: "key", value: "value", ver: version{1 << 58, 63}}
	dead := entry{key: "", ver: version{7, 0}, dead: true}
	nodes := func(width int) []treeNode {
		return []treeNode{{shard: 3, branch: 15, hashes: make([]uint64, width)}, {shard: 511, hashes: make([]uint64, width)}}
	}
	return []encoder{
		&beatMsg{hears: true},
		&storeMsg{id: 1 << 63, hint: nobody, entries: []entry{e, dead}},
		&storeMsg{id: 2, hint: 63, entries: []entry{e}},
		&ackMsg{id: 77},
		&readMsg{id: 78, key: "key"},
		&valueMsg{id: 79, entry: &e},
		&valueMsg{id: 80},
		&scanMsg{id: 81, prefix: "set/", shards: []int{0, 39, 511}},
		&scannedMsg{id: 82, shards: []int{5}, found: []entry{{key: "key", ver: version{9, 9}}, dead}},
		&treeMsg{level: levelAll, nodes: nodes(1)},
		&treeMsg{level: levelRoot, nodes: nodes(1)},
		&treeMsg{level: levelBranch, nodes: nodes(fan)},
		&treeMsg{level: levelLeaf, nodes: nodes(fan)},
		&leafMsg{leaves: []leafSum{{shard: 1, leaf: 255, entries: []entrySum{{"key", version{1, 2}, 3}}}, {shard: 2}}},
		&wantMsg{keys: []string{"a", "", "b"}},
	}
}

// blank returns an empty message of a kind, or nil.
func blank(kind byte) interface {
	message
	encoder
} {
	switch kind {
	case msgBeat:
		return new(beatMsg)
	case msgStore:
		return new(storeMsg)
	case msgAck:
		return new(ackMsg)
	case msgRead:
		return new(readMsg)
	case msgValue:
		return new(valueMsg)
	case msgScan:
		return new(scanMsg)
	case msgScanned:
		return new(scannedMsg)
	case msgTree:
		return new(treeMsg)
	case msgLeaf:
		return new(leafMsg)
	case msgWant:
		return new(wantMsg)
	}
	return nil
}

func TestMessagesRoundTrip(t *testing.T) {
	t.Parallel()
	for _, want := range samples() {
		b := want.append(nil)
		got := blank(b[0])
		if !take(&reader{b: b[1:]}, got) || !reflect.DeepEqual(encoder(got), want) {
			t.Errorf("wrote %+v, read %+v", want, got)
		}
	}
}

func TestMessagesCutShort(t *testing.T) {
	t.Parallel()
	for _, m := range samples() {
		b := m.append(nil)
		for size := 1; size < len(b); size++ {
			got := blank(b[0])
			if take(&reader{b: b[1:size]}, got) && !bytes.Equal(got.append(nil), b[:size]) {
				t.Errorf("%+v cut to %d bytes was read as %+v", m, size, got)
			}
		}
	}
}

func FuzzMessages(f *testing.F) {
	for _, m := range samples() {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		m := blank(b[0])
		if m == nil || !take(&reader{b: b[1:]}, m) {
			return
		}
		again := m.append(nil)
		other := blank(b[0])
		if !take(&reader{b: again[1:]}, other) || !reflect.DeepEqual(m, other) {
			t.Errorf("%+v became %+v", m, other)
		}
	})
}
