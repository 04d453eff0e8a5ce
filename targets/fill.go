package targets

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/ordeal-dev/ordeal/internal/suggest"
)

// Fill returns a value for every setting of a target, with the defaults of
// those that were not given, or says what is wrong with what was given.
func Fill(t Target, given map[string]string) (Settings, error) {
	filled := Settings{}
	var known []string
	for _, s := range t.Settings() {
		filled[s.Name] = s.Default
		known = append(known, s.Name)
	}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, suggest.Unknown("setting of "+t.Name(), name, known)
		}
		if err := t.Settings()[i].check(given[name]); err != nil {
			return nil, err
		}
		filled[name] = given[name]
	}
	return filled, nil
}

func (s Setting) check(value string) error {
	if len(s.Values) == 0 || slices.Contains(s.Values, value) {
		return nil
	}
	if near := suggest.Nearest(value, s.Values); near != "" {
		return fmt.Errorf("setting %s=%s: did you mean %s=%s?", s.Name, value, s.Name, near)
	}
	return fmt.Errorf("setting %s=%s: want one of %s", s.Name, value, strings.Join(s.Values, ", "))
}

// CheckBugs says which of the given ids is no bug of the target.
func CheckBugs(t Target, ids []string) error {
	var known []string
	for _, b := range t.Bugs() {
		known = append(known, b.ID)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return suggest.Unknown("bug of "+t.Name(), id, known)
		}
	}
	return nil
}

// FatalPatterns is what a target implements whose nodes log lines that mean
// that something is broken for good, beyond panics, fatal errors of the Go
// runtime and data races, which are always looked for.
type FatalPatterns interface {
	// FatalPatterns returns regular expressions that match such lines.
	FatalPatterns() []string
}
