package replog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// keys is a machine that holds keys and values, and speaks the language of the store.
type keys struct{ data map[string]string }

func newKeys() *keys { return &keys{data: map[string]string{}} }

func (k *keys) Apply(_ uint64, cmd []byte) []byte {
	req, err := kv.ParseBody(cmd)
	if err != nil {
		panic(err)
	}
	return k.execute(req).AppendBody(nil)
}

func (k *keys) execute(req kv.Request) kv.Response {
	old, there := k.data[req.Key]
	switch {
	case req.Op == kv.CAS && old != req.Old:
		return kv.Response{Code: kv.Mismatch, Value: old}
	case req.Op == kv.Delete && !there:
		return kv.Response{Code: kv.NotFound}
	case req.Op == kv.Delete:
		delete(k.data, req.Key)
	default:
		k.data[req.Key] = req.Value
	}
	return kv.Response{Code: kv.OK}
}

func (k *keys) Read(query []byte) []byte {
	req, err := kv.ParseBody(query)
	if err != nil {
		panic(err)
	}
	if v, there := k.data[req.Key]; there {
		return kv.Response{Code: kv.OK, Value: v}.AppendBody(nil)
	}
	return kv.Response{Code: kv.NotFound}.AppendBody(nil)
}

func (k *keys) Encode() []byte {
	b := binary.AppendUvarint(nil, uint64(len(k.data)))
	for _, key := range slices.Sorted(maps.Keys(k.data)) {
		b = wire.AppendString(wire.AppendString(b, key), k.data[key])
	}
	return b
}

func (k *keys) Restore(b []byte) error {
	d := wire.NewDecoder(b)
	k.data = map[string]string{}
	for count := d.Uvarint(); count > 0 && d.Err() == nil; count-- {
		key := d.String()
		k.data[key] = d.String()
	}
	return d.Done()
}

func (k *keys) Digest() string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(k.Encode())) }

// change is a request that changes something, and put one that sets a key.
func change(r kv.Request) request.Request {
	return request.Request{Client: r.Client, Seq: r.Seq, Body: r.AppendBody(nil)}
}

func put(client, seq uint64, key, value string) request.Request {
	return change(kv.Request{Op: kv.Put, Client: client, Seq: seq, Key: key, Value: value})
}

// TestReplicasAgree applies random requests, retries among them, to two
// replicas, one of which is now and then saved and restored, and to a plain map.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sessions := rapid.IntRange(1, 4).Draw(t, "sessions")
		a, b := newState(newKeys(), Config{Sessions: sessions}), newState(newKeys(), Config{Sessions: sessions})
		model := map[string]string{}
		last := map[uint64]kv.Request{}
		for index := range rapid.Uint64Range(1, 60).Draw(t, "requests") {
			req := kv.Request{
				Op:     kv.Op(rapid.IntRange(int(kv.Put), int(kv.Delete)).Draw(t, "op")),
				Client: rapid.Uint64Range(1, uint64(sessions)).Draw(t, "client"),
				Key:    rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"),
				Value:  fmt.Sprint(index + 1),
				Old:    rapid.SampledFrom([]string{"", model["a"], model["b"]}).Draw(t, "old"),
			}
			before := last[req.Client]
			retry := before.Seq > 0 && rapid.IntRange(0, 3).Draw(t, "retry") == 0
			if retry {
				req = before
			} else {
				req.Seq = before.Seq + 1
				last[req.Client] = req
			}
			ended, first := a.apply(index+1, change(req))
			other, again := b.apply(index+1, change(req))
			if first == retry || again != first || other.code != ended.code || !bytes.Equal(other.answer, ended.answer) {
				t.Fatalf("answers differ: %v and %v, executed %v and %v", ended, other, first, again)
			}
			got, err := kv.ParseFound(ended.answer)
			if err != nil {
				t.Fatal(err)
			}
			if want := model[req.Key]; !retry && !applyToModel(model, req, got) {
				t.Fatalf("%v on %q was answered %v", req, want, got)
			}
			for _, key := range []string{"a", "b"} {
				if v := a.machine.(*keys).data[key]; v != model[key] {
					t.Fatalf("%s is %q, want %q", key, v, model[key])
				}
			}
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				c := newState(newKeys(), Config{Sessions: sessions})
				if err := c.restore(b.applied, b.encode()); err != nil {
					t.Fatal(err)
				}
				b = c
			}
			if !bytes.Equal(a.encode(), b.encode()) {
				t.Fatal("replicas differ")
			}
		}
	})
}

// applyToModel reports whether the answer is right, and does what was asked.
func applyToModel(model map[string]string, req kv.Request, got kv.Response) bool {
	was := model[req.Key]
	switch req.Op {
	case kv.Put:
		model[req.Key] = req.Value
		return got.Code == kv.OK
	case kv.CAS:
		if was != req.Old {
			return got.Code == kv.Mismatch && got.Value == was
		}
		model[req.Key] = req.Value
		return got.Code == kv.OK
	default:
		delete(model, req.Key)
		return (got.Code == kv.OK) == (was != "")
	}
}

// TestSessionsAreBounded: who was silent longest is forgotten first; a request
// that is older than the last one of its client is not executed.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	m := newState(newKeys(), Config{Sessions: 2})
	held := func() string { return m.machine.(*keys).data["k"] }
	m.apply(1, put(1, 5, "k", "one"))
	m.apply(2, put(2, 1, "k", "two"))
	if r, _ := m.apply(3, put(1, 5, "k", "one")); r.code != request.OK || held() != "two" {
		t.Errorf("a retry was answered %v and left %q", r, held())
	}
	if r, _ := m.apply(4, put(1, 4, "k", "old")); r.code != request.Unknown || held() != "two" {
		t.Errorf("a request from before the last was answered %v and left %q", r, held())
	}
	m.apply(5, put(1, 6, "k", "three")) // now client 2 is the oldest
	m.apply(6, put(3, 1, "k", "four"))
	if _, known := m.sessions.lookup(name{2, 1}); known || len(m.sessions.byClient) != 2 {
		t.Errorf("%d sessions, the oldest of them still there: %v", len(m.sessions.byClient), known)
	}
	if _, known := m.sessions.lookup(name{1, 6}); !known {
		t.Error("a session in use was forgotten")
	}
}
