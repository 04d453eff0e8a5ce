package systems

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// files confirms that the contents and names of files keep or break the rules of
// a file system whose closes, creates, renames and deletes each happen at one
// moment. The parameter eventual says that reads and lists may be behind until the
// final phase, and only have to show what was written. Evidence is needed for
// invalid only; see roles.go.
func files(c *claim.Claim) error {
	t := &tree{names: map[string]*treeName{}, tags: map[string]*treeTag{}, empty: map[string]*treeTag{}}
	judged := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		if behind(c, o) {
			t.behind = append(t.behind, o)
			judged++
		} else if o.Happened() && t.read(o) {
			judged++
		}
	}
	for i := range c.Ops {
		t.plan(&c.Ops[i])
	}
	if judged == 0 {
		return fmt.Errorf("the history shows nothing of a file system")
	}
	if err := t.plant(); err != nil {
		return err
	}
	return byRoles(c, t.rules(), t.hold)
}

// behind reports whether an operation may show less than there is: for a file
// system that promises no more than to be right in the end.
func behind(c *claim.Claim, o *claim.Op) bool {
	f := o.Invoke.F
	return c.Verdict == claim.Valid && c.Parameters["eventual"] == "true" && !o.Invoke.Final && o.Happened() && (f == "read" || f == "list" || f == "sync")
}

// tree is a file system.
type tree struct {
	behind []*claim.Op
	names  map[string]*treeName
	order  []string
	lists  []*claim.Op
	tags   map[string]*treeTag // by file and tag
	empty  map[string]*treeTag // by file: reads that found nothing
	keys   []string            // of tags, in the order of appearance
	again  []*claim.Op         // creates and renames to names that there were before
}

// treeTag is a content with the writes and reads of it.
type treeTag struct {
	file   string
	writer *claim.Op
	reads  []*claim.Op
}

// treeName is a name with what was done to it.
type treeName struct {
	maker  *claim.Op
	from   string
	root   string
	real   bool        // neither it nor what it was before was made by failures only
	takers []*claim.Op // renames and deletes that did not fail
	lists  []*claim.Op // that show it
}

func (t *tree) name(id string) *treeName {
	if t.names[id] == nil {
		t.names[id] = new(treeName)
		t.order = append(t.order, id)
	}
	return t.names[id]
}

func (t *tree) tag(o *claim.Op, v history.Value) *treeTag {
	file := idOf(o.Invoke.Key)
	if v.IsNil() {
		if t.empty[file] == nil {
			t.empty[file] = &treeTag{file: file}
		}
		return t.empty[file]
	}
	key := fmt.Sprintf("%q %s", file, idOf(v))
	if t.tags[key] == nil {
		t.tags[key] = &treeTag{file: file}
		t.keys = append(t.keys, key)
	}
	return t.tags[key]
}

// read takes in what an operation shows, and reports whether it is one on files.
func (t *tree) read(o *claim.Op) bool {
	switch o.Invoke.F {
	case "read":
		tag := t.tag(o, o.Complete.Value)
		tag.reads = append(tag.reads, o)
	case "list":
		t.lists = append(t.lists, o)
		for _, id := range listedNames(o) {
			t.name(id).lists = append(t.name(id).lists, o)
		}
	case "write", "create", "rename":
	default:
		return false
	}
	return true
}

// plan takes in what an operation was meant to do.
func (t *tree) plan(o *claim.Op) {
	v := o.Invoke.Value
	take := func(id string) {
		if n := t.name(id); !o.Failed() {
			n.takers = append(n.takers, o)
		}
	}
	switch o.Invoke.F {
	case "write":
		t.tag(o, v).writer = o
	case "create", "rename":
		n := t.name(madeBy(o))
		if n.maker != nil {
			t.again = append(t.again, o)
			return
		}
		n.maker = o
		if o.Invoke.F == "rename" {
			n.from = idOf(v.Elems()[0])
			take(n.from)
		}
	case "delete":
		take(idOf(v))
	}
}

// madeBy returns the name that a create or a rename makes.
func madeBy(o *claim.Op) string {
	if o.Invoke.F == "rename" {
		return idOf(o.Invoke.Value.Elems()[1])
	}
	return idOf(o.Invoke.Value)
}

// had reports whether a file certainly had a name when an operation began that was
// to make it, and has it still.
func (t *tree) had(o *claim.Op) bool {
	n := t.name(madeBy(o))
	return n.maker.Happened() && n.maker.Before(o) && len(n.takers) == 0
}

func (t *tree) overwritten(o []*claim.Op, item string) bool {
	return slices.Contains(t.again, o[1]) && plainID(madeBy(o[1])) == item && t.name(madeBy(o[1])).maker == o[0] && t.had(o[1]) && o[1].Happened()
}

func listedNames(o *claim.Op) []string {
	var list []string
	for i := 0; i+1 < len(o.Complete.Value.Elems()); i += 2 {
		list = append(list, idOf(o.Complete.Value.Elems()[i]))
	}
	return list
}

// inodeOf returns the inode that a list shows for a name, and "" for none.
func inodeOf(o *claim.Op, id string) string {
	for i := 0; i+1 < len(o.Complete.Value.Elems()); i += 2 {
		if idOf(o.Complete.Value.Elems()[i]) == id {
			return idOf(o.Complete.Value.Elems()[i+1])
		}
	}
	return ""
}

// path returns a name and those that it was before, the first one last.
func (t *tree) path(id string) []string {
	list := []string{id}
	for t.names[id] != nil && t.names[id].from != "" {
		id = t.names[id].from
		list = append(list, id)
	}
	return list
}

// root returns the name that a file had first.
func (t *tree) root(id string) string { return t.name(id).root }

// plant finds the first name of each name's file, and puts the names into an
// order in which each comes after what it was before.
func (t *tree) plant() error {
	made := make(map[string][]string)
	var order []string
	for _, id := range t.order {
		if n := t.names[id]; n.from == "" {
			n.root, n.real = id, n.maker != nil && !n.maker.Failed()
			order = append(order, id)
		} else {
			made[n.from] = append(made[n.from], id)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, id := range made[order[i]] {
			n, before := t.names[id], t.names[order[i]]
			n.root, n.real = before.root, before.real && !n.maker.Failed()
			order = append(order, id)
		}
	}
	if len(order) < len(t.order) {
		return fmt.Errorf("the renames of some names go in a circle")
	}
	t.order = order
	for _, o := range t.again {
		if !t.had(o) {
			return fmt.Errorf("index %d makes name %s again, which there need not have been", o.Invoke.Index, plainID(madeBy(o)))
		}
	}
	return nil
}

// shows returns the names that an operation shows to have been there: those of a
// list, and that which an acknowledged create or rename makes.
func (t *tree) shows(o *claim.Op) []string {
	switch {
	case !o.Happened():
		return nil
	case o.Invoke.F == "list":
		return listedNames(o)
	case o.Invoke.F == "create":
		return []string{idOf(o.Invoke.Value)}
	case o.Invoke.F == "rename":
		return []string{idOf(o.Invoke.Value.Elems()[1])}
	default:
		return nil
	}
}

// took reports whether a rename or delete certainly did what it does.
func (t *tree) took(o *claim.Op) bool {
	return o.Happened() || o.Invoke.F == "rename" && len(t.name(idOf(o.Invoke.Value.Elems()[1])).lists) > 0
}

func (t *tree) rules() map[string]roleRule {
	lists := func(o *claim.Op, item string) string { // the name of the list with the title
		for _, id := range listedNames(o) {
			if plainID(id) == item {
				return id
			}
		}
		return ""
	}
	list := func(f func(l *claim.Op, id string) bool) func([]*claim.Op, string) bool {
		return func(o []*claim.Op, item string) bool {
			l := o[len(o)-1]
			return l.Invoke.F == "list" && l.Happened() && lists(l, item) != "" && f(l, lists(l, item))
		}
	}
	rules := map[string]roleRule{
		"phantom-name":   {1, t.phantom},    // what shows or takes the name
		"premature-name": {2, t.premature},  // what shows or takes the name, and the operation that makes it
		"reappeared":     {3, t.reappeared}, // what shows the file, a list that does not, a list that does
		"list-fork":      {2, t.fork},       // two lists
		"rename-both":    {1, list(func(l *claim.Op, id string) bool { return t.twice(l, id) })},
		"shared-inode":   {1, list(func(l *claim.Op, id string) bool { return t.shared(l, id) })},
		"double-remove":  {2, t.doubleRemove},   // two renames or deletes
		"overwritten":    {2, t.overwritten},    // what made the name, and what made it again
		"lost-file":      {2, t.lost(false)},    // what shows the file, and the list that does not
		"rename-neither": {2, t.lost(true)},     // the same
		"stale-name":     {2, t.stale(lists)},   // what shows a later name, and the list
		"resurrected":    {2, t.undead(lists)},  // the delete, and the list
		"inode-changed":  {2, t.changed(lists)}, // two lists
	}
	for name, r := range contentRules(t) {
		rules[name] = r
	}
	return rules
}

func (t *tree) phantom(o []*claim.Op, item string) bool {
	for _, id := range t.shows(o[0]) {
		if o[0].Invoke.F == "list" && plainID(id) == item && !t.name(id).real {
			return true
		}
	}
	from := taken(o[0])
	return o[0].Happened() && !from.IsAbsent() && plainID(idOf(from)) == item && !t.name(idOf(from)).real
}

// taken returns the name that a rename or delete takes away, or nothing.
func taken(o *claim.Op) history.Value {
	switch o.Invoke.F {
	case "rename":
		return o.Invoke.Value.Elems()[0]
	case "delete":
		return o.Invoke.Value
	default:
		return history.Value{}
	}
}

// showsFile reports whether a list shows a file under one of its names.
func (t *tree) showsFile(l *claim.Op, root string) bool {
	return slices.ContainsFunc(listedNames(l), func(id string) bool { return t.root(id) == root })
}

func isList(o *claim.Op) bool { return o.Invoke.F == "list" && o.Happened() }

func (t *tree) reappeared(o []*claim.Op, item string) bool {
	for _, id := range t.shows(o[0]) {
		if root := t.root(id); plainID(root) == item && isList(o[1]) && isList(o[2]) && t.names[root].maker != nil {
			return o[0].Before(o[1]) && o[1].Before(o[2]) && !t.showsFile(o[1], root) && t.showsFile(o[2], root)
		}
	}
	return false
}

// fork: each of two lists shows a file that the other lacks and that nobody ever
// tried to delete.
func (t *tree) fork(o []*claim.Op, item string) bool {
	if !isList(o[0]) || !isList(o[1]) {
		return false
	}
	dying := t.dying()
	more := func(a, b *claim.Op, title string) bool {
		return slices.ContainsFunc(listedNames(a), func(id string) bool {
			return (title == "" || plainID(id) == title) && !dying[t.root(id)] && !t.showsFile(b, t.root(id))
		})
	}
	return item != "" && more(o[0], o[1], item) && more(o[1], o[0], "")
}

// dying returns the files that somebody tried to delete.
func (t *tree) dying() map[string]bool {
	all := make(map[string]bool)
	for id, n := range t.names {
		if slices.ContainsFunc(n.takers, func(o *claim.Op) bool { return o.Invoke.F == "delete" }) {
			all[t.root(id)] = true
		}
	}
	return all
}

func (t *tree) premature(o []*claim.Op, item string) bool {
	if id := idOf(taken(o[0])); !taken(o[0]).IsAbsent() && plainID(id) == item {
		return o[0].Happened() && t.name(id).maker == o[1] && o[0].Before(o[1])
	}
	return o[0].Invoke.F == "list" && slices.ContainsFunc(t.shows(o[0]), func(id string) bool {
		return plainID(id) == item && t.name(id).maker == o[1] && o[0].Before(o[1])
	})
}

func (t *tree) twice(l *claim.Op, id string) bool {
	return slices.ContainsFunc(listedNames(l), func(other string) bool { return other != id && t.root(other) == t.root(id) })
}

func (t *tree) shared(l *claim.Op, id string) bool {
	return slices.ContainsFunc(listedNames(l), func(other string) bool {
		return t.root(other) != t.root(id) && inodeOf(l, id) != "" && inodeOf(l, other) == inodeOf(l, id)
	})
}

func (t *tree) doubleRemove(o []*claim.Op, item string) bool {
	for _, id := range t.order {
		if takers := t.names[id].takers; plainID(id) == item && o[0] != o[1] && slices.Contains(takers, o[0]) && slices.Contains(takers, o[1]) {
			return t.took(o[0]) && t.took(o[1])
		}
	}
	return false
}

// lost: the first operation shows a file, the list that began later does not,
// and no delete of the file had begun when the list ended.
func (t *tree) lost(renamed bool) func([]*claim.Op, string) bool {
	return func(o []*claim.Op, item string) bool {
		for _, id := range t.shows(o[0]) {
			root := t.root(id)
			if plainID(root) != item || o[1].Invoke.F != "list" || !o[1].Happened() || !o[0].Before(o[1]) || t.names[root].maker == nil {
				continue
			}
			gone := !slices.ContainsFunc(listedNames(o[1]), func(id string) bool { return t.root(id) == root })
			moved := false
			for _, id := range t.order {
				for _, taker := range t.names[id].takers {
					if t.root(id) == root {
						moved = moved || taker.Invoke.F == "rename"
						gone = gone && (taker.Invoke.F == "rename" || o[1].Before(taker))
					}
				}
			}
			if gone && moved == renamed {
				return true
			}
		}
		return false
	}
}

func (t *tree) stale(lists func(*claim.Op, string) string) func([]*claim.Op, string) bool {
	return func(o []*claim.Op, item string) bool {
		if o[1].Invoke.F != "list" || !o[1].Happened() || lists(o[1], item) == "" {
			return false
		}
		id := lists(o[1], item)
		return o[0].Before(o[1]) && slices.ContainsFunc(t.shows(o[0]), func(later string) bool {
			return later != id && slices.Contains(t.path(later), id)
		})
	}
}

func (t *tree) undead(lists func(*claim.Op, string) string) func([]*claim.Op, string) bool {
	return func(o []*claim.Op, item string) bool {
		if o[1].Invoke.F != "list" || !o[1].Happened() || lists(o[1], item) == "" || o[0].Invoke.F != "delete" || !o[0].Happened() {
			return false
		}
		return o[0].Before(o[1]) && t.root(idOf(o[0].Invoke.Value)) == t.root(lists(o[1], item))
	}
}

func (t *tree) changed(lists func(*claim.Op, string) string) func([]*claim.Op, string) bool {
	return func(o []*claim.Op, item string) bool {
		if o[0].Invoke.F != "list" || o[1].Invoke.F != "list" || !o[0].Happened() || !o[1].Happened() || lists(o[1], item) == "" {
			return false
		}
		id := lists(o[1], item)
		return inodeOf(o[1], id) != "" && slices.ContainsFunc(listedNames(o[0]), func(other string) bool {
			return t.root(other) == t.root(id) && inodeOf(o[0], other) != "" && inodeOf(o[0], other) != inodeOf(o[1], id)
		})
	}
}
