package run

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
)

func fault(step string, id int64) history.Op {
	return history.Op{Process: history.Nemesis, Type: history.Info, F: history.FFault, Value: history.Map(
		history.String("step"), history.String(step), history.String("id"), history.Int(id))}
}

// Beside the history stand the choices: what generators and faults decided,
// and nothing that the system under test had a say in.
func TestRecorderKeepsChoicesApart(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		dir := &store.Run{Dir: t.TempDir()}
		r, err := newRecorder(dir, durable)
		if err != nil {
			t.Fatal(err)
		}
		ops := []history.Op{
			{Process: 1, Type: history.Invoke, F: "write", Value: history.Int(1)},
			{Process: 1, Type: history.OK, F: "write", Value: history.Int(1)},
			fault("inject", 1), fault("aim", 1), fault("injected", 1),
			{Process: 2, Type: history.Invoke, F: "read"},
			{Process: 2, Type: history.Fail, F: "read", Error: "refused"},
			fault("heal", 1), fault("healed", 1), fault("inject", 2), fault("skipped", 2),
			{Process: 3, Type: history.Invoke, F: "read"},
			{Process: 3, Type: history.Info, F: "read", Error: "timeout"},
			fault("heal-all", 0),
			{Process: history.Nemesis, Type: history.Info, F: history.FReplicas},
			{Process: history.Nemesis, Type: history.Info, F: history.FDied},
		}
		var want []int
		for i := range ops {
			ops[i].Index, ops[i].Time = i, int64(i)*1000
			if slices.Contains([]int{0, 2, 3, 5, 7, 9, 11, 13}, i) {
				want = append(want, i)
			}
			if err := r.Record(&ops[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.next(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FLog, Time: 3}); err != nil {
			t.Fatal(err)
		}
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		h := mustOpen(t, dir.Path(store.HistoryFile))
		if len(h.Ops) != len(ops)+1 {
			t.Errorf("%d records, want %d", len(h.Ops), len(ops)+1)
		}
		if last := h.Ops[len(ops)]; last.Index != len(ops) || last.Time != ops[len(ops)-1].Time {
			t.Errorf("what came after the loop has index %d and time %d", last.Index, last.Time)
		}
		var got []int
		for _, op := range mustOpen(t, dir.Path(store.ChoicesFile)).Ops {
			got = append(got, int(op.Time/1000))
		}
		if !slices.Equal(got, want) {
			t.Errorf("choices %v, want %v", got, want)
		}
	}
}

func mustOpen(t *testing.T, path string) *history.History {
	t.Helper()
	h, err := history.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A durable recorder has every step of the nemesis on the disk when Record
// returns, and other records after a moment.
func TestDurableRecorder(t *testing.T) {
	t.Parallel()
	dir := &store.Run{Dir: t.TempDir()}
	r, err := newRecorder(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	on := func() int { return len(mustOpen(t, dir.Path(store.HistoryFile)).Ops) }
	step := fault("inject", 1)
	op := history.Op{Process: 1, Type: history.Invoke, F: "read"}
	for _, c := range []struct {
		op   *history.Op
		at   int64
		want int
	}{
		{&op, 1, 0}, {&step, 2, 2}, {&op, 3, 2}, {&op, 2 + int64(syncEvery), 4}, {&op, 3 + int64(syncEvery), 4},
	} {
		c.op.Time = c.at
		if err := r.Record(c.op); err != nil {
			t.Fatal(err)
		}
		if got := on(); got != c.want {
			t.Errorf("at %d the disk has %d records, want %d", c.at, got, c.want)
		}
		op.Index++
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	if got := on(); got != 5 {
		t.Errorf("at the end the disk has %d records", got)
	}
}

// Logs come back from the disk as they went there.
func TestLogsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp(t.TempDir(), "run") //nolint:usetesting // one for each draw
		if err != nil {
			rt.Fatal(err)
		}
		dir := &store.Run{Dir: root}
		if err := os.Mkdir(filepath.Join(root, store.NodesDir), 0o755); err != nil {
			rt.Fatal(err)
		}
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab 0.\t\r:\"é日\x00")), 0, 20, -1)
		var logs []world.LogLine
		for node := range 3 {
			for range rapid.IntRange(0, 4).Draw(rt, "lines") {
				logs = append(logs, world.LogLine{
					Node: node, Time: rapid.Int64Range(0, 1<<60).Draw(rt, "time"), Text: text.Draw(rt, "text"),
				})
			}
		}
		if err := writeLogs(dir, logs); err != nil {
			rt.Fatal(err)
		}
		back, err := readLogs(dir, 3)
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(back, logs) {
			rt.Errorf("wrote %+v, read %+v", logs, back)
		}
	})
}

// What no log should have is written as one line and does no harm.
func TestOddLogs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want world.LogLine }{
		{world.LogLine{Time: -5, Text: "early"}, world.LogLine{Time: 0, Text: "early"}},
		{world.LogLine{Time: 1_500_000_000, Text: "two\nlines"}, world.LogLine{Time: 1_500_000_000, Text: `two\nlines`}},
	} {
		got, ok := parseLogLine(0, logLine(c.in))
		if !ok || got != c.want {
			t.Errorf("%+v comes back as %+v, %v", c.in, got, ok)
		}
	}
	for _, line := range []string{"", "x", "1.5 short", "x.000000001 y", "1.00000000x y", "1000000000 y"} {
		if got, ok := parseLogLine(0, line); ok {
			t.Errorf("%q is read as %+v", line, got)
		}
	}
}

// Facts are what nodes noted, once each and in order, and nothing else that
// stands in their logs.
func TestFactsInLogs(t *testing.T) {
	t.Parallel()
	got := factsIn([]world.LogLine{
		{Node: 1, Text: "sometimes: a write waited"}, {Node: 0, Text: "leading in term 3"},
		{Node: 0, Text: "sometimes: an election"}, {Node: 0, Text: "sometimes: a write waited"}, {Node: 0, Text: "so sometimes: no"},
	})
	if want := []string{"a write waited", "an election"}; !slices.Equal(got, want) {
		t.Errorf("facts %q, want %q", got, want)
	}
}
