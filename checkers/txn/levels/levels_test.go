package levels

import (
	"slices"
	"testing"
)

// TestTables sees that every name that a table uses is one that another knows.
func TestTables(t *testing.T) {
	t.Parallel()
	for m, list := range implies {
		for _, n := range list {
			if _, ok := implies[n]; !ok {
				t.Errorf("%s implies %s, which is no model", m, n)
			}
		}
	}
	for m := range forbids {
		if _, ok := implies[m]; !ok {
			t.Errorf("%s is no model", m)
		}
	}
	for other, usual := range aliases {
		if _, ok := implies[usual]; !ok {
			t.Errorf("%s is another name of %s, which is no model", other, usual)
		}
	}
}

// TestAcyclic sees that nothing implies itself.
func TestAcyclic(t *testing.T) {
	t.Parallel()
	for _, table := range []map[string][]string{implies, entails} {
		for name, list := range table {
			if reach(table, list...)[name] {
				t.Errorf("%s implies itself", name)
			}
		}
	}
}

// TestBoundary checks well-known facts of the literature.
func TestBoundary(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		anomalies []string
		not       []string
		possible  []string // some of the strongest that remain
	}{
		{[]string{"G2-item"}, []string{"repeatable-read"}, []string{"strong-snapshot-isolation"}},                                    // write skew
		{[]string{"G-nonadjacent-item"}, []string{"repeatable-read", "snapshot-isolation"}, []string{"parallel-snapshot-isolation"}}, // long fork
		{[]string{"lost-update"}, []string{"cursor-stability", "update-atomic"}, []string{"prefix"}},
		{[]string{"G0-realtime"}, []string{"strong-read-uncommitted"}, []string{"strong-session-serializable"}},
		{[]string{"G1a"}, []string{"read-committed"}, nil},
		{[]string{"internal"}, []string{"read-atomic"}, nil},
		{nil, nil, []string{"strong-serializable"}},
	} {
		not, alsoNot := Boundary(tc.anomalies)
		if !slices.Equal(not, tc.not) {
			t.Errorf("%v: not %v, want %v", tc.anomalies, not, tc.not)
		}
		if tc.anomalies != nil && !slices.Contains(alsoNot, Default) {
			t.Errorf("%v leaves %s possible", tc.anomalies, Default)
		}
		for _, m := range tc.possible {
			if strongest := Strongest(tc.anomalies); !slices.Contains(strongest, m) {
				t.Errorf("%v: %v remain, want %s among them", tc.anomalies, strongest, m)
			}
		}
	}
}

// TestForbidden follows anomalies both ways: a model forbids exactly what rules
// it out.
func TestForbidden(t *testing.T) {
	t.Parallel()
	for _, m := range Names() {
		forbidden, err := Forbidden([]string{m}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for a := range entails {
			not, alsoNot := Boundary([]string{a})
			if ruled := slices.Contains(append(not, alsoNot...), m); ruled != forbidden[a] {
				t.Errorf("%s and %s: forbidden %v, ruled out %v", m, a, forbidden[a], ruled)
			}
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"PL-2": "read-committed", "strict-serializable": "strong-serializable", "serializable": "serializable"} {
		if got, err := Of(name); got != want || err != nil {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
	if _, err := Forbidden([]string{"serialisable"}, nil); err == nil {
		t.Error("a model that does not exist was accepted")
	}
}
