package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets"
)

// syncEvery is how much of a history a crash may cost in worlds that live in
// real time. Records of the nemesis are synced at once.
const syncEvery = 250 * time.Millisecond

// recorder writes the history, and beside it the choices that were made.
type recorder struct {
	history *history.Writer
	choices *history.Writer
	index   int   // of the next record
	time    int64 // of the last one
	durable bool  // sync as it goes
	synced  int64
}

// newRecorder creates the files of a run. A durable recorder syncs as it goes;
// the other one leaves that to the end, for runs that can be repeated at will.
func newRecorder(dir *store.Run, durable bool) (*recorder, error) {
	h, err := history.Create(dir.Path(store.HistoryFile))
	if err != nil {
		return nil, err
	}
	c, err := history.Create(dir.Path(store.ChoicesFile))
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &recorder{history: h, choices: c, durable: durable}, nil
}

// Record appends op to the history.
func (r *recorder) Record(op *history.Op) error {
	if err := r.history.Append(op); err != nil {
		return err
	}
	r.index, r.time = op.Index+1, op.Time
	if isChoice(op) {
		if err := r.choices.Append(op); err != nil {
			return err
		}
	}
	if r.durable && (op.Process == history.Nemesis || op.Time-r.synced >= int64(syncEvery)) {
		r.synced = op.Time
		return errors.Join(r.history.Sync(), r.choices.Sync())
	}
	return nil
}

// next appends an event after the end of the loop.
func (r *recorder) next(op history.Op) error {
	op.Index, op.Time = r.index, max(op.Time, r.time)
	return r.Record(&op)
}

func (r *recorder) close() error { return errors.Join(r.history.Close(), r.choices.Close()) }

// isChoice reports whether op was decided by a generator or a fault, and not
// by the system under test.
func isChoice(op *history.Op) bool {
	if op.Process != history.Nemesis {
		return op.Type == history.Invoke
	}
	if op.F != history.FFault {
		return false
	}
	switch op.Value.Get("step").Text() {
	case "inject", "aim", "heal", healAll:
		return true
	default:
		return false
	}
}

// healAll is the step that ends the load: what comes before it may depend on
// time, and what comes after it follows from the plan.
const healAll = "heal-all"

// fatal are the beginnings of what programs say when they die, whatever they are.
var fatal = []string{`^panic: `, `^fatal error: `, `WARNING: DATA RACE`}

// fatalPattern matches what a target should never log.
func fatalPattern(t targets.Target) (*regexp.Regexp, error) {
	patterns := fatal
	if own, ok := t.(targets.FatalPatterns); ok {
		patterns = append(patterns[:len(patterns):len(patterns)], own.FatalPatterns()...)
	}
	for _, p := range patterns {
		if _, err := regexp.Compile(p); err != nil {
			return nil, fmt.Errorf("target %s: the pattern of fatal log lines %q cannot be read: %w", t.Name(), p, err)
		}
	}
	return regexp.Compile("(?:" + strings.Join(patterns, ")|(?:") + ")")
}

// fatalLines returns an event for every line in the logs that should never
// have been written.
func fatalLines(pattern *regexp.Regexp, logs []world.LogLine) []history.Op {
	var ops []history.Op
	for _, l := range logs {
		if !pattern.MatchString(l.Text) {
			continue
		}
		ops = append(ops, history.Op{
			Process: history.Nemesis, Type: history.Info, F: history.FLog,
			Value: history.Map(
				history.String("node"), history.String(actor.NodeID(l.Node).String()),
				history.String("line"), history.String(l.Text),
				history.String("at"), history.Int(l.Time)),
		})
	}
	return ops
}

// factsIn returns what the nodes noted that must happen sometimes, each fact once
// and in order.
func factsIn(logs []world.LogLine) []string {
	var facts []string
	for _, l := range logs {
		if fact, ok := strings.CutPrefix(l.Text, actor.SometimesMark); ok {
			facts = append(facts, fact)
		}
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

// writeLogs writes what the nodes logged into a file for each node, every line
// with its time in seconds.
func writeLogs(dir *store.Run, logs []world.LogLine) error {
	byNode := map[int][]string{}
	for _, l := range logs {
		byNode[l.Node] = append(byNode[l.Node], logLine(l))
	}
	var errs []error
	for n, lines := range byNode {
		errs = append(errs, dir.WriteNodeLog(actor.NodeID(n).String(), lines))
	}
	return errors.Join(errs...)
}

func logLine(l world.LogLine) string {
	t := max(l.Time, 0) // what was logged before the clock of the cluster began
	return fmt.Sprintf("%5d.%09d %s", t/1e9, t%1e9, strings.ReplaceAll(l.Text, "\n", "\\n"))
}

// readLogs is the inverse of writeLogs. Nodes that logged nothing have no file.
func readLogs(dir *store.Run, nodes int) ([]world.LogLine, error) {
	var logs []world.LogLine
	for n := range nodes {
		text, err := os.ReadFile(filepath.Join(dir.Dir, store.NodesDir, actor.NodeID(n).String()+".log"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if l, ok := parseLogLine(n, strings.TrimSuffix(line, "\n")); ok {
				logs = append(logs, l)
			}
		}
	}
	return logs, nil
}

func parseLogLine(node int, line string) (world.LogLine, bool) {
	stamp, text, ok := strings.Cut(strings.TrimLeft(line, " "), " ")
	whole, part, dotted := strings.Cut(stamp, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	nanos, err2 := strconv.ParseInt(part, 10, 64)
	good := ok && dotted && len(part) == 9 && err == nil && err2 == nil
	return world.LogLine{Time: seconds*1e9 + nanos, Node: node, Text: text}, good
}
