// Package html draws the report of a run: one file, with nothing outside it,
// that a stranger can act on. The verdict and why stand on top; then what
// happened to the operations that prove it, with what the nodes logged at those
// moments; then how the system did before, during and after each fault, the
// evidence that each fault took effect, and how to do it all again.
//
// A report is drawn for every run, above all for those that failed, and from
// whatever there is: an empty history has a report as well. Whatever users made
// (keys, values, logs, settings) is cut to a length that can be read, escaped,
// and has its control characters shown; and the page forbids browsers to run
// scripts or to load anything.
package html

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/checkers/stats"
	"github.com/ordeal-dev/ordeal/checkers/worth"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": func(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) },
	"width":   func(x float64) template.CSS { return template.CSS(fmt.Sprintf("width:%.1f%%", 100*x)) },
	"seconds": words.Seconds,
	"millis":  words.Millis,
	"join":    strings.Join,
	"short":   func(s string) string { return words.Clip(s, mostShort) },
	"long":    func(s string) string { return words.Clip(s, mostLong) },
	"fault":   fault,
	"witness": witness,
}).Parse(pageText))

// How long text that others made may be, in characters.
const (
	mostShort = 200
	mostLong  = 4000
)

// Render draws the report of a run as one HTML page. The same plan and outcome
// give the same bytes. Parts of the outcome that are missing are left out. It is
// an error if the page cannot be drawn, which says nothing about the run.
func Render(p *plan.Plan, o *run.Outcome) (text []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, err = nil, fmt.Errorf("the report could not be drawn, which says nothing about the run: %v", r)
		}
	}()
	var b bytes.Buffer
	if err := page.Execute(&b, newDrawing(p, o).page()); err != nil {
		return nil, err
	}
	return []byte(words.Visible(b.String())), nil
}

// drawing is what the parts of a report are drawn from.
type drawing struct {
	plan    *plan.Plan
	history *history.History
	result  *run.Result
	logs    []logLine // in the order of time
	calls   []history.Call
	windows []history.Window
	end     int64 // time of the last record
	perf    perf.Report
	worth   worth.Report
	stats   stats.Report
}

// newDrawing takes a run apart. What is missing is taken to be empty: a report
// is drawn from whatever there is.
func newDrawing(p *plan.Plan, o *run.Outcome) *drawing {
	if p == nil {
		p = &plan.Plan{}
	}
	if o == nil {
		o = &run.Outcome{}
	}
	d := &drawing{plan: p, history: o.History, result: o.Result, logs: logLines(o)}
	if d.history == nil {
		d.history = &history.History{}
	}
	if d.result == nil {
		d.result = &run.Result{Verdict: checkers.Unknown, Errors: []string{"there is no result"}}
	}
	d.windows = d.history.Windows()
	d.calls, _ = d.history.Calls() // what does not pair was told of by the result
	for _, op := range d.history.Ops {
		d.end = max(d.end, op.Time)
	}
	d.decode()
	return d
}

// decode takes the measurements out of the results. What is not there stays
// empty, and its section is left out.
func (d *drawing) decode() {
	d.details(perf.Name, &d.perf)
	d.details(worth.Name, &d.worth)
	d.details(stats.Name, &d.stats)
}

func (d *drawing) details(checker string, into any) {
	if details := d.result.Checkers[checker].Details; details != nil {
		_ = json.Unmarshal(details, into)
	}
}

// content is what the template shows.
type content struct {
	Style    template.CSS
	Title    string
	Verdict  string
	Headline string
	Facts    []fact
	Notes    []fact  // what a reader must know before anything else
	Proofs   []proof // those that are shown at once
	Folded   []proof
	More     int // anomalies that are not shown
	Overview template.HTML
	Kinds    []string // of faults, in the order in which they first appear
	Pictures []picture
	Phases   []perf.Phase
	ByKind   []perf.Phase
	Faults   []journalEntry
	Floors   []worth.Floor
	Counts   []stats.Kind
	Failures []stats.Failure
	Checkers []checkerRow
	Settings []fact
	Replay   string
}

type fact struct{ Name, Value string }

// How many anomalies are drawn: those that are open, and all of them. The rest
// are counted.
const (
	mostOpen   = 3
	mostProofs = 10
)

func (d *drawing) page() content {
	r := d.result
	c := content{
		Style:    template.CSS(style),
		Title:    fmt.Sprintf("%s: %s on %s, seed %d", r.Verdict, words.Clip(d.plan.Workload, mostShort), words.Clip(d.plan.Target, mostShort), d.seed()),
		Verdict:  r.Verdict.String(),
		Headline: d.headline(),
		Facts:    d.facts(),
		Notes:    d.notes(),
		Overview: d.overview(),
		Kinds:    d.kinds(),
		Pictures: d.pictures(),
		Phases:   sided(d.perf.Phases),
		ByKind:   sided(d.perf.ByKind),
		Faults:   d.journal(),
		Floors:   d.worth.Floors,
		Counts:   d.stats.ByF,
		Failures: d.stats.Errors,
		Checkers: checkerRows(r),
		Settings: d.settings(),
		Replay:   r.Replay,
	}
	d.prove(&c)
	return c
}

// prove draws the anomalies that made the verdict: first one of each name, so
// that the open ones tell of all that is wrong.
func (d *drawing) prove(c *content) {
	all := varied(d.result)
	c.More = max(len(all)-mostProofs, 0)
	for i, s := range all[:len(all)-c.More] {
		if i < mostOpen {
			c.Proofs = append(c.Proofs, d.proof(s.checker, s.Anomaly))
		} else {
			c.Folded = append(c.Folded, d.proof(s.checker, s.Anomaly))
		}
	}
}

// sighting is an anomaly with the checker that found it.
type sighting struct {
	checkers.Anomaly
	checker string
}

// varied returns the anomalies that made the verdict: the first of each name,
// then the second of each, and so on.
func varied(r *run.Result) []sighting {
	var all []sighting
	rank := map[string]int{}
	ranks := map[int][]sighting{}
	for _, name := range r.Judged {
		for _, a := range r.Checkers[name].Anomalies {
			n := rank[name+" "+a.Name]
			rank[name+" "+a.Name]++
			ranks[n] = append(ranks[n], sighting{a, name})
		}
	}
	for n := range len(ranks) {
		all = append(all, ranks[n]...)
	}
	return all
}

func (d *drawing) seed() uint64 {
	if d.result.Seed != 0 {
		return d.result.Seed
	}
	return d.plan.Seed
}
