package logs

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// log makes a log of records that are written as "kind producer.epoch": p, t, c
// and a stand for the kinds.
func log(epoch uint64, words ...string) *replica {
	l := newReplica(0)
	for _, w := range words {
		var k rune
		r := record{offset: l.next, epoch: epoch, value: "v"}
		fmt.Sscanf(w, "%c%d.%d", &k, &r.txn.id, &r.txn.epoch)
		r.kind = map[rune]kind{'p': plain, 't': inTxn, 'c': committed, 'a': aborted}[k]
		r.seq = uint64(l.next) + 1
		l.add(r)
	}
	return l
}

func offsets(rs []record) []int64 {
	var list []int64
	for _, r := range rs {
		list = append(list, r.offset)
	}
	return list
}

func TestStableOffset(t *testing.T) {
	t.Parallel()
	l := log(1, "p0.0", "t1.0", "t2.0", "p0.0", "a1.0", "t2.0", "c2.0", "t1.1")
	for high, want := range map[int64]int64{0: 0, 1: 1, 4: 1, 5: 2, 6: 2, 7: 7, 8: 7} {
		if l.stable(high) != want {
			t.Errorf("with the high water mark at %d everything has ended up to %d, want %d", high, l.stable(high), want)
		}
	}
	got, next := l.read(0, l.stable(8), 100)
	if want := []int64{0, 2, 3, 5}; !slices.Equal(offsets(got), want) || next != 7 {
		t.Errorf("consumers see %v and go on at %d, want %v and 7", offsets(got), next, want)
	}
	if got, next := l.read(2, 7, 1); !slices.Equal(offsets(got), []int64{2}) || next != 3 {
		t.Errorf("one message from 2: %v, then %d", offsets(got), next)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	l := log(1, "p0.0", "t1.0", "p3.0", "c1.0", "p3.0")
	l.synced, l.high = 5, 4
	l.cut(3)
	if l.next != 3 || l.synced != 3 || l.high != 3 || l.opened(txnID{1, 0}) < 0 || l.writers[3].offset != 2 {
		t.Errorf("the transaction is open again, and the producer's last message is its first: %+v", l)
	}
}

// What the node says that is of use in its journal is about what a new journal takes,
// whatever was cut, removed and emptied before.
func TestLive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newReplica(0)
		for range rapid.IntRange(10, 50).Draw(t, "steps") {
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0:
				l.cut(max(l.first, l.next-5))
			case 1:
				l.high = l.next
				l.clean(&Config{Retention: 20})
			case 2:
				l.high, l.compacted = l.next, -compactMin
				l.clean(&Config{Compaction: true})
			case 3:
				if l.next > 150 {
					l.reset(l.next)
				}
			default:
				key := rapid.SampledFrom([]string{"", "k", "another"}).Draw(t, "key")
				for range rapid.IntRange(1, 20).Draw(t, "records") {
					l.add(record{offset: l.next, epoch: 3, txn: txnID{1, 7}, seq: uint64(l.next), key: key, value: "1234"})
				}
			}
		}
		bytes := 0
		for i := range l.records {
			bytes += 1 + len(l.recordEntry(&l.records[i]))
		}
		n := &node{held: []*replica{nil, l}}
		if live := n.live(); live < bytes*3/4 || live > bytes*4/3 {
			t.Fatalf("%d bytes are of use, of %d that the records take", live, bytes)
		}
	})
}

// Two logs that were one up to a leader change agree up to where they parted.
func TestLogsThatDiffer(t *testing.T) {
	t.Parallel()
	leader, follower := log(1, "p0.0", "p0.0", "p0.0"), log(1, "p0.0", "p0.0", "p0.0", "p0.0", "p0.0")
	for range 3 {
		leader.add(record{offset: leader.next, epoch: 3})
	}
	follower.add(record{offset: 5, epoch: 2})
	for steps := 0; ; steps++ {
		upTo, end := leader.upTo(follower.lastEpoch())
		if upTo == follower.lastEpoch() && follower.next <= end {
			break
		}
		if steps == 3 {
			t.Fatalf("no agreement: %+v", follower)
		}
		_, own := follower.upTo(upTo)
		follower.cut(min(own, end))
	}
	if follower.next != 3 || follower.tail != leader.records[2].sum {
		t.Errorf("they agree up to %d, want 3", follower.next)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	l := newReplica(0)
	for i := range int64(300) {
		l.add(record{offset: i, epoch: 1, key: fmt.Sprint(i % 7), value: fmt.Sprint(i)})
	}
	l.high = 290
	l.clean(&Config{Compaction: true})
	if got := offsets(l.records[:8]); got[0] < 283 || l.next != 300 {
		t.Errorf("of each key below 290 the last is left: %v", got)
	}
	l.clean(&Config{Retention: 5})
	if l.first != l.records[0].offset || len(l.records) != 15 {
		t.Errorf("%d records are left from %d on, want 5 of those below 290 and all after that", len(l.records), l.first)
	}
}

// What is on the disk makes the same log again.
func TestEntries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newReplica(0)
		n := &node{cfg: config(), held: []*replica{newReplica(0)}}
		play := func(entry []byte) {
			if err := n.replay(entry); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 5).Draw(t, "cut") == 0 {
				at := rapid.Int64Range(0, l.next).Draw(t, "at")
				l.cut(at)
				play(wire.AppendUvarints([]byte{entryCut}, 0, uint64(at)))
				continue
			}
			r := record{offset: l.next, epoch: l.lastEpoch() + uint64(rapid.IntRange(0, 1).Draw(t, "epoch")),
				kind: kind(rapid.IntRange(0, 3).Draw(t, "kind")), txn: txnID{1, rapid.Uint64Range(0, 3).Draw(t, "txn")}}
			l.add(r)
			play(l.recordEntry(&r))
		}
		if rapid.Bool().Draw(t, "rewritten") {
			play(l.startEntry())
			for i := range l.records {
				play(l.recordEntry(&l.records[i]))
			}
		}
		if got := n.held[0]; got.next != l.next || got.tail != l.tail || !slices.Equal(got.epochs, l.epochs) || len(got.open) != len(l.open) {
			t.Fatalf("%+v became %+v", l, got)
		}
	})
}

func FuzzReplay(f *testing.F) {
	l := log(1, "p0.0", "t1.0")
	f.Add(l.recordEntry(&l.records[1]))
	f.Add(l.startEntry())
	f.Add(wire.AppendUvarints([]byte{entryCut}, 0, 1))
	f.Fuzz(func(_ *testing.T, entry []byte) {
		n := &node{cfg: config(), held: []*replica{log(1, "p0.0", "t1.0", "c1.0"), nil}}
		_ = n.replay(entry)
	})
}

func FuzzMessages(f *testing.F) {
	r := record{offset: 3, epoch: 2, kind: inTxn, txn: txnID{1, 2}, seq: 9, key: "k", value: "v"}
	f.Add(fetch{1, 2, 3, 4, 5}.append(nil))
	f.Add(fetched{part: 1, epoch: 2, records: []record{r}}.encode())
	f.Add(send{1, 2, 3, r}.append(nil))
	f.Add(sent{1, 2, denied, 4}.append(nil))
	f.Add(poll{1, 2, 3, 4}.append(nil))
	f.Add(polled{tag: 1, end: true, messages: []message{{1, "k", "v"}}}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		d := wire.NewDecoder(b[1:])
		var again []byte
		switch b[0] {
		case msgFetch:
			again = readFetch(d).append(nil)
		case msgFetched:
			again = readFetched(d).encode()
		case msgSend:
			again = readSend(d).append(nil)
		case msgSent:
			again = readSent(d).append(nil)
		case msgPoll:
			again = readPoll(d).append(nil)
		case msgPolled:
			again = readPolled(d).append(nil)
		default:
			return
		}
		if d.Done() == nil && len(again) > len(b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}
