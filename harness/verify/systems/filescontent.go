package systems

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// contentRules are those of writes and reads. Roles: a and b show one tag, w and
// x another of the same file.
func contentRules(t *tree) map[string]roleRule {
	return map[string]roleRule{
		"thin-air-read": {1, func(o []*claim.Op, _ string) bool { tag := t.readOf(o[0]); return tag != nil && tag.writer == nil }},
		"dirty-read": {2, func(o []*claim.Op, _ string) bool { // its write, a
			tag := t.readOf(o[1])
			return tag != nil && tag.writer == o[0] && o[0].Failed()
		}},
		"future-read": {2, func(o []*claim.Op, _ string) bool { // a, its write
			tag := t.readOf(o[0])
			return tag != nil && tag.writer == o[1] && o[0].Before(o[1])
		}},
		"empty-read": {2, func(o []*claim.Op, _ string) bool { // a, and a read that finds nothing
			tag := t.tagOf(o[0])
			return tag != nil && o[1].Invoke.F == "read" && o[1].Happened() && o[1].Complete.Value.IsNil() && idOf(o[1].Invoke.Key) == tag.file && o[0].Before(o[1])
		}},
		"stale-read": {4, func(o []*claim.Op, _ string) bool { // a, x, w, b
			s, u := t.tagOf(o[0]), t.tagOf(o[1])
			return s != nil && u != nil && s != u && s.file == u.file && t.tagOf(o[3]) == s && t.tagOf(o[2]) == u && o[0].Before(o[1]) && o[2].Before(o[3])
		}},
	}
}

// readOf returns the content that a read found, or nil.
func (t *tree) readOf(o *claim.Op) *treeTag {
	if o.Invoke.F != "read" || !o.Happened() || o.Complete.Value.IsNil() {
		return nil
	}
	return t.tag(o, o.Complete.Value)
}

// tagOf returns the content that was certainly there, because of a read that can
// be explained or a write that was ok or that such a read shows.
func (t *tree) tagOf(o *claim.Op) *treeTag {
	tag := t.readOf(o)
	if o.Invoke.F == "write" {
		tag = t.tag(o, o.Invoke.Value)
	}
	if tag == nil || tag.writer == nil || tag.writer.Failed() || !tag.writer.Happened() && len(tag.reads) == 0 {
		return nil
	}
	return tag
}

// hold confirms that no rule is broken.
func (t *tree) hold() error {
	if err := t.written(); err != nil {
		return err
	}
	if err := t.contents(); err != nil {
		return err
	}
	return t.namesHold()
}

// written confirms that what may be behind shows nothing that nobody wrote.
func (t *tree) written() error {
	for _, o := range t.behind {
		if o.Invoke.F == "read" {
			if v := o.Complete.Value; !v.IsNil() {
				if w := t.tag(o, v).writer; w == nil || w.Failed() || o.Before(w) {
					return fmt.Errorf("index %d reads what nobody can have written", o.Inv)
				}
			}
			continue
		}
		for _, id := range listedNames(o) {
			if n := t.names[id]; n == nil || !n.real || o.Before(n.maker) {
				return fmt.Errorf("index %d lists %s, which nobody can have made", o.Inv, plainID(id))
			}
		}
	}
	return nil
}

// zone is the time from the end of the first operation on a tag to the beginning
// of the last one.
type zone struct{ first, last int }

// contents confirms that the tags of each file can be put in an order: those
// that were there for some time did not overlap, and none came and went within.
func (t *tree) contents() error {
	zones := make(map[string][]zone)
	for _, key := range t.keys {
		tag := t.tags[key]
		z := zone{claim.Never, -1}
		for _, r := range tag.reads {
			if tag.writer == nil || tag.writer.Failed() || r.Before(tag.writer) {
				return fmt.Errorf("index %d reads what nobody can have written", r.Inv)
			}
			z.first, z.last = min(z.first, r.Res), max(z.last, r.Inv)
		}
		if w := tag.writer; w != nil && !w.Failed() && (w.Happened() || len(tag.reads) > 0) {
			zones[tag.file] = append(zones[tag.file], zone{min(z.first, w.Res), max(z.last, w.Inv)})
		}
	}
	for file, all := range zones {
		slices.SortFunc(all, firstZone)
		if e := t.empty[file]; e != nil {
			for _, r := range e.reads {
				if r.Inv > all[0].first {
					return fmt.Errorf("index %d finds the file empty", r.Inv)
				}
			}
		}
		if err := apart(all); err != nil {
			return fmt.Errorf("file %s: %w", plainID(file), err)
		}
	}
	return nil
}

func firstZone(a, b zone) int { return cmp.Compare(a.first, b.first) }

// apart confirms that no two zones each have to come before the other.
func apart(sorted []zone) error {
	var forward []zone
	for _, z := range sorted {
		if z.first >= z.last {
			continue
		}
		if n := len(forward); n > 0 && z.first < forward[n-1].last {
			return fmt.Errorf("two contents were there at once, at %d", z.first)
		}
		forward = append(forward, z)
	}
	for _, z := range sorted {
		i, _ := slices.BinarySearchFunc(forward, z.last, func(f zone, at int) int { return cmp.Compare(f.first, at) })
		if z.first >= z.last && i > 0 && z.first < forward[i-1].last {
			return fmt.Errorf("a content came and went while another was there, at %d", z.last)
		}
	}
	return nil
}
