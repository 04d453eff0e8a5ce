package intern

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// values draws values that often are equal without being the same.
func values() *rapid.Generator[history.Value] {
	leaf := rapid.OneOf(
		rapid.Just(history.Value{}), rapid.Just(history.Nil),
		rapid.Map(rapid.Bool(), history.Bool),
		rapid.Map(rapid.Int64Range(-3, 300), history.Int),
		rapid.Map(rapid.Int64(), history.Int),
		rapid.Map(rapid.SampledFrom([]float64{0, 1, 1.5, -2}), history.Float),
		rapid.Map(rapid.SampledFrom([]string{"", "a", "1", "a;", "1:a"}), history.String),
		rapid.Map(rapid.SampledFrom([]string{"", "a", "1"}), history.Keyword),
	)
	return rapid.Custom(func(t *rapid.T) history.Value {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if kind < 3 {
			return leaf.Draw(t, "leaf")
		}
		elems := rapid.SliceOfN(leaf, 0, 3).Draw(t, "elems")
		switch kind {
		case 3:
			return history.List(elems...)
		case 4:
			return history.Set(elems...)
		case 5:
			return history.List(history.List(elems...), history.Nil)
		default:
			return history.Map(append(elems, elems...)[:2*(len(elems)/2)]...)
		}
	})
}

// TestNumbersFollowEquality checks that two values have the same number exactly
// if they are equal, and that numbers are dense and lead back to their values.
func TestNumbersFollowEquality(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		var seen []history.Value
		for _, v := range rapid.SliceOfN(values(), 1, 30).Draw(t, "values") {
			_, before := table.Find(v)
			id := table.ID(v)
			if before != (int(id) < len(seen)) {
				t.Fatalf("%v: found %v, then got number %d of %d", v, before, id, len(seen))
			}
			if int(id) == len(seen) {
				seen = append(seen, v)
			}
			for i, w := range seen {
				if w.Equal(v) != (i == int(id)) {
					t.Fatalf("%v (%d) and %v (%d): equal is %v", v, id, w, i, w.Equal(v))
				}
			}
			if !table.Value(id).Equal(v) || table.Len() != len(seen) {
				t.Fatalf("%v came back as %v", v, table.Value(id))
			}
		}
	})
}
