package health

import (
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// final is what clients of n1 and n2 ask in a final phase, a number of times for so
// long each, and how that ends.
type final struct {
	times       int
	each        time.Duration
	one, two    history.Type
	unrecovered string // why not
	liar, dead  string
}

func (f final) history() *history.History {
	h := &history.History{}
	add := func(op history.Op) {
		op.Index = len(h.Ops)
		h.Ops = append(h.Ops, op)
	}
	if f.liar != "" {
		add(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FFault, Value: history.Map(
			history.String("id"), history.Int(1), history.String("kind"), history.String("byzantine"),
			history.String("step"), history.String("injected"), history.String("nodes"), history.List(history.String(f.liar)))})
	}
	if f.dead != "" {
		add(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FDied, Value: history.Map(history.String("node"), history.String(f.dead))})
	}
	at := int64(time.Second)
	add(history.Op{Time: at, Process: history.Nemesis, Type: history.Info, F: history.FReplicas})
	add(history.Op{Time: at, Process: history.Nemesis, Type: history.Info, F: history.FReplicas, Value: history.Map(), Error: f.unrecovered})
	for range f.times {
		for i, end := range []history.Type{f.one, f.two} {
			op := history.Op{Time: at, Process: history.Process(i), Type: history.Invoke, F: "read", Node: []string{"n1", "n2"}[i], Final: true}
			add(op)
			op.Type = end
			if op.Time += f.each.Nanoseconds(); end != history.OK {
				op.Error = "timeout"
			}
			add(op)
		}
		at += f.each.Nanoseconds()
	}
	return h
}

// A node serves nobody if all have recovered and it answers nothing, often and for
// long enough.
func TestNoService(t *testing.T) {
	t.Parallel()
	silent := final{times: leastAsked, each: time.Second, one: history.OK, two: history.Info}
	for name, c := range map[string]struct {
		change func(*final)
		want   string // nodes
	}{
		"one is silent":     {func(*final) {}, "n2"},
		"one refuses":       {func(f *final) { f.two = history.Fail }, "n2"},
		"both are silent":   {func(f *final) { f.one = history.Info }, "n1 n2"},
		"none is":           {func(f *final) { f.two = history.OK }, ""},
		"asked too seldom":  {func(f *final) { f.times-- }, ""},
		"asked too shortly": {func(f *final) { f.each = time.Millisecond }, ""},
		"not recovered":     {func(f *final) { f.unrecovered = "no recovery within 30s" }, "n2"},
		"it has died":       {func(f *final) { f.dead = "n2" }, ""},
		"it was a liar":     {func(f *final) { f.liar = "n2" }, ""},
		"the other was one": {func(f *final) { f.liar = "n1" }, "n2"},
		"nothing was asked": {func(f *final) { f.times = 0 }, ""},
	} {
		f := silent
		c.change(&f)
		var nodes []string
		r := Check(f.history())
		for _, e := range r.Events {
			if e.Anomaly == NoService {
				nodes = append(nodes, e.Node)
			}
		}
		if got := strings.Join(nodes, " "); got != c.want || r.Unserved != len(nodes) {
			t.Errorf("%s: %q serve nobody, want %q", name, got, c.want)
		}
	}
	a := Check(silent.history()).result().Anomalies[0]
	want := `all nodes had recovered at 1000 ms, but node n2 serves nobody: none of the 20 operations of the final phase through it was ok, for 20s; the first of them ended with "timeout"`
	if a.Name != NoService || a.Explanation != want || len(a.Ops) != 3 {
		t.Errorf("%+v", a)
	}
}
