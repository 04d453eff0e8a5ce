// Package terminal prints results for people who look at a terminal: first the
// verdict and why, then what it rests on. Lines fit into 120 columns where that
// can be done, and what users made cannot move the cursor or colour the screen.
package terminal

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/health"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// Measures of what is printed, in columns.
const (
	screen    = 118
	between   = 2  // columns of a table
	leastWide = 16 // of a column of a table that is made narrower
	mostText  = 1500
)

// Table prints rows under a header, aligned to the left. Headers are printed as
// they are given; the widest columns are wrapped until the table fits into 120
// columns, or they are as narrow as can be read.
func Table(w io.Writer, header []string, rows [][]string) error {
	widths := fit(header, rows)
	var b bytes.Buffer
	gap := tw.CellPadding{Global: tw.Padding{Right: strings.Repeat(" ", between), Overwrite: true}}
	t := tablewriter.NewTable(&b,
		tablewriter.WithConfig(tablewriter.Config{
			Header: tw.CellConfig{Padding: gap},
			Row:    tw.CellConfig{Padding: gap},
		}),
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On},
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	t.Header(clean(header, widths))
	for _, row := range rows {
		if err := t.Append(clean(row, widths)); err != nil {
			return err
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	_, err := w.Write(trimmed(b.Bytes()))
	return err
}

// fit returns how wide each column may be.
func fit(header []string, rows [][]string) []int {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row[:min(len(row), len(widths))] {
			widths[i] = max(widths[i], min(widthOf(cell), screen))
		}
	}
	for len(widths) > 0 {
		total, widest := between*(len(widths)-1), 0
		for i, width := range widths {
			total += width
			if width > widths[widest] {
				widest = i
			}
		}
		if total <= screen || widths[widest] <= leastWide {
			break
		}
		widths[widest]--
	}
	return widths
}

// widthOf is the length of the longest line of a cell.
func widthOf(cell string) int {
	longest := 0
	for line := range strings.SplitSeq(words.Clip(words.Visible(cell), mostText), "\n") {
		longest = max(longest, utf8.RuneCountInString(line))
	}
	return longest
}

// clean makes cells fit to be printed.
func clean(cells []string, widths []int) []string {
	out := make([]string, min(len(cells), len(widths)))
	for i := range out {
		out[i] = strings.Join(words.Wrap(words.Clip(words.Visible(cells[i]), mostText), max(widths[i], 1)), "\n")
	}
	return out
}

// trimmed drops the spaces that end lines.
func trimmed(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i := range lines {
		lines[i] = bytes.TrimRight(lines[i], " ")
	}
	return bytes.Join(lines, []byte("\n"))
}

// printer prints until something goes wrong, and keeps the error.
type printer struct {
	w       io.Writer
	printed bool // something was
	err     error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
		p.printed = true
	}
}

// paragraph prints text, wrapped and indented; its first line follows a label.
func (p *printer) paragraph(label, text string) {
	const first, further = "  ", "    "
	text = words.Clip(words.Visible(label+text), mostText)
	for i, line := range words.Wrap(text, screen-len(further)) {
		if i == 0 {
			p.printf("%s%s\n", first, line)
		} else {
			p.printf("%s%s\n", further, line)
		}
	}
}

func (p *printer) table(header []string, rows [][]string) {
	if p.err == nil && len(rows) > 0 {
		p.err = Table(p.w, header, rows)
		p.printf("\n")
	}
}

// fact prints a named value, wrapped beside its name.
func (p *printer) fact(name, value string) {
	const wide = 13
	for _, line := range words.Wrap(words.Clip(words.Visible(value), mostText), screen-wide) {
		p.printf("%-*s%s\n", wide, name, line)
		name = ""
	}
}

// Print prints the result of a run. Parts of the outcome that are missing are
// left out.
func Print(w io.Writer, p *plan.Plan, o *run.Outcome) error {
	out := &printer{w: w}
	r := resultOf(o)
	out.printf("\n%s\n\n", words.Visible(Headline(r)))
	out.explain(r)
	out.table([]string{"checker", "verdict", "what it says"}, checkerRows(r))
	out.table([]string{"fault", "nodes", "from", "to", "witness", "exercised"}, faultRows(r))
	out.fact("operations", opsLine(r))
	if p != nil {
		out.fact("settings", settingsLine(p))
	}
	if r.Digest != "" {
		out.fact("digest", r.Digest)
	}
	if r.Run != "" {
		out.fact("run", r.Run)
	}
	return out.err
}

// Telling prints the verdict of a run and the first anomaly that it rests on.
func Telling(w io.Writer, r *run.Result) error {
	out := &printer{w: w}
	out.printf("%s\n", words.Visible(Headline(r)))
	for _, e := range r.Errors {
		out.paragraph("harness error: ", e)
	}
	for _, name := range r.Judged {
		if list := r.Checkers[name].Anomalies; len(list) > 0 {
			out.paragraph(list[0].Name+ofKey(list[0])+": ", list[0].Explanation)
			break
		}
	}
	out.printf("\n")
	return out.err
}

// resultOf returns the result of an outcome, or that there is none.
func resultOf(o *run.Outcome) *run.Result {
	if o == nil || o.Result == nil {
		return &run.Result{Verdict: checkers.Unknown, Errors: []string{"there is no result"}}
	}
	return o.Result
}

// PrintCheck prints the result of the check of a history.
func PrintCheck(w io.Writer, r *run.Result) error {
	out := &printer{w: w}
	out.printf("%s\n", words.Visible(Headline(r)))
	out.explain(r)
	out.fact("operations", opsLine(r))
	out.fact("history", r.Run)
	return out.err
}

// Headline is the verdict in a line.
func Headline(r *run.Result) string {
	text := strings.ToUpper(r.Verdict.String())
	switch r.Verdict {
	case checkers.OK:
		text += "   " + r.Consistency
	case checkers.Invalid:
		text += "   " + broken(r)
	}
	if r.Promise.Level == "" {
		return text
	}
	switch {
	case r.Promise.Kept == nil:
		return text + fmt.Sprintf("   whether the promise (%s) was kept is unknown", r.Promise.Level)
	case *r.Promise.Kept:
		return text + fmt.Sprintf("   the promise (%s) was kept", r.Promise.Level)
	default:
		return text + fmt.Sprintf("   the promise (%s) was BROKEN", r.Promise.Level)
	}
}

// broken says what is wrong: with what the system promises, or with a node.
func broken(r *run.Result) string {
	for _, name := range r.Judged {
		if name != health.Name && r.Checkers[name].Verdict == checkers.Invalid {
			return "not " + r.Consistency
		}
	}
	return "a node failed by itself"
}

// most is how many anomalies of a checker are printed; the rest are counted.
const most = 3

// explain prints why the verdict is what it is.
func (p *printer) explain(r *run.Result) {
	for _, e := range r.Errors {
		p.paragraph("harness error: ", e)
	}
	for _, warning := range r.Warnings {
		p.paragraph("note: ", warning)
	}
	for _, name := range r.Judged {
		p.explainChecker(name, r.Checkers[name])
	}
	if len(r.Errors)+len(r.Warnings) > 0 || r.Verdict != checkers.OK {
		p.printf("\n")
	}
}

func (p *printer) explainChecker(name string, res checkers.Result) {
	if res.Verdict == checkers.Unknown {
		p.paragraph(name+" is unknown: ", res.Reason)
	}
	for i, a := range res.Anomalies {
		if i == most {
			p.printf("  and %d more of %s\n", len(res.Anomalies)-most, name)
			return
		}
		p.paragraph(a.Name+ofKey(a)+": ", a.Explanation)
		if len(a.Ops) > 0 {
			p.printf("    operations %s\n", indices(a.Ops))
		}
	}
}

func ofKey(a checkers.Anomaly) string {
	if a.Key == "" {
		return ""
	}
	return " of " + words.Clip(a.Key, 40)
}

// mostIndices is how many operations of an anomaly are listed.
const mostIndices = 12

func indices(ops []int) string {
	var parts []string
	for i, op := range ops {
		if i == mostIndices {
			parts = append(parts, fmt.Sprintf("and %d more", len(ops)-i))
			break
		}
		parts = append(parts, fmt.Sprint(op))
	}
	return strings.Join(parts, ", ")
}

// checkerRows lists the checkers that made the verdict, then those that inform.
func checkerRows(r *run.Result) [][]string {
	informs := func(name string) int {
		if slices.Contains(r.Judged, name) {
			return 0
		}
		return 1
	}
	names := slices.SortedFunc(maps.Keys(r.Checkers), func(a, b string) int {
		return cmp.Or(cmp.Compare(informs(a), informs(b)), cmp.Compare(a, b))
	})
	var rows [][]string
	for _, name := range names {
		says := census(r.Checkers[name])
		switch {
		case informs(name) > 0:
			says = strings.TrimSpace(says + " (informs)")
		case r.Checkers[name].Verdict == checkers.Unknown:
			says = "see above"
		}
		rows = append(rows, []string{name, r.Checkers[name].Verdict.String(), says})
	}
	return rows
}

// census counts the anomalies of a checker by name, or gives its reason.
func census(res checkers.Result) string {
	var names []string
	counts := map[string]int{}
	for _, a := range res.Anomalies {
		if counts[a.Name]++; counts[a.Name] == 1 {
			names = append(names, a.Name)
		}
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %s", counts[name], name)
	}
	if len(names) == 0 {
		return firstLine(res.Reason)
	}
	return strings.Join(names, ", ")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func faultRows(r *run.Result) [][]string {
	var rows [][]string
	for _, f := range r.Faults {
		exercised := "no"
		if f.Exercised {
			exercised = "yes"
		}
		rows = append(rows, []string{
			strings.TrimSpace(f.Kind + " " + f.Shape), strings.Join(f.Nodes, " "),
			words.Seconds(f.Start), words.Seconds(f.End), string(f.Witness), exercised,
		})
	}
	return rows
}

func opsLine(r *run.Result) string {
	line := fmt.Sprintf("%d ok, %d failed, %d unknown", r.Ops.OK, r.Ops.Fail, r.Ops.Info)
	if r.Load != nil && r.Load.LateMax > plan.Duration(10*time.Millisecond) {
		line += fmt.Sprintf("; all clients were busy at times: operations began up to %v late, %v on average",
			time.Duration(r.Load.LateMax).Round(time.Millisecond), time.Duration(r.Load.LateMean).Round(time.Millisecond))
		if missed := r.Load.Due - r.Load.Started; missed > 0 {
			line += fmt.Sprintf(", %d not at all", missed)
		}
	}
	return line
}

func settingsLine(p *plan.Plan) string {
	parts := []string{p.Target}
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		parts = append(parts, name+"="+p.Settings[name])
	}
	for _, b := range p.Bugs {
		parts = append(parts, "BUG "+b)
	}
	return strings.Join(parts, " ")
}
