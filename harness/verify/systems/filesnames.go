package systems

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// fileFacts is what binds the lists that begin later.
type fileFacts struct {
	shown, ended int // when the first operation to show it, and the first delete that was ok, ended
	ending       int // when the first delete that did not fail began
	last         int // when the last list to show it began
}

// namesHold confirms the rules of names.
func (t *tree) namesHold() error {
	for _, o := range t.again {
		if o.Happened() {
			return fmt.Errorf("index %d makes name %s, which a file had already", o.Inv, plainID(madeBy(o)))
		}
	}
	after := make(map[string]int) // when one that a name became was first seen
	facts := make(map[string]*fileFacts)
	for _, id := range slices.Backward(t.order) {
		n := t.names[id]
		seen := t.firstShown(id)
		if _, ok := after[id]; !ok {
			after[id] = claim.Never
		}
		if n.from != "" {
			if _, ok := after[n.from]; !ok {
				after[n.from] = claim.Never
			}
			after[n.from] = min(after[n.from], seen, after[id])
		}
		f := facts[n.root]
		if f == nil {
			f = &fileFacts{claim.Never, claim.Never, claim.Never, -1}
			facts[n.root] = f
		}
		f.shown = min(f.shown, seen)
		for _, l := range n.lists {
			f.last = max(f.last, l.Inv)
		}
		if err := t.takes(id, f); err != nil {
			return err
		}
	}
	inodes := make(map[string]string)
	for _, l := range t.lists {
		if err := t.listHolds(l, after, facts, inodes); err != nil {
			return err
		}
	}
	if err := t.complete(facts); err != nil {
		return err
	}
	return t.oneOrder()
}

// oneOrder confirms that the lists, of the files that nobody tried to delete, are
// parts of each other, so that there is an order in which the files came.
func (t *tree) oneOrder() error {
	dying := t.dying()
	var sets []map[string]bool
	for _, l := range t.lists {
		set := make(map[string]bool)
		for _, id := range listedNames(l) {
			if root := t.root(id); !dying[root] {
				set[root] = true
			}
		}
		sets = append(sets, set)
	}
	slices.SortFunc(sets, func(a, b map[string]bool) int { return cmp.Compare(len(a), len(b)) })
	for i := 1; i < len(sets); i++ {
		for root := range sets[i-1] {
			if !sets[i][root] {
				return fmt.Errorf("two lists each lack a file that the other shows, one of them %s", plainID(root))
			}
		}
	}
	return nil
}

// firstShown returns when the first operation to show a name ended.
func (t *tree) firstShown(id string) int {
	n, first := t.names[id], claim.Never
	for _, l := range n.lists {
		first = min(first, l.Res)
	}
	if n.maker != nil && n.maker.Happened() {
		first = min(first, n.maker.Res)
	}
	return first
}

// takes confirms that one operation at most took a name away.
func (t *tree) takes(id string, f *fileFacts) error {
	certain := 0
	for _, o := range t.names[id].takers {
		if o.Happened() && (!t.names[id].real || o.Before(t.names[id].maker)) {
			return fmt.Errorf("index %d takes a name that nobody made", o.Inv)
		}
		if t.took(o) {
			certain++
		}
		if o.Invoke.F == "delete" {
			f.ending = min(f.ending, o.Inv)
			f.ended = min(f.ended, o.Res)
		}
	}
	if certain > 1 {
		return fmt.Errorf("name %s was taken away twice", plainID(id))
	}
	return nil
}

func (t *tree) listHolds(l *claim.Op, after map[string]int, facts map[string]*fileFacts, inodes map[string]string) error {
	files, owners := make(map[string]bool), make(map[string]string)
	for i, id := range listedNames(l) {
		n := t.names[id]
		inode := idOf(l.Complete.Value.Elems()[2*i+1])
		owner, taken := owners[inode]
		old, known := inodes[n.root]
		switch {
		case !n.real || l.Before(n.maker):
			return fmt.Errorf("index %d shows %s, which nobody can have made", l.Inv, plainID(id))
		case files[n.root]:
			return fmt.Errorf("index %d shows one file twice", l.Inv)
		case after[id] < l.Inv || facts[n.root].ended < l.Inv:
			return fmt.Errorf("index %d shows %s, which was gone", l.Inv, plainID(id))
		case inode != "" && (taken && owner != n.root || known && old != inode):
			return fmt.Errorf("index %d shows %s with the wrong inode", l.Inv, plainID(id))
		}
		files[n.root] = true
		if inode != "" {
			owners[inode], inodes[n.root] = n.root, inode
		}
	}
	return nil
}

// complete confirms that each list has the files that were there: those that had
// been shown before it began, and that nobody had begun to delete when it ended.
func (t *tree) complete(facts map[string]*fileFacts) error {
	var order, live []string
	for _, id := range t.order {
		if n := t.names[id]; n.root == id && n.maker != nil {
			order = append(order, id)
		}
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Compare(facts[a].shown, facts[b].shown) })
	slices.SortFunc(t.lists, func(a, b *claim.Op) int { return cmp.Compare(a.Inv, b.Inv) })
	for _, l := range t.lists {
		for ; len(order) > 0 && facts[order[0]].shown < l.Inv; order = order[1:] {
			live = append(live, order[0])
		}
		live = slices.DeleteFunc(live, func(id string) bool { return max(facts[id].ending, facts[id].last) < l.Inv })
		has := make(map[string]bool)
		for _, id := range listedNames(l) {
			has[t.root(id)] = true
		}
		for _, id := range live {
			if l.Res < max(facts[id].ending, facts[id].last) && !has[id] {
				return fmt.Errorf("index %d does not show the file that was %s first", l.Inv, plainID(id))
			}
		}
	}
	return nil
}
