package html

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// headline says in a sentence what came of the run.
func (d *drawing) headline() string {
	r := d.result
	switch r.Verdict {
	case checkers.OK:
		return "Nothing in the history contradicts what it was judged by (" + r.Consistency + "), and the run was worth something: load and faults reached the system."
	case checkers.Invalid:
		return "The system broke what it was judged by (" + r.Consistency + "), or a node failed by itself: " + strings.Join(found(r), "; ") + "."
	case checkers.HarnessError:
		return "The harness could not do its work. This says nothing about the system under test."
	default:
		return "Nobody can tell from this run, for the reasons below."
	}
}

// found says what each checker that made the verdict found.
func found(r *run.Result) []string {
	var all []string
	for _, name := range r.Judged {
		if s := census(r.Checkers[name].Anomalies); s != "" {
			all = append(all, name+" found "+s)
		}
	}
	return all
}

// census counts anomalies by name: "16 × stale-read, 1 × lost-write".
func census(anomalies []checkers.Anomaly) string {
	var names []string
	counts := map[string]int{}
	for _, a := range anomalies {
		if counts[a.Name]++; counts[a.Name] == 1 {
			names = append(names, a.Name)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %s", counts[name], words.Clip(name, mostShort))
	}
	return strings.Join(names, ", ")
}

func promise(r *run.Result) string {
	text := r.Promise.Level
	if doc := r.Promise.Doc; doc != "" {
		text += " (" + strings.TrimPrefix(doc, r.Promise.Level+": ") + ")"
	}
	switch {
	case r.Promise.Level == "":
		return "none was made"
	case r.Promise.Kept == nil:
		return "nobody can tell whether it was kept: " + text
	case *r.Promise.Kept:
		return "kept: " + text
	default:
		return "BROKEN: " + text
	}
}

func (d *drawing) facts() []fact {
	r, p := d.result, d.plan
	facts := []fact{
		{"judged by", r.Consistency},
		{"promise of these settings", promise(r)},
		{"operations", fmt.Sprintf("%d ok, %d failed, %d unknown", r.Ops.OK, r.Ops.Fail, r.Ops.Info)},
	}
	if p.World != "" {
		facts = append(facts, fact{"world", fmt.Sprintf("%s, %s, %s, %d operations per second for %v",
			p.World, words.Count(p.Nodes, "node", "nodes"), words.Count(p.Clients, "client", "clients"), p.Rate, p.Time)})
	}
	facts = append(facts, fact{"seed", fmt.Sprint(d.seed())})
	if late := lateness(r.Load); late != "" {
		facts = append(facts, fact{"load", late})
	}
	if len(p.Bugs) > 0 {
		facts = append(facts, fact{"seeded bugs", strings.Join(p.Bugs, ", ")})
	}
	if r.Recovered > 0 {
		facts = append(facts, fact{"recovered", fmt.Sprintf("%v after the last fault was healed", time.Duration(r.Recovered).Round(time.Millisecond))})
	}
	if r.Digest != "" {
		facts = append(facts, fact{"digest", r.Digest})
	}
	return facts
}

// lateness says by how much the load that was asked for was missed.
func lateness(l *run.Load) string {
	if l == nil || l.LateMax == 0 {
		return ""
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("%d of %d operations were started; all clients being busy, they were up to %v late, %v on average",
		l.Started, l.Due, round(time.Duration(l.LateMax)), round(time.Duration(l.LateMean)))
}

// notes lists what the harness could not do, why checkers cannot tell, and what
// else a reader should know.
func (d *drawing) notes() []fact {
	var notes []fact
	for _, e := range d.result.Errors {
		notes = append(notes, fact{"Harness error", e})
	}
	why := "Note"
	if d.result.Verdict == checkers.Unknown {
		why = "Why"
	}
	for _, name := range d.result.Judged {
		if res := d.result.Checkers[name]; res.Verdict == checkers.Unknown {
			notes = append(notes, fact{why, name + " is unknown: " + res.Reason})
		}
	}
	for _, w := range d.result.Warnings {
		notes = append(notes, fact{"Note", w})
	}
	return notes
}

type checkerRow struct {
	Name    string
	Verdict string
	Judged  bool
	Says    string
}

func checkerRows(r *run.Result) []checkerRow {
	var rows []checkerRow
	for _, name := range slices.Sorted(maps.Keys(r.Checkers)) {
		res := r.Checkers[name]
		says := res.Reason
		if len(res.Anomalies) > 0 {
			says = census(res.Anomalies)
		}
		rows = append(rows, checkerRow{name, res.Verdict.String(), slices.Contains(r.Judged, name), says})
	}
	slices.SortStableFunc(rows, func(a, b checkerRow) int { // those that made the verdict first
		switch {
		case a.Judged == b.Judged:
			return 0
		case a.Judged:
			return -1
		default:
			return 1
		}
	})
	return rows
}

func (d *drawing) settings() []fact {
	p := d.plan
	facts := []fact{{"target", p.Target}, {"workload", p.Workload}, {"tool", p.Version}, {"op-timeout", p.OpTimeout.String()}}
	add := func(prefix string, values map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			facts = append(facts, fact{prefix + name, values[name]})
		}
	}
	add("set ", p.Settings)
	add("opt ", p.Options)
	for _, f := range p.Faults {
		facts = append(facts, fact{"fault " + f.Kind, parameters(f.Params)})
	}
	return facts
}

func parameters(params map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if params[name] != "" {
			parts = append(parts, name+"="+params[name])
		}
	}
	return strings.Join(parts, " ")
}
