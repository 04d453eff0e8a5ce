// Package stats counts what happened in a history: operations by what they did
// and how they ended, and errors by name.
//
// It only informs: its verdict is always ok. Whether there was enough to judge
// is the question of package worth.
package stats

import (
	"context"
	"sort"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "stats"

// Counts are operations by how they ended. Those that never ended are info.
type Counts struct {
	Count int `json:"count"`
	OK    int `json:"ok"`
	Fail  int `json:"fail"`
	Info  int `json:"info"`
}

// Kind are the counts of one kind of operation.
type Kind struct {
	F string `json:"f"`
	Counts
}

// Failure is an error that operations ended with.
type Failure struct {
	Name    string `json:"name"`  // the stable part of the error
	Count   int    `json:"count"` // operations that ended with it
	Index   int    `json:"index"` // the invocation of the first of them
	Example string `json:"example"`
}

// Report is what a history holds.
type Report struct {
	Counts
	ByF     []Kind    `json:"by-f"`   // in the order of names
	Errors  []Failure `json:"errors"` // the most frequent first
	Nemesis int       `json:"nemesis"`
}

// New returns a checker that counts.
func New() checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		report, err := Count(h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return checkers.Result{}.Detail(report)
	})
}

// Count counts what is in h. It is an error if calls cannot be paired.
func Count(h *history.History) (Report, error) {
	r := Report{ByF: []Kind{}, Errors: []Failure{}}
	if len(h.Ops) == 0 {
		return r, nil
	}
	calls, err := checkers.Paired(h)
	if err != nil {
		return r, err
	}
	byF := make(map[string]*Counts)
	byName := make(map[string]*Failure)
	for _, c := range calls {
		counts := byF[c.Invoke.F]
		if counts == nil {
			counts = new(Counts)
			byF[c.Invoke.F] = counts
		}
		counts.add(c.Type())
		r.add(c.Type())
		if c.Complete != nil && c.Complete.Error != "" {
			note(byName, c)
		}
	}
	for i := range h.Ops {
		if h.Ops[i].Process == history.Nemesis {
			r.Nemesis++
		}
	}
	r.sort(byF, byName)
	return r, nil
}

func (c *Counts) add(t history.Type) {
	c.Count++
	switch t {
	case history.OK:
		c.OK++
	case history.Fail:
		c.Fail++
	default:
		c.Info++
	}
}

func note(byName map[string]*Failure, c history.Call) {
	name := errorName(c.Complete.Error)
	if byName[name] == nil {
		byName[name] = &Failure{Name: name, Index: c.Invoke.Index, Example: c.Complete.Error}
	}
	byName[name].Count++
}

// errorName returns the stable name in front of the details of an error.
func errorName(text string) string {
	if i := strings.IndexAny(text, ": \t\n"); i > 0 {
		return text[:i]
	}
	return text
}

func (r *Report) sort(byF map[string]*Counts, byName map[string]*Failure) {
	for f, counts := range byF {
		r.ByF = append(r.ByF, Kind{f, *counts})
	}
	sort.Slice(r.ByF, func(i, j int) bool { return r.ByF[i].F < r.ByF[j].F })
	for _, e := range byName {
		r.Errors = append(r.Errors, *e)
	}
	sort.Slice(r.Errors, func(i, j int) bool {
		a, b := r.Errors[i], r.Errors[j]
		return a.Count > b.Count || a.Count == b.Count && a.Name < b.Name
	})
}
