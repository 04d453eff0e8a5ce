package html

import (
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// parse reads values as they stand in histories.
func parse(t *testing.T, text string) history.Value {
	t.Helper()
	h, err := history.Read(strings.NewReader(`{"process":0,"type":"invoke","f":"x","value":` + text + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return h.Ops[0].Value
}

// A message that was acknowledged and never polled stands out from the others.
func TestPartitions(t *testing.T) {
	t.Parallel()
	s := &scribe{}
	s.call(0, history.OK, "send", none, none, parse(t, `[["send","p1",[0,11]],["send","p1",[1,12]],["send","p2",12]]`))
	s.call(1, history.OK, "poll", none, none, parse(t, `[["poll",{"p1":[[0,11]],"p2":[[0,13]]}]]`))
	s.call(1, history.Info, "send", none, none, parse(t, `[["send","p3",[0,14]]]`))
	s.call(2, history.OK, "txn", none, none, parse(t, `[["send"],["poll",{}],[],7,["send","p1",[-1,15]]]`))
	p, ok := newDrawing(samplePlan(), &run.Outcome{History: &s.h}).partitions()
	if !ok || !strings.Contains(string(p.Legend), "never polled: 1") || strings.Count(string(p.Drawing), `class="dot bad"`) != 1 {
		t.Errorf("%v %+v", ok, p)
	}
	if strings.Contains(string(p.Drawing), "p3") || !strings.Contains(string(p.Drawing), "p2") {
		t.Error("partitions are those that something is known of")
	}
}

// A branch that the nodes left is drawn below the chain, and the node that had
// taken it for the chain shows when it left.
func TestChains(t *testing.T) {
	t.Parallel()
	s := &scribe{}
	observe := func(p history.Process, text string) {
		s.call(p, history.OK, "observe", none, none, parse(t, text))
	}
	observe(0, `{"tip":"a1","blocks":[{"id":"g","height":0,"miner":"n1"},{"id":"a1","parent":"g","height":1,"miner":"n1"}]}`)
	observe(1, `{"tip":"b1","blocks":[{"id":"b1","parent":"g","height":1,"miner":"n2"}]}`)
	observe(0, `{"tip":"b2","blocks":[{"id":"b2","parent":"b1","height":2,"miner":"n2"}]}`)
	observe(1, `{"tip":"b2"}`)
	observe(2, `{"tip":"nobody described it"}`)
	d := newDrawing(samplePlan(), &run.Outcome{History: &s.h})
	blocks, sights := d.readChains()
	if len(blocks) != 4 || len(sights) != 5 {
		t.Fatalf("%d blocks, %d tips", len(blocks), len(sights))
	}
	if p, ok := d.chains(); !ok || strings.Count(string(p.Drawing), `class="dot bad"`) != 1 {
		t.Errorf("%v %+v", ok, p)
	}
	p, ok := d.forks()
	if !ok || strings.Count(string(p.Drawing), `class="block`) != 4 || strings.Count(string(p.Drawing), ` left"><title>`) != 1 {
		t.Errorf("%v %+v", ok, p)
	}
}

// Blocks whose parents go round in a circle, or are higher than they are, are
// drawn without them.
func TestChainsOfNonsense(t *testing.T) {
	t.Parallel()
	s := &scribe{}
	s.call(0, history.OK, "observe", none, none, parse(t, `{"tip":"a","blocks":[{"id":"a","parent":"b","height":5},{"id":"b","parent":"a","height":5},{"id":"c","parent":"c","height":9000000000000000000},{"id":7},8]}`))
	if p, ok := newDrawing(samplePlan(), &run.Outcome{History: &s.h}).forks(); !ok || !strings.Contains(string(p.Drawing), "<svg") {
		t.Errorf("%v %+v", ok, p)
	}
}

// A block has a row for each node that held it, in a colour for each stamp.
func TestReplicas(t *testing.T) {
	t.Parallel()
	s := &scribe{}
	s.call(0, history.OK, "append", key, none, none)
	logs := []world.LogLine{
		{Time: 1, Node: 0, Text: "files: replica: block 3 stamp 1, 512 bytes"},
		{Time: 2, Node: 1, Text: "files: replica: block 3 stamp 1, 512 bytes"},
		{Time: 5, Node: 1, Text: "files: replica: block 3 gone"},
		{Time: 6, Node: 0, Text: "files: replica: block 3 stamp 2, 512 bytes"},
	}
	p, ok := newDrawing(samplePlan(), &run.Outcome{History: &s.h, Logs: logs}).replicas()
	if !ok || strings.Count(string(p.Drawing), `class="block m1"`) != 2 || strings.Count(string(p.Drawing), `class="block m2"`) != 1 {
		t.Errorf("%v %+v", ok, p)
	}
}
