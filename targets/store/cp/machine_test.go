package cp

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// do applies a change to a machine.
func do(t testing.TB, m *machine, stamp int64, req kv.Request) kv.Response {
	t.Helper()
	resp, err := kv.ParseFound(m.Apply(1, appendStamped(nil, stamp, req.AppendBody(nil))))
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func look(t testing.TB, m *machine, req kv.Request) kv.Response {
	t.Helper()
	resp, err := kv.ParseFound(m.Read(req.AppendBody(nil)))
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// TestReplicasAgree applies random changes to two machines, one of which is now
// and then saved and restored, and to a plain map.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newMachine(), newMachine()
		model := map[string]string{}
		for i := range rapid.Int64Range(1, 60).Draw(rt, "requests") {
			req := kv.Request{
				Op:    kv.Op(rapid.IntRange(int(kv.Put), int(kv.Delete)).Draw(rt, "op")),
				Key:   rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key"),
				Value: fmt.Sprint(i + 1),
				Old:   rapid.SampledFrom([]string{"", model["a"], model["b"]}).Draw(rt, "old"),
			}
			got := do(t, a, i, req)
			if other := do(t, b, i, req); other.Code != got.Code || other.Value != got.Value {
				rt.Fatalf("answers differ: %v and %v", got, other)
			}
			if want := model[req.Key]; !applyToModel(model, req, got) {
				rt.Fatalf("%v on %q was answered %v", req, want, got)
			}
			for _, key := range []string{"a", "b"} {
				if r := look(t, a, kv.Request{Op: kv.Get, Key: key}); r.Value != model[key] {
					rt.Fatalf("%s is %q, want %q", key, r.Value, model[key])
				}
			}
			if rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				c := newMachine()
				if err := c.Restore(b.Encode()); err != nil {
					rt.Fatal(err)
				}
				b = c
			}
			if a.Digest() != b.Digest() || !bytes.Equal(a.Encode(), b.Encode()) {
				rt.Fatal("replicas differ")
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

func TestKeysAreSorted(t *testing.T) {
	t.Parallel()
	m := newMachine()
	for _, key := range []string{"s/b", "x", "s/a", "s/c", "t"} {
		do(t, m, 0, kv.Request{Op: kv.Put, Key: key, Value: "v"})
	}
	do(t, m, 0, kv.Request{Op: kv.Delete, Key: "s/c"})
	if r := look(t, m, kv.Request{Op: kv.Keys, Key: "s/"}); !slices.Equal(r.Keys, []string{"s/a", "s/b"}) {
		t.Error(r.Keys)
	}
}

// TestWallClockDecidesNothing: a clock that jumps leaves no trace but the stamps
// of what was written.
func TestWallClockDecidesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine()
	for i, stamp := range []int64{500, -7, 3} {
		do(t, m, stamp, kv.Request{Op: kv.Put, Key: "k", Value: fmt.Sprint(i)})
		if r := look(t, m, kv.Request{Op: kv.Get, Key: "k"}); r.Value != fmt.Sprint(i) || m.data["k"].modified != stamp {
			t.Errorf("write %d at %d left %v, stamped %d", i, stamp, r, m.data["k"].modified)
		}
	}
}

// TestNonsenseIsRefused: nothing gets into the log that the machine cannot take.
func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []request.Request{
		{},
		{Body: kv.Request{Op: 77}.AppendBody(nil)},
		{Body: kv.Request{Op: kv.Get}.AppendBody(nil)},
		{ReadOnly: true, Body: kv.Request{Op: kv.Put}.AppendBody(nil)},
		{Body: append(kv.Request{Op: kv.Put}.AppendBody(nil), 0)},
	} {
		if _, ok := sound(r); ok {
			t.Errorf("%+v is taken", r)
		}
	}
}

// FuzzState: what can be restored is written back the same.
func FuzzState(f *testing.F) {
	m := newMachine()
	for i := range 5 {
		do(f, m, 42, kv.Request{Op: kv.Put, Key: fmt.Sprint("k", i), Value: "v"})
	}
	f.Add(m.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, again := newMachine(), newMachine()
		if m.Restore(b) != nil {
			return
		}
		if err := again.Restore(m.Encode()); err != nil || !bytes.Equal(again.Encode(), m.Encode()) || again.digest != m.digest {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

// FuzzCommand: whatever passes for a request can be applied and read.
func FuzzCommand(f *testing.F) {
	f.Add(kv.Request{Op: kv.Put, Key: "k", Value: "v"}.AppendTo(nil))
	f.Add(kv.Request{Op: kv.Keys, Key: "k"}.AppendTo(nil))
	f.Fuzz(func(_ *testing.T, b []byte) {
		r, err := request.Parse(b)
		_, ok := sound(r)
		switch {
		case err != nil || !ok:
		case r.ReadOnly:
			newMachine().Read(r.Body)
		default:
			newMachine().Apply(1, appendStamped(nil, 0, r.Body))
		}
	})
}
