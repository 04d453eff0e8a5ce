package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/reports/terminal"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/workloads"
)

// listing is one of the things that can be listed: its rows for programs, and
// as a table for people.
type listing struct {
	rows   any
	header []string
	table  [][]string
}

func (a *app) listings() map[string]func() listing {
	return map[string]func() listing{
		"targets":   a.listTargets,
		"workloads": a.listWorkloads,
		"faults":    a.listFaults,
		"checkers":  a.listCheckers,
		"bugs":      a.listBugs,
		"worlds":    a.listWorlds,
		"models":    a.listModels,
	}
}

var listable = []string{"targets", "workloads", "faults", "checkers", "bugs", "worlds", "models"}

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "list " + strings.Join(listable, "|"),
		Short:     "List what there is",
		ValidArgs: listable,
		Args:      cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			what, err := oneOf("thing to list", args, listable)
			if err != nil {
				return err
			}
			l := a.listings()[what]()
			if a.json {
				return a.printJSON(l.rows)
			}
			return terminal.Table(a.out, l.header, l.table)
		},
	}
}

type parameter struct {
	Name    string   `json:"name"`
	Default string   `json:"default"`
	Values  []string `json:"values,omitempty"`
	Doc     string   `json:"doc"`
}

func (a *app) listTargets() listing {
	type row struct {
		Name     string      `json:"name"`
		Doc      string      `json:"doc"`
		Settings []parameter `json:"settings"`
	}
	l := listing{header: []string{"target", "setting", "default", "values", "what it is"}}
	rows := []row{}
	for _, t := range a.reg.Targets {
		r := row{Name: t.Name(), Doc: t.Doc(), Settings: []parameter{}}
		l.table = append(l.table, []string{t.Name(), "", "", "", t.Doc()})
		for _, s := range t.Settings() {
			r.Settings = append(r.Settings, parameter{s.Name, s.Default, s.Values, s.Doc})
			l.table = append(l.table, []string{"", s.Name, s.Default, strings.Join(s.Values, "|"), s.Doc})
		}
		rows = append(rows, r)
	}
	l.rows = rows
	return l
}

func (a *app) listWorkloads() listing {
	type row struct {
		Name    string      `json:"name"`
		Doc     string      `json:"doc"`
		Level   string      `json:"level"`
		Levels  []string    `json:"levels"`
		Runs    bool        `json:"runs"` // it has clients; without, it judges histories only
		Ops     []string    `json:"ops"`
		Options []parameter `json:"options"`
	}
	l := listing{header: []string{"workload", "option", "default", "for", "levels", "what it is"}}
	rows := []row{}
	for _, w := range a.reg.Workloads {
		r := row{Name: w.Name, Doc: w.Doc, Level: w.Level, Levels: w.Levels, Runs: w.Generator != nil, Options: parameters(w.Options)}
		r.Ops = slices.Concat(w.Fs, w.Optional)
		l.table = append(l.table, []string{w.Name, "", "", use(w), shortened(w), w.Doc})
		for _, o := range w.Options {
			l.table = append(l.table, []string{"", o.Name, o.Default, "", "", o.Doc + " (" + o.Values + ")"})
		}
		rows = append(rows, r)
	}
	l.rows = rows
	return l
}

func parameters(options []workloads.Option) []parameter {
	list := []parameter{}
	for _, o := range options {
		list = append(list, parameter{Name: o.Name, Default: o.Default, Values: []string{o.Values}, Doc: o.Doc})
	}
	return list
}

// use says which commands a workload is for.
func use(w workloads.Workload) string {
	if w.Generator == nil {
		return "check"
	}
	return "run, check"
}

// shortened names the levels of a workload, or the first one if there are too
// many for a column; --json has them all.
func shortened(w workloads.Workload) string {
	if len(w.Levels) > 5 {
		return fmt.Sprintf("%s, and %d others", w.Level, len(w.Levels)-1)
	}
	return strings.Join(w.Levels, ", ")
}

func (a *app) listFaults() listing {
	type row struct {
		Kind   string      `json:"kind"`
		Doc    string      `json:"doc"`
		Params []parameter `json:"params"`
	}
	l := listing{header: []string{"fault", "parameter", "default", "what it is"}}
	rows := []row{}
	for _, f := range a.reg.Faults {
		r := row{Kind: f.Kind, Doc: f.Doc}
		l.table = append(l.table, []string{f.Kind, "", "", f.Doc})
		for _, p := range append(f.Params[:len(f.Params):len(f.Params)], nemesis.Timing...) {
			r.Params = append(r.Params, parameter{Name: p.Name, Default: p.Default, Doc: p.Doc})
			l.table = append(l.table, []string{"", p.Name, p.Default, p.Doc})
		}
		rows = append(rows, r)
	}
	l.rows = rows
	return l
}

func (a *app) listBugs() listing {
	l := listing{header: []string{"bug", "what it does wrong", "fault", "found by", "command"}}
	rows := []targets.Bug{}
	for _, b := range a.reg.Bugs() {
		rows = append(rows, b)
		l.table = append(l.table, []string{
			b.ID, fmt.Sprintf("%s (mirrors %s)", b.Summary, b.Mirrors), b.Fault, b.Checker + ": " + b.Anomaly, b.Command + seedOf(b),
		})
	}
	l.rows = rows
	return l
}

// seedOf is the flag that makes the command of a bug show it at once.
func seedOf(b targets.Bug) string {
	if b.Seed == 0 {
		return ""
	}
	return fmt.Sprintf(" --seed %d", b.Seed)
}

func (a *app) listCheckers() listing { return named("checker", workloads.CheckerDocs()) }

func (a *app) listWorlds() listing {
	var docs [][2]string
	for _, w := range a.reg.Worlds {
		docs = append(docs, [2]string{w.Name(), w.Doc()})
	}
	return named("world", docs)
}

func (a *app) listModels() listing {
	type row struct {
		Name    string      `json:"name"`
		Doc     string      `json:"doc"`
		Options []parameter `json:"options"`
	}
	l := listing{header: []string{"model", "option", "default", "what it is"}}
	rows := []row{}
	for _, name := range workloads.ModelNames() {
		w, _ := workloads.Model(name)
		rows = append(rows, row{name, w.Doc, parameters(w.Options)})
		l.table = append(l.table, []string{name, "", "", w.Doc})
		for _, o := range w.Options {
			l.table = append(l.table, []string{"", o.Name, o.Default, o.Doc})
		}
	}
	l.rows = rows
	return l
}

// named lists things of which there is no more to say than a sentence each.
func named(what string, docs [][2]string) listing {
	type row struct {
		Name string `json:"name"`
		Doc  string `json:"doc"`
	}
	l := listing{header: []string{what, "what it is"}}
	rows := []row{}
	for _, d := range docs {
		rows = append(rows, row{d[0], d[1]})
		l.table = append(l.table, d[:])
	}
	l.rows = rows
	return l
}
