package html

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// journalEntry is a fault window with its evidence.
type journalEntry struct {
	history.Window
	Shape    string
	From, To string
	Seen     string // the evidence in a line
	Injected string // the records of the nemesis, a line for each field
	Healed   string
}

func (d *drawing) journal() []journalEntry {
	var entries []journalEntry
	for _, w := range d.windows {
		e := journalEntry{
			Window: w, Shape: w.Injected.Get("shape").Text(),
			From: words.Seconds(w.Start), To: words.Seconds(w.End),
			Seen:     words.Clip(brief(w.Injected.Get("evidence")), mostShort),
			Injected: outline(w.Injected), Healed: outline(w.Ended),
		}
		if w.Healed == 0 {
			e.To = "the end"
		}
		entries = append(entries, e)
	}
	return entries
}

// witness is the class of what a witness said.
func witness(w history.Witness) string {
	switch w {
	case history.Confirmed, history.Ineffective:
		return "w-" + string(w)
	default:
		return "w-inconclusive"
	}
}

// shapeOf names a window: "partition one-way".
func shapeOf(w history.Window) string {
	return words.Clip(strings.TrimSpace(w.Kind+" "+w.Injected.Get("shape").Text()), mostShort)
}

// brief writes a record in a line: "probed: 20, dead-as-cut: n1>n2 n2>n1".
func brief(v history.Value) string {
	switch v.Kind() {
	case history.Absent:
		return ""
	case history.KindMap:
		elems := v.Elems()
		var parts []string
		for i := 0; i+1 < len(elems); i += 2 {
			parts = append(parts, word(elems[i])+": "+nested(elems[i+1]))
		}
		return strings.Join(parts, ", ")
	case history.KindList, history.KindSet, history.KindTuple:
		var parts []string
		for _, e := range v.Elems() {
			parts = append(parts, nested(e))
		}
		return strings.Join(parts, " ")
	default:
		return word(v)
	}
}

// nested is brief inside something else.
func nested(v history.Value) string {
	switch text := brief(v); {
	case text == "" && len(v.Elems()) == 0:
		return "none"
	case v.Kind() == history.KindMap, v.Kind() == history.KindList && slices.ContainsFunc(v.Elems(), isList):
		return "(" + text + ")"
	default:
		return text
	}
}

func isList(v history.Value) bool { return len(v.Elems()) > 0 }

// word writes a value without quotes.
func word(v history.Value) string {
	if s := v.Text(); s != "" {
		return s
	}
	return v.String()
}

// outline writes a record of the nemesis with a line for each field, and one
// for each field of what is in it.
func outline(v history.Value) string {
	var b strings.Builder
	outlineAt(&b, v, "")
	return words.Clip(b.String(), mostLong)
}

func outlineAt(b *strings.Builder, v history.Value, indent string) {
	elems := v.Elems()
	for i := 0; i+1 < len(elems); i += 2 {
		fmt.Fprintf(b, "%s%s:", indent, word(elems[i]))
		if elems[i+1].Kind() == history.KindMap && len(elems[i+1].Elems()) > 0 {
			b.WriteByte('\n')
			outlineAt(b, elems[i+1], indent+"  ")
			continue
		}
		fmt.Fprintf(b, " %s\n", nested(elems[i+1]))
	}
}

// sides is the order in which the sides of a fault are shown.
var sides = []string{perf.All, perf.Majority, perf.Minority, perf.Targeted, perf.Others}

// sided returns phases with their sides in the order of [sides], and without
// those that had no clients.
func sided(phases []perf.Phase) []perf.Phase {
	phases = slices.Clone(phases)
	for i := range phases {
		shown := slices.DeleteFunc(slices.Clone(phases[i].Sides), func(s perf.Side) bool {
			return s.Name != perf.All && s.OK+s.Fail+s.Info == 0
		})
		slices.SortStableFunc(shown, func(a, b perf.Side) int { return place(a.Name) - place(b.Name) })
		phases[i].Sides = shown
	}
	return phases
}

func place(side string) int {
	if at := slices.Index(sides, side); at >= 0 {
		return at
	}
	return len(sides)
}
