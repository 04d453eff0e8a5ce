package replog

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// TestReplicasAgree applies random requests, retries among them, to two
// replicas, one of which is now and then saved and restored.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sessions := rapid.IntRange(1, 4).Draw(t, "sessions")
		a, b := newState(&list{}, Config{Sessions: sessions}), newState(&list{}, Config{Sessions: sessions})
		var applied []string
		last, told := map[uint64]request.Request{}, map[uint64]reply{}
		for index := range rapid.Uint64Range(1, 60).Draw(t, "requests") {
			client := rapid.Uint64Range(1, uint64(sessions)).Draw(t, "client")
			retry := last[client].Seq > 0 && rapid.IntRange(0, 3).Draw(t, "retry") == 0
			if !retry {
				last[client] = add(client, last[client].Seq+1, fmt.Sprint(index+1))
				applied = append(applied, fmt.Sprint(index+1))
				told[client] = reply{request.OK, len(applied), fmt.Sprint(index + 1)}
			}
			ended, first := a.apply(index+1, last[client])
			other, again := b.apply(index+1, last[client])
			if first == retry || again != first || other.code != ended.code || !bytes.Equal(other.answer, ended.answer) {
				t.Fatalf("answers differ: %v and %v, executed %v and %v", ended, other, first, again)
			}
			if got := parsed(ended.code, ended.answer); got != told[client] {
				t.Fatalf("%v was answered %v, want %v", last[client], got, told[client])
			}
			if got := a.machine.(*list).commands; !slices.Equal(got, applied) {
				t.Fatalf("applied were %q, want %q", got, applied)
			}
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				c := newState(&list{}, Config{Sessions: sessions})
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

// TestSessionsAreBounded: who was silent longest is forgotten first; a request
// that is older than the last one of its client is not executed.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	m := newState(&list{}, Config{Sessions: 2})
	held := func() string { return m.machine.(*list).last() }
	m.apply(1, add(1, 5, "one"))
	m.apply(2, add(2, 1, "two"))
	if r, _ := m.apply(3, add(1, 5, "one")); r.code != request.OK || held() != "two" {
		t.Errorf("a retry was answered %v and left %q", r, held())
	}
	if r, _ := m.apply(4, add(1, 4, "old")); r.code != request.Unknown || held() != "two" {
		t.Errorf("a request from before the last was answered %v and left %q", r, held())
	}
	m.apply(5, add(1, 6, "three")) // now client 2 is the oldest
	m.apply(6, add(3, 1, "four"))
	if _, known := m.sessions.lookup(name{2, 1}); known || len(m.sessions.byClient) != 2 {
		t.Errorf("%d sessions, the oldest of them still there: %v", len(m.sessions.byClient), known)
	}
	if _, known := m.sessions.lookup(name{1, 6}); !known {
		t.Error("a session in use was forgotten")
	}
}
