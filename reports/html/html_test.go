package html

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/world"
)

var update = flag.Bool("update", false, "write the golden files anew")

var styleOf = regexp.MustCompile(`(?s)<style>.*</style>`)

// TestGolden holds reports of hand-made runs against what was looked at and
// found good. After a change that is meant, run with -update and look again.
func TestGolden(t *testing.T) {
	t.Parallel()
	torn := calm(t, checkers.OK)
	torn.History.Torn = &history.Torn{Offset: 4096, Reason: "unexpected EOF"}
	torn.Result.Warnings = []string{"the history is cut short after byte 4096"}
	harness := outcomeOf(t, &history.History{}, checkers.HarnessError)
	harness.Result.Errors = []string{"the cluster did not become ready: n2 does not answer"}
	for name, o := range map[string]*run.Outcome{
		"invalid": staleRead(t), "ok": torn, "unknown": calm(t, checkers.Unknown), "empty": harness,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := styleOf.ReplaceAll(render(t, samplePlan(), o), []byte("<style></style>"))
			golden(t, filepath.Join("testdata", name+".html"), got)
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// render draws a report and checks what holds for all of them.
func render(t testing.TB, p *plan.Plan, o *run.Outcome) []byte {
	t.Helper()
	text, err := Render(p, o)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, text)
	return text
}

// elements are all that a report is made of. None of them can run or load
// anything.
var elements = strings.Fields(`html head meta title style body header h1 h2 h3 p span strong i br code pre dl dt dd
	section details summary div table thead tbody tr th td svg g rect line path text`)

// attributes are all that they may have: nothing that runs, loads or links.
var attributes = strings.Fields(`lang charset name content http-equiv class id style viewBox role aria-label
	x y x1 y1 x2 y2 width height d text-anchor`)

// wellFormed checks that a page parses as XML, which is stricter than HTML, and
// that it has no element or attribute that the template does not: so nothing
// that was put into it became markup.
func wellFormed(t testing.TB, page []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the page does not parse: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains(elements, start.Name.Local) {
			t.Fatalf("element %s in a report", start.Name.Local)
		}
		for _, a := range start.Attr {
			if !slices.Contains(attributes, a.Name.Local) {
				t.Fatalf("attribute %s=%q in a report", a.Name.Local, a.Value)
			}
		}
	}
}

// visibleText is what a reader sees of a page.
func visibleText(t *testing.T, page []byte) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(styleOf.ReplaceAll(page, nil)))
	for {
		token, err := d.Token()
		if err != nil {
			return b.String()
		}
		if text, ok := token.(xml.CharData); ok {
			b.Write(text)
			b.WriteByte(' ')
		}
	}
}

func TestWhatAStrangerNeeds(t *testing.T) {
	t.Parallel()
	text := visibleText(t, render(t, samplePlan(), staleRead(t)))
	for _, want := range []string{
		"invalid", "stale-read", "node-died", "process 3 read 1, which had been overwritten", "partition halves of n1 n3 from",
		"n1 p0 begins write k1 1", "n1 p3 read k1 → 1 ok", "n1 p3 begins read k1", "n3 p5 begins write k1 3",
		"n1 │ still the leader of term 3", "n2 died: panic: out of range", "ordeal replay runs/r1", "BROKEN: linearizable (as if one at a time)",
		"00c0ffee", "CP1", "mode", "confirmed", "probed: 6, dead-as-cut: n1>n2 n3>n2, dead-though-open: none",
		"the last fault before it", "targeted", "timeout",
	} {
		if want == "the last fault before it" {
			want = "No fault was active meanwhile; partition halves of n1 n3 ended"
		}
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if strings.Contains(text, "n3 p5 write k1 3 info") {
		t.Error("an operation that nobody knows the end of has an end")
	}
}

// TestRelations looks for the arrows of a stale read: the old write was read,
// although another write lies between.
func TestRelations(t *testing.T) {
	t.Parallel()
	page := string(render(t, samplePlan(), staleRead(t)))
	for want, count := range map[string]int{
		"<title>read k1 → 1 got what write k1 1 wrote</title>":     1,
		"<title>write k1 1 ended before write k1 2 began</title>":  1,
		"<title>write k1 2 ended before read k1 → 1 began</title>": 1,
		"<title>write k1 1 ended before read k1 → 1 began</title>": 0, // it follows from the others
		`class="op info open"`: 1,
	} {
		if got := strings.Count(page, want); got != count {
			t.Errorf("%d times %s, want %d", got, want, count)
		}
	}
}

func TestMissingParts(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*run.Outcome{
		"no outcome": nil, "nothing": {}, "no history": {Result: &run.Result{}}, "no result": {History: &history.History{}},
		"only a verdict": {Result: &run.Result{Verdict: checkers.Invalid, Judged: []string{"linear", "gone"}}},
		"empty history":  outcomeOf(t, &history.History{}, checkers.Unknown),
		"anomaly without operations": {Result: &run.Result{Verdict: checkers.Invalid, Judged: []string{"linear"}, Checkers: map[string]checkers.Result{
			"linear": {Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{{Name: "lost-write", Ops: []int{-1, 1 << 40}}, {}}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			render(t, nil, o)
			render(t, &plan.Plan{}, o)
			render(t, samplePlan(), o)
		})
	}
}

// TestEveryPrefixHasAReport cuts a history short after every record, as a crash does.
func TestEveryPrefixHasAReport(t *testing.T) {
	t.Parallel()
	o := staleRead(t)
	whole := o.History.Ops
	for n := range whole {
		o.History = &history.History{Ops: whole[:n], Torn: &history.Torn{}}
		render(t, samplePlan(), o)
	}
}

func TestSameBytes(t *testing.T) {
	t.Parallel()
	first := render(t, samplePlan(), long(t, 500))
	for range 5 {
		if !bytes.Equal(first, render(t, samplePlan(), long(t, 500))) {
			t.Fatal("the same run gave two reports")
		}
	}
}

func TestLongRunsStaySmall(t *testing.T) {
	t.Parallel()
	page := render(t, samplePlan(), long(t, 20_000))
	if len(page) > 1<<20 {
		t.Errorf("%d operations gave a report of %d bytes", 20_000, len(page))
	}
	for _, want := range []string{"7 more", "And 10 more, which are in result.json"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("%q is missing", want)
		}
	}
}

// TestHugeValuesAreCut has a megabyte in every place that somebody else fills.
func TestHugeValuesAreCut(t *testing.T) {
	t.Parallel()
	p, o := hostile(t, strings.Repeat("huge ", 200_000))
	if page := render(t, p, o); len(page) > 1<<20 {
		t.Errorf("a report of %d bytes", len(page))
	}
}

// hostile is a run in which everything that others make is the given text.
func hostile(t testing.TB, text string) (*plan.Plan, *run.Outcome) {
	s := &scribe{}
	v := history.String(text)
	at := s.record(history.Op{Process: 1, F: text, Key: v, Value: v, Node: text})
	s.record(history.Op{Process: 1, Type: history.OK, F: text, Key: v, Value: history.Map(v, history.List(v, history.Keyword(text))), Node: text, Error: text})
	s.fault(1, text, "injected", v, v, history.String("witness"), v, history.String("evidence"), history.Map(v, history.List(v)), history.String("shape"), v)
	open := s.record(history.Op{Process: 2, F: text, Key: v, Value: history.Tagged(text), Node: text})
	died := s.record(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FDied, Value: history.Map(history.String("node"), v, history.String("reason"), v)})
	o := outcomeOf(t, &s.h, checkers.Invalid)
	r := o.Result
	r.Digest, r.Consistency, r.Replay, r.Errors, r.Warnings = text, text, text, []string{text}, []string{text}
	r.Promise = run.Promise{Level: text, Doc: text}
	r.Judged = []string{text, "other"}
	anomaly := checkers.Anomaly{Name: text, Explanation: text, Key: text, Ops: []int{at, open, died}}
	r.Checkers[text] = checkers.Result{Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{anomaly}, Reason: text}
	r.Checkers["other"] = checkers.Result{Verdict: checkers.Unknown, Reason: text}
	o.Logs = []world.LogLine{{Time: 2e6, Text: text}}
	return &plan.Plan{
		Version: text, Target: text, Workload: text, World: text, Bugs: []string{text},
		Settings: map[string]string{text: text}, Options: map[string]string{text: text},
		Faults: []plan.Fault{{Kind: text, Params: map[string]string{text: text}}},
	}, o
}

// attacks are texts that would do harm, or only confuse, if they were not escaped.
var attacks = []string{
	"", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "'-alert(1)-'", "</style><script>", "]]>", "<!--", "-->", "&lt;b&gt;", "&#0;",
	"</title></svg><iframe src=//x>", "javascript:alert(1)", "{{.}}", "\x00\x01\x1b[2J\x7f", "\xff\xfe\xc3", "\u202egnp.exe", "\u2028\u2029\u200b\ufeff",
	"日本語 \U0001f980 e\u0301", strings.Repeat("\n", 100), strings.Repeat("w", 10_000), "\ufffe\uffff", "a\tb\r\nc",
}

func TestHostileTextIsOnlyText(t *testing.T) {
	t.Parallel()
	for i, text := range attacks {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			p, o := hostile(t, text)
			checkHarmless(t, render(t, p, o))
		})
	}
}

// checkHarmless looks for what would act on the reader's screen.
func checkHarmless(t testing.TB, page []byte) {
	t.Helper()
	for _, bad := range []string{"\x00", "\x1b", "\u202e", "\u2028", "<script", "<img", "<iframe", "<!--"} {
		if bytes.Contains(page, []byte(bad)) {
			t.Fatalf("%q came through", bad)
		}
	}
}

func TestPropertyAnyTextIsOnlyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom(attacks), rapid.StringOf(rapid.SampledFrom([]rune(`<>"'&/\;=-!{}[] a`+"\u202e\x00")))).Draw(rt, "text")
		p, o := hostile(t, text)
		page, err := Render(p, o)
		if err != nil {
			rt.Fatal(err)
		}
		wellFormed(t, page)
		checkHarmless(t, page)
	})
}

func FuzzRender(f *testing.F) {
	for _, text := range attacks {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, o := hostile(t, text)
		checkHarmless(t, render(t, p, o))
	})
}

// TestNothingIsLoaded checks that a report needs nothing outside it.
func TestNothingIsLoaded(t *testing.T) {
	t.Parallel()
	page := string(render(t, samplePlan(), staleRead(t)))
	for _, bad := range []string{"http://", "https://", "src=", "href=", "url(", "@import", "<script"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s in a report", bad)
		}
	}
	if !strings.Contains(page, "default-src &#39;none&#39;") && !strings.Contains(page, "default-src 'none'") {
		t.Error("the page does not forbid browsers to load and run things")
	}
}

// TestAPanicIsAnError has something so broken in a result that no name for it
// exists: a report that cannot be drawn never takes the run with it.
func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Render(nil, &run.Outcome{Result: &run.Result{Verdict: 200}}); err == nil {
		t.Error("no error")
	}
}

func TestTimesFarOut(t *testing.T) {
	t.Parallel()
	for _, times := range [][2]int64{{0, 0}, {0, 1 << 62}, {-1 << 62, 1 << 61}, {5, 4}} {
		o := calm(t, checkers.OK)
		ops := o.History.Ops
		ops[0].Time, ops[len(ops)-1].Time = times[0], times[1]
		render(t, samplePlan(), o)
	}
}

func BenchmarkRender(b *testing.B) {
	o := long(b, 20_000)
	p := samplePlan()
	for b.Loop() {
		page, err := Render(p, o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(page)), "bytes/page")
	}
}
