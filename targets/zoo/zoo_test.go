package zoo_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/targets/zoo"
)

// Every row says everything, under an id of its own, with a command for its own
// bug that names no seed.
func TestRowsAreComplete(t *testing.T) {
	t.Parallel()
	var ids []string
	for _, b := range zoo.All() {
		row := reflect.ValueOf(b)
		for i := range row.NumField() {
			if name := row.Type().Field(i).Name; row.Field(i).IsZero() && name != "Seed" {
				t.Errorf("bug %s says nothing under %s", b.ID, name)
			}
		}
		if slices.Contains(ids, b.ID) {
			t.Errorf("there are two bugs %s", b.ID)
		}
		ids = append(ids, b.ID)
		if !regexp.MustCompile(`^[A-Z]+[0-9]+$`).MatchString(b.ID) {
			t.Errorf("bug %q: an id is capitals and a number", b.ID)
		}
		words := strings.Fields(b.Command)
		for _, want := range [][]string{{"ordeal", "run"}, {"--target", b.Target}, {"--bug", b.ID}, {"--world", "sim"}} {
			if i := slices.Index(words, want[0]); i < 0 || i+1 >= len(words) || words[i+1] != want[1] {
				t.Errorf("the command of bug %s does not say %s: %s", b.ID, strings.Join(want, " "), b.Command)
			}
		}
		if slices.Contains(words, "--seed") {
			t.Errorf("the command of bug %s has a seed of its own: %s", b.ID, b.Command)
		}
		if s := b.Summary + b.Mirrors; strings.ContainsAny(s, "|\n") || strings.HasSuffix(b.Summary, ".") {
			t.Errorf("bug %s: a summary is a sentence without a full stop that fits into a table: %s", b.ID, b.Summary)
		}
	}
}

// The rows of one target, in the order of the table.
func Example() {
	for _, b := range zoo.Of("store")[:1] {
		fmt.Printf("%s: %s; %s finds %s\n", b.ID, b.Summary, b.Checker, b.Anomaly)
	}
	// Output:
	// CP1: the leader answers reads from its own state without asking a quorum whether it still leads; linear finds stale-read
}
