package cp

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// TestReplicasAgree applies random requests, retries among them, to two
// replicas, one of which is now and then saved and restored, and to a plain map.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sessions := rapid.IntRange(1, 4).Draw(t, "sessions")
		a, b := newMachine(sessions), newMachine(sessions)
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
			data := appendStamped(nil, int64(index), req.AppendTo(nil))
			who, got := a.apply(index+1, data)
			if _, other := b.apply(index+1, data); other.Code != got.Code || other.Value != got.Value || who != (name{req.Client, req.Seq}) {
				t.Fatalf("answers differ: %v and %v", got, other)
			}
			if want := model[req.Key]; !retry && !applyToModel(model, req, got) {
				t.Fatalf("%v on %q was answered %v", req, want, got)
			}
			for _, key := range []string{"a", "b"} {
				if r := a.read(kv.Request{Op: kv.Get, Key: key}); r.Value != model[key] {
					t.Fatalf("%s is %q, want %q", key, r.Value, model[key])
				}
			}
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				c := newMachine(sessions)
				if err := c.restore(b.encode()); err != nil {
					t.Fatal(err)
				}
				b = c
			}
			if a.digest != b.digest || !bytes.Equal(a.encode(), b.encode()) {
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
	m := newMachine(2)
	m.apply(1, putEntry(1, 5, "k", "one"))
	m.apply(2, putEntry(2, 1, "k", "two"))
	if _, r := m.apply(3, putEntry(1, 5, "k", "one")); r.Code != kv.OK || m.data["k"].value != "two" {
		t.Errorf("a retry was answered %v and left %q", r, m.data["k"].value)
	}
	if _, r := m.apply(4, putEntry(1, 4, "k", "old")); r.Code != kv.Unknown || m.data["k"].value != "two" {
		t.Errorf("a request from before the last was answered %v and left %q", r, m.data["k"].value)
	}
	m.apply(5, putEntry(1, 6, "k", "three")) // now client 2 is the oldest
	m.apply(6, putEntry(3, 1, "k", "four"))
	if _, known := m.sessions.lookup(name{2, 1}); known || len(m.sessions.byClient) != 2 {
		t.Errorf("%d sessions, the oldest of them still there: %v", len(m.sessions.byClient), known)
	}
	if _, known := m.sessions.lookup(name{1, 6}); !known {
		t.Error("a session in use was forgotten")
	}
}

func TestKeysAreSorted(t *testing.T) {
	t.Parallel()
	m := newMachine(1)
	for i, key := range []string{"s/b", "x", "s/a", "s/c", "t"} {
		m.apply(uint64(i)+1, putEntry(1, uint64(i)+1, key, "v"))
	}
	m.apply(6, appendStamped(nil, 0, kv.Request{Op: kv.Delete, Client: 1, Seq: 9, Key: "s/c"}.AppendTo(nil)))
	if r := m.read(kv.Request{Op: kv.Keys, Key: "s/"}); !slices.Equal(r.Keys, []string{"s/a", "s/b"}) {
		t.Error(r.Keys)
	}
}
