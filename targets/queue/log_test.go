package queue_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/queue"
	"github.com/ordeal-dev/ordeal/targets/queue/logs"
)

// logWith returns the settings of a log of which some are given.
func logWith(t *testing.T, given map[string]string) targets.Settings {
	t.Helper()
	all := maps.Clone(given)
	all["kind"] = "log"
	s, err := targets.Fill(queue.New(), all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPromisesOfLogs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set, to, level string
	}{
		{"acks", "all", "log"}, {"acks", "1", "lossy-log"}, {"acks", "0", "lossy-log"}, {"unclean", "on", "lossy-log"},
		{"retention", "100", "log"}, {"idempotent", "off", "at-least-once"}, {"min-insync", "1", "log"}, {"compaction", "on", "log"},
	} {
		if p := queue.New().Promise(logWith(t, map[string]string{c.set: c.to})); p.Level != c.level {
			t.Errorf("%s=%s promises %s, want %s", c.set, c.to, p.Level, c.level)
		}
	}
}

func TestLogsThatDoNotBoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set, to, bug, want string
	}{
		{"replicas", "1", "", "lower min-insync or raise replicas"},
		{"partitions", "0", "", "want a whole number from 1 to 100"},
		{"acks", "all", "W1", "bug W1 is none of kind=log"},
	} {
		var bugs []string
		if c.bug != "" {
			bugs = append(bugs, c.bug)
		}
		if _, err := queue.New().Boot(logWith(t, map[string]string{c.set: c.to}), bugs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s %s: %v, want %q", c.set, c.to, c.bug, err, c.want)
		}
	}
}

// Every bug of the log has a row, and every row a bug.
func TestBugsOfLogs(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, b := range queue.New().Bugs() {
		rows[b.ID] = true
	}
	for _, b := range logs.Bugs() {
		if !rows[string(b)] {
			t.Errorf("bug %s has no row", b)
		}
		delete(rows, string(b))
		if _, err := queue.New().Boot(logWith(t, map[string]string{}), []string{string(b)}); err != nil {
			t.Error(err)
		}
	}
	for id := range rows {
		if strings.HasPrefix(id, "Q") {
			t.Errorf("row %s has no bug", id)
		}
	}
}
