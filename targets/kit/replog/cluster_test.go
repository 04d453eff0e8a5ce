package replog

import (
	"fmt"
	"testing"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// settle ends all faults, waits until the clients are done and all nodes agree,
// and then has them agree once more from what is on their disks.
func settle(t *testing.T, w *world, l *load) {
	t.Helper()
	l.stopped = true
	w.heal()
	w.loss, w.dup = 0, 0
	recovered(t, w, l)
	applied := w.hosts[0].node.state.applied
	for _, h := range w.hosts {
		h.powerOff()
	}
	recovered(t, w, l)
	if now := w.hosts[0].node.state.applied; now < applied {
		t.Fatalf("%d entries were applied, and after a loss of power only %d", applied, now)
	}
}

func recovered(t *testing.T, w *world, l *load) {
	t.Helper()
	for _, h := range w.hosts {
		h.crashIn = 0
		if h.node == nil {
			h.boot()
		}
	}
	ok := w.runUntil(w.now+20_000*ms, func() bool { return len(l.open) == 0 && w.converged() })
	if len(w.died) > 0 {
		t.Fatalf("nodes died: %v", w.died)
	}
	if !ok {
		for _, h := range w.hosts {
			t.Logf("n%d: %+v", h.id+1, h.node.Status())
		}
		t.Fatal("the cluster does not recover")
	}
}

func TestElectsAndServes(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 5, Config{})
	if !w.runUntil(3000*ms, w.ready) {
		t.Fatal("no leader after 3 s")
	}
	l := startLoad(w, 10, 20*ms)
	w.run(5000 * ms)
	settle(t, w, l)
	l.check(t)
	if l.codes[request.OK] < 500 || l.codes[request.Unavailable]+l.codes[request.Unknown] > 0 {
		t.Fatalf("without faults: %v", l.codes)
	}
}

// TestFaults lets everything happen at once.
func TestFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(seed, 3+2*int(seed%2), Config{SnapshotEvery: 20 + 40*(seed%3)})
			w.loss, w.dup, w.slow = int64(seed%4), int64(seed%3)*5, (1+int64(seed%5)*3)*ms
			l := startLoad(w, 6, 15*ms)
			for range 12 {
				w.run(700 * ms)
				w.fault()
			}
			settle(t, w, l)
			l.check(t)
			if l.codes[request.OK] < 20 {
				t.Fatalf("too little was done: %v", l.codes)
			}
		})
	}
}

// fault heals some of what is broken and breaks something else.
func (w *world) fault() {
	if w.rand.Chance(1, 2) {
		w.heal()
	}
	for _, h := range w.hosts {
		if h.node == nil && w.rand.Chance(2, 3) {
			h.boot()
		}
	}
	victim := w.hosts[w.rand.IntN(len(w.hosts))]
	if l := w.leader(); l != nil && w.rand.Chance(1, 2) {
		victim = l
	}
	switch w.rand.IntN(5) {
	case 0:
		w.isolate(victim.id)
	case 1:
		victim.kill()
	case 2:
		victim.powerOff()
	case 3:
		victim.crashIn = 1 + w.rand.IntN(20)
	case 4:
		for _, h := range w.hosts {
			if w.rand.Chance(2, 3) {
				h.powerOff()
			}
		}
	}
}
