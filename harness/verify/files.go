package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// files confirms that the contents and names of files keep or break the rules of
// a file system whose closes, creates, renames and deletes each happen at one
// moment. Evidence is needed for invalid only; see roles.go.
func files(c *claim) error {
	t := &tree{names: map[string]*treeName{}, tags: map[string]*treeTag{}, empty: map[string]*treeTag{}}
	judged := 0
	for i := range c.ops {
		o := &c.ops[i]
		if o.happened() && t.read(o) {
			judged++
		}
	}
	for i := range c.ops {
		t.plan(&c.ops[i])
	}
	if judged == 0 {
		return fmt.Errorf("the history shows nothing of a file system")
	}
	if err := t.plant(); err != nil {
		return err
	}
	return c.byRoles(t.rules(), t.hold)
}

// tree is a file system.
type tree struct {
	names map[string]*treeName
	order []string
	lists []*op
	tags  map[string]*treeTag // by file and tag
	empty map[string]*treeTag // by file: reads that found nothing
	keys  []string            // of tags, in the order of appearance
}

// treeTag is a content with the writes and reads of it.
type treeTag struct {
	file   string
	writer *op
	reads  []*op
}

// treeName is a name with what was done to it.
type treeName struct {
	maker  *op
	from   string
	root   string
	real   bool  // neither it nor what it was before was made by failures only
	takers []*op // renames and deletes that did not fail
	lists  []*op // that show it
}

func (t *tree) name(id string) *treeName {
	if t.names[id] == nil {
		t.names[id] = new(treeName)
		t.order = append(t.order, id)
	}
	return t.names[id]
}

func (t *tree) tag(o *op, v history.Value) *treeTag {
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
func (t *tree) read(o *op) bool {
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
func (t *tree) plan(o *op) {
	v := o.Invoke.Value
	take := func(id string) {
		if n := t.name(id); !o.failed() {
			n.takers = append(n.takers, o)
		}
	}
	switch o.Invoke.F {
	case "write":
		t.tag(o, v).writer = o
	case "create":
		t.name(idOf(v)).maker = o
	case "rename":
		take(idOf(v.Elems()[0]))
		n := t.name(idOf(v.Elems()[1]))
		n.maker, n.from = o, idOf(v.Elems()[0])
	case "delete":
		take(idOf(v))
	}
}

func listedNames(o *op) []string {
	var list []string
	for i := 0; i+1 < len(o.Complete.Value.Elems()); i += 2 {
		list = append(list, idOf(o.Complete.Value.Elems()[i]))
	}
	return list
}

// inodeOf returns the inode that a list shows for a name, and "" for none.
func inodeOf(o *op, id string) string {
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
			n.root, n.real = id, n.maker != nil && !n.maker.failed()
			order = append(order, id)
		} else {
			made[n.from] = append(made[n.from], id)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, id := range made[order[i]] {
			n, before := t.names[id], t.names[order[i]]
			n.root, n.real = before.root, before.real && !n.maker.failed()
			order = append(order, id)
		}
	}
	if len(order) < len(t.order) {
		return fmt.Errorf("the renames of some names go in a circle")
	}
	t.order = order
	return nil
}

// shows returns the names that an operation shows to have been there: those of a
// list, and that which an acknowledged create or rename makes.
func (t *tree) shows(o *op) []string {
	switch {
	case !o.happened():
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
func (t *tree) took(o *op) bool {
	return o.happened() || o.Invoke.F == "rename" && len(t.name(idOf(o.Invoke.Value.Elems()[1])).lists) > 0
}

func (t *tree) rules() map[string]roleRule {
	lists := func(o *op, item string) string { // the name of the list with the title
		for _, id := range listedNames(o) {
			if plainID(id) == item {
				return id
			}
		}
		return ""
	}
	list := func(f func(l *op, id string) bool) func([]*op, string) bool {
		return func(o []*op, item string) bool {
			l := o[len(o)-1]
			return l.Invoke.F == "list" && l.happened() && lists(l, item) != "" && f(l, lists(l, item))
		}
	}
	rules := map[string]roleRule{
		"phantom-name":   {1, t.phantom},    // what shows or takes the name
		"premature-name": {2, t.premature},  // what shows or takes the name, and the operation that makes it
		"reappeared":     {3, t.reappeared}, // what shows the file, a list that does not, a list that does
		"list-fork":      {2, t.fork},       // two lists
		"rename-both":    {1, list(func(l *op, id string) bool { return t.twice(l, id) })},
		"shared-inode":   {1, list(func(l *op, id string) bool { return t.shared(l, id) })},
		"double-remove":  {2, t.doubleRemove},   // two renames or deletes
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

func (t *tree) phantom(o []*op, item string) bool {
	for _, id := range t.shows(o[0]) {
		if o[0].Invoke.F == "list" && plainID(id) == item && !t.name(id).real {
			return true
		}
	}
	from := taken(o[0])
	return o[0].happened() && !from.IsAbsent() && plainID(idOf(from)) == item && !t.name(idOf(from)).real
}

// taken returns the name that a rename or delete takes away, or nothing.
func taken(o *op) history.Value {
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
func (t *tree) showsFile(l *op, root string) bool {
	return slices.ContainsFunc(listedNames(l), func(id string) bool { return t.root(id) == root })
}

func isList(o *op) bool { return o.Invoke.F == "list" && o.happened() }

func (t *tree) reappeared(o []*op, item string) bool {
	for _, id := range t.shows(o[0]) {
		if root := t.root(id); plainID(root) == item && isList(o[1]) && isList(o[2]) && t.names[root].maker != nil {
			return o[0].before(o[1]) && o[1].before(o[2]) && !t.showsFile(o[1], root) && t.showsFile(o[2], root)
		}
	}
	return false
}

// fork: each of two lists shows a file that the other lacks and that nobody ever
// tried to delete.
func (t *tree) fork(o []*op, item string) bool {
	if !isList(o[0]) || !isList(o[1]) {
		return false
	}
	dying := t.dying()
	more := func(a, b *op, title string) bool {
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
		if slices.ContainsFunc(n.takers, func(o *op) bool { return o.Invoke.F == "delete" }) {
			all[t.root(id)] = true
		}
	}
	return all
}

func (t *tree) premature(o []*op, item string) bool {
	if id := idOf(taken(o[0])); !taken(o[0]).IsAbsent() && plainID(id) == item {
		return o[0].happened() && t.name(id).maker == o[1] && o[0].before(o[1])
	}
	return o[0].Invoke.F == "list" && slices.ContainsFunc(t.shows(o[0]), func(id string) bool {
		return plainID(id) == item && t.name(id).maker == o[1] && o[0].before(o[1])
	})
}

func (t *tree) twice(l *op, id string) bool {
	return slices.ContainsFunc(listedNames(l), func(other string) bool { return other != id && t.root(other) == t.root(id) })
}

func (t *tree) shared(l *op, id string) bool {
	return slices.ContainsFunc(listedNames(l), func(other string) bool {
		return t.root(other) != t.root(id) && inodeOf(l, id) != "" && inodeOf(l, other) == inodeOf(l, id)
	})
}

func (t *tree) doubleRemove(o []*op, item string) bool {
	for _, id := range t.order {
		if takers := t.names[id].takers; plainID(id) == item && o[0] != o[1] && slices.Contains(takers, o[0]) && slices.Contains(takers, o[1]) {
			return t.took(o[0]) && t.took(o[1])
		}
	}
	return false
}

// lost: the first operation shows a file, the list that began later does not,
// and no delete of the file had begun when the list ended.
func (t *tree) lost(renamed bool) func([]*op, string) bool {
	return func(o []*op, item string) bool {
		for _, id := range t.shows(o[0]) {
			root := t.root(id)
			if plainID(root) != item || o[1].Invoke.F != "list" || !o[1].happened() || !o[0].before(o[1]) || t.names[root].maker == nil {
				continue
			}
			gone := !slices.ContainsFunc(listedNames(o[1]), func(id string) bool { return t.root(id) == root })
			moved := false
			for _, id := range t.order {
				for _, taker := range t.names[id].takers {
					if t.root(id) == root {
						moved = moved || taker.Invoke.F == "rename"
						gone = gone && (taker.Invoke.F == "rename" || o[1].before(taker))
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

func (t *tree) stale(lists func(*op, string) string) func([]*op, string) bool {
	return func(o []*op, item string) bool {
		if o[1].Invoke.F != "list" || !o[1].happened() || lists(o[1], item) == "" {
			return false
		}
		id := lists(o[1], item)
		return o[0].before(o[1]) && slices.ContainsFunc(t.shows(o[0]), func(later string) bool {
			return later != id && slices.Contains(t.path(later), id)
		})
	}
}

func (t *tree) undead(lists func(*op, string) string) func([]*op, string) bool {
	return func(o []*op, item string) bool {
		if o[1].Invoke.F != "list" || !o[1].happened() || lists(o[1], item) == "" || o[0].Invoke.F != "delete" || !o[0].happened() {
			return false
		}
		return o[0].before(o[1]) && t.root(idOf(o[0].Invoke.Value)) == t.root(lists(o[1], item))
	}
}

func (t *tree) changed(lists func(*op, string) string) func([]*op, string) bool {
	return func(o []*op, item string) bool {
		if o[0].Invoke.F != "list" || o[1].Invoke.F != "list" || !o[0].happened() || !o[1].happened() || lists(o[1], item) == "" {
			return false
		}
		id := lists(o[1], item)
		return inodeOf(o[1], id) != "" && slices.ContainsFunc(listedNames(o[0]), func(other string) bool {
			return t.root(other) == t.root(id) && inodeOf(o[0], other) != "" && inodeOf(o[0], other) != inodeOf(o[1], id)
		})
	}
}

// contentRules are those of writes and reads. Roles: a and b show one tag, w and
// x another of the same file.
func contentRules(t *tree) map[string]roleRule {
	return map[string]roleRule{
		"thin-air-read": {1, func(o []*op, _ string) bool { tag := t.readOf(o[0]); return tag != nil && tag.writer == nil }},
		"dirty-read": {2, func(o []*op, _ string) bool { // its write, a
			tag := t.readOf(o[1])
			return tag != nil && tag.writer == o[0] && o[0].failed()
		}},
		"future-read": {2, func(o []*op, _ string) bool { // a, its write
			tag := t.readOf(o[0])
			return tag != nil && tag.writer == o[1] && o[0].before(o[1])
		}},
		"empty-read": {2, func(o []*op, _ string) bool { // a, and a read that finds nothing
			tag := t.tagOf(o[0])
			return tag != nil && o[1].Invoke.F == "read" && o[1].happened() && o[1].Complete.Value.IsNil() && idOf(o[1].Invoke.Key) == tag.file && o[0].before(o[1])
		}},
		"stale-read": {4, func(o []*op, _ string) bool { // a, x, w, b
			s, u := t.tagOf(o[0]), t.tagOf(o[1])
			return s != nil && u != nil && s != u && s.file == u.file && t.tagOf(o[3]) == s && t.tagOf(o[2]) == u && o[0].before(o[1]) && o[2].before(o[3])
		}},
	}
}

// readOf returns the content that a read found, or nil.
func (t *tree) readOf(o *op) *treeTag {
	if o.Invoke.F != "read" || !o.happened() || o.Complete.Value.IsNil() {
		return nil
	}
	return t.tag(o, o.Complete.Value)
}

// tagOf returns the content that was certainly there, because of a read that can
// be explained or a write that was ok or that such a read shows.
func (t *tree) tagOf(o *op) *treeTag {
	tag := t.readOf(o)
	if o.Invoke.F == "write" {
		tag = t.tag(o, o.Invoke.Value)
	}
	if tag == nil || tag.writer == nil || tag.writer.failed() || !tag.writer.happened() && len(tag.reads) == 0 {
		return nil
	}
	return tag
}

// hold confirms that no rule is broken.
func (t *tree) hold() error {
	if err := t.contents(); err != nil {
		return err
	}
	return t.namesHold()
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
		z := zone{never, -1}
		for _, r := range tag.reads {
			if tag.writer == nil || tag.writer.failed() || r.before(tag.writer) {
				return fmt.Errorf("index %d reads what nobody can have written", r.inv)
			}
			z.first, z.last = min(z.first, r.res), max(z.last, r.inv)
		}
		if w := tag.writer; w != nil && !w.failed() && (w.happened() || len(tag.reads) > 0) {
			zones[tag.file] = append(zones[tag.file], zone{min(z.first, w.res), max(z.last, w.inv)})
		}
	}
	for file, all := range zones {
		slices.SortFunc(all, firstZone)
		if e := t.empty[file]; e != nil {
			for _, r := range e.reads {
				if r.inv > all[0].first {
					return fmt.Errorf("index %d finds the file empty", r.inv)
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

// fileFacts is what binds the lists that begin later.
type fileFacts struct {
	shown, ended int // when the first operation to show it, and the first delete that was ok, ended
	ending       int // when the first delete that did not fail began
	last         int // when the last list to show it began
}

// namesHold confirms the rules of names.
func (t *tree) namesHold() error {
	after := make(map[string]int) // when one that a name became was first seen
	facts := make(map[string]*fileFacts)
	for _, id := range slices.Backward(t.order) {
		n := t.names[id]
		seen := t.firstShown(id)
		if _, ok := after[id]; !ok {
			after[id] = never
		}
		if n.from != "" {
			if _, ok := after[n.from]; !ok {
				after[n.from] = never
			}
			after[n.from] = min(after[n.from], seen, after[id])
		}
		f := facts[n.root]
		if f == nil {
			f = &fileFacts{never, never, never, -1}
			facts[n.root] = f
		}
		f.shown = min(f.shown, seen)
		for _, l := range n.lists {
			f.last = max(f.last, l.inv)
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
	n, first := t.names[id], never
	for _, l := range n.lists {
		first = min(first, l.res)
	}
	if n.maker != nil && n.maker.happened() {
		first = min(first, n.maker.res)
	}
	return first
}

// takes confirms that one operation at most took a name away.
func (t *tree) takes(id string, f *fileFacts) error {
	certain := 0
	for _, o := range t.names[id].takers {
		if o.happened() && (!t.names[id].real || o.before(t.names[id].maker)) {
			return fmt.Errorf("index %d takes a name that nobody made", o.inv)
		}
		if t.took(o) {
			certain++
		}
		if o.Invoke.F == "delete" {
			f.ending = min(f.ending, o.inv)
			f.ended = min(f.ended, o.res)
		}
	}
	if certain > 1 {
		return fmt.Errorf("name %s was taken away twice", plainID(id))
	}
	return nil
}

func (t *tree) listHolds(l *op, after map[string]int, facts map[string]*fileFacts, inodes map[string]string) error {
	files, owners := make(map[string]bool), make(map[string]string)
	for i, id := range listedNames(l) {
		n := t.names[id]
		inode := idOf(l.Complete.Value.Elems()[2*i+1])
		owner, taken := owners[inode]
		old, known := inodes[n.root]
		switch {
		case !n.real || l.before(n.maker):
			return fmt.Errorf("index %d shows %s, which nobody can have made", l.inv, plainID(id))
		case files[n.root]:
			return fmt.Errorf("index %d shows one file twice", l.inv)
		case after[id] < l.inv || facts[n.root].ended < l.inv:
			return fmt.Errorf("index %d shows %s, which was gone", l.inv, plainID(id))
		case inode != "" && (taken && owner != n.root || known && old != inode):
			return fmt.Errorf("index %d shows %s with the wrong inode", l.inv, plainID(id))
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
	slices.SortFunc(t.lists, func(a, b *op) int { return cmp.Compare(a.inv, b.inv) })
	for _, l := range t.lists {
		for ; len(order) > 0 && facts[order[0]].shown < l.inv; order = order[1:] {
			live = append(live, order[0])
		}
		live = slices.DeleteFunc(live, func(id string) bool { return max(facts[id].ending, facts[id].last) < l.inv })
		has := make(map[string]bool)
		for _, id := range listedNames(l) {
			has[t.root(id)] = true
		}
		for _, id := range live {
			if l.res < max(facts[id].ending, facts[id].last) && !has[id] {
				return fmt.Errorf("index %d does not show the file that was %s first", l.inv, plainID(id))
			}
		}
	}
	return nil
}
