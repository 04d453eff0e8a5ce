package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/internal/suggest"
)

// Option describes an option of a workload, set with --opt.
type Option struct {
	Name    string
	Default string
	Doc     string
	Values  string // what it can be, in words

	fits func(string) bool
}

// Number is an option that is a number from least to most.
func Number(name string, preset, least, most int64, doc string) Option {
	return Option{
		Name: name, Default: strconv.FormatInt(preset, 10), Doc: doc,
		Values: fmt.Sprintf("a number from %d to %d", least, most),
		fits: func(s string) bool {
			n, err := strconv.ParseInt(s, 10, 64)
			return err == nil && n >= least && n <= most
		},
	}
}

// Flag is an option that is on or off, and off by default.
func Flag(name, doc string) Option { return OneOf(name, doc, "false", "true") }

// OneOf is an option that is one of the given words, the first by default.
func OneOf(name, doc string, words ...string) Option {
	shown := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
	return Option{
		Name: name, Default: words[0], Doc: doc, Values: "one of " + strings.Join(shown, ", "),
		fits: func(s string) bool { return slices.Contains(words, s) },
	}
}

// List is an option that is a list of names between commas, empty by default.
func List(name, doc string) Option {
	return Option{
		Name: name, Doc: doc, Values: "names between commas",
		fits: func(s string) bool { return !slices.Contains(strings.Split(s, ","), "") || s == "" },
	}
}

// Integer is an option that is a number of 64 bits, or is not set.
func Integer(name, doc string) Option {
	return Option{
		Name: name, Doc: doc, Values: "a number",
		fits: func(s string) bool { _, err := strconv.ParseInt(s, 10, 64); return err == nil || s == "" },
	}
}

// Length is an option that is a length of time, or is not set.
func Length(name, doc string) Option {
	return Option{
		Name: name, Doc: doc, Values: "a time like 500ms or 2s",
		fits: func(s string) bool { d, err := time.ParseDuration(s); return err == nil && d >= 0 || s == "" },
	}
}

// Text is an option that can be any text, or is not set.
func Text(name, doc string) Option {
	return Option{Name: name, Doc: doc, Values: "a text", fits: func(string) bool { return true }}
}

// Parsed is an option that its checker knows how to read, or is not set.
func Parsed(name, doc, values string, parse func(string) error) Option {
	return Option{Name: name, Doc: doc, Values: values, fits: func(s string) bool { return s == "" || parse(s) == nil }}
}

// Options holds the value of every option. Fill has seen to it that each is
// what its kind can be.
type Options map[string]string

// Has reports whether an option has a value.
func (o Options) Has(name string) bool { return o[name] != "" }

// Int returns an option as a number.
func (o Options) Int(name string) int64 {
	n, err := strconv.ParseInt(o[name], 10, 64)
	if err != nil {
		panic("workloads: option " + name + " was not filled in")
	}
	return n
}

// On reports whether a flag is set.
func (o Options) On(name string) bool { return o[name] == "true" }

// List returns the names of a list.
func (o Options) List(name string) []string {
	if o[name] == "" {
		return nil
	}
	return strings.Split(o[name], ",")
}

// Length returns a length of time, 0 if it is not set.
func (o Options) Length(name string) time.Duration {
	d, err := time.ParseDuration(o[name])
	if err != nil && o[name] != "" {
		panic("workloads: option " + name + " is no time")
	}
	return d
}

// Fill returns the options with defaults for those not given, or what is wrong
// with them.
func (w *Workload) Fill(given map[string]string) (Options, error) {
	o := Options{}
	var names []string
	for _, opt := range w.Options {
		o[opt.Name] = opt.Default
		names = append(names, opt.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, suggest.Unknown("option of "+w.Name, name, names)
		}
		opt := w.Options[i]
		if !opt.fits(given[name]) {
			return nil, fmt.Errorf("option %s=%s: want %s", name, given[name], opt.Values)
		}
		o[name] = given[name]
	}
	return o, nil
}
