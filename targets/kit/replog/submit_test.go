package replog

import (
	"fmt"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// TestSubmit: what nodes submit themselves, many commands at a time, is applied
// once if it was OK, never if it was not available, and at most once otherwise.
func TestSubmit(t *testing.T) {
	t.Parallel()
	applied := map[string]int{}
	w := newWorld(4, 3, Config{Turned: func(bool, uint64) {}})
	w.runUntil(3000*ms, w.ready)
	w.hosts[0].node.cfg.Applied = func(_ uint64, cmd []byte) { applied[string(cmd)]++ }
	ended := map[string]request.Code{}
	for i := range 150 {
		h := w.hosts[i%3]
		for j := range 4 {
			cmd := fmt.Append(nil, i, " ", j)
			h.node.Submit(cmd, func(_ []byte, code request.Code) { ended[string(cmd)] = code })
		}
		if i == 50 {
			w.loss, w.dup = 10, 20
			w.isolate(w.leader().id)
		}
		if i == 100 {
			w.heal()
		}
		w.run(30 * ms)
	}
	w.loss = 0
	if !w.runUntil(w.now+10_000*ms, func() bool { return len(ended) == 600 && w.converged() }) {
		t.Fatalf("%d of 600 commands have ended, nodes died: %v", len(ended), w.died)
	}
	codes := map[request.Code]int{}
	for cmd, code := range ended {
		codes[code]++
		n := applied[cmd]
		if n > 1 || code == request.OK && n != 1 || code == request.Unavailable && n != 0 {
			t.Errorf("%q ended in %v and was applied %d times", cmd, code, n)
		}
	}
	if codes[request.OK] < 300 || codes[request.Unavailable]+codes[request.Unknown] == 0 {
		t.Errorf("commands ended in %v", codes)
	}
}

// TestOwnerAsksBack: an owner that is told something may ask for more at once.
func TestOwnerAsksBack(t *testing.T) {
	t.Parallel()
	w := newWorld(6, 3, Config{})
	var turns []string
	var seen string
	for _, h := range w.hosts {
		cfg := &h.node.cfg
		cfg.Turned = func(leading bool, term uint64) {
			turns = append(turns, fmt.Sprintf("n%d %v %v", h.id+1, leading, term > 0))
			if leading {
				h.node.Submit(fmt.Append(nil, "n", h.id+1), func([]byte, request.Code) {})
			}
		}
		cfg.Applied = func(uint64, []byte) {
			h.node.Query(nil, func(answer []byte, code request.Code) {
				if code == request.OK {
					seen = parsed(code, answer).cmd
				}
			})
		}
	}
	w.runUntil(3000*ms, func() bool { return seen != "" })
	first := w.leader().id
	if want := fmt.Sprint("n", first+1); seen != want || len(turns) != 1 || turns[0] != want+" true true" {
		t.Fatalf("the leader is %s, it is known as %q, and turns were %q", want, seen, turns)
	}
	w.isolate(first)
	w.run(3000 * ms)
	if lead, known := w.hosts[first].node.Leader(); known || w.hosts[first].node.Leading() {
		t.Errorf("n%d, cut off, takes %v for the leader", first+1, lead)
	}
	if lead, known := w.hosts[(first+1)%3].node.Leader(); !known || int(lead) == first {
		t.Errorf("the others take %v for the leader", lead)
	}
	if want := fmt.Sprint("n", w.leader().id+1); seen != want {
		t.Errorf("the second leader is %s, it is known as %q", want, seen)
	}
}

// TestBeforeRecovery: nothing is taken on by a node that does not know its log.
func TestBeforeRecovery(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 3, Config{})
	g, refused := w.hosts[0].node, 0
	count := func(_ []byte, code request.Code) {
		if code == request.Unavailable {
			refused++
		}
	}
	w.replies = func(_ int, _ actor.RequestID, r reply) {
		if r.code == request.Unavailable {
			refused++
		}
	}
	g.Submit(nil, count)
	g.Query(nil, count)
	g.Serve(7, request.Request{})
	w.run(10 * ms)
	if refused != 3 || g.Status().Ready || g.Term() != 0 {
		t.Errorf("%d of 3 requests were refused; %+v", refused, g.Status())
	}
}
