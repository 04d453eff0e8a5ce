package polygraph

import "slices"

// locals looks for clashes on some keys only, those that something moved on, so
// that a choice costs as much as what it changes.
type locals struct {
	scanner
	off    []int32 // of key k the events start at off[k] and end before off[k+1]
	events []event // of each key in the order in which they were when it was looked at last
	dirty  []bool  // by key
	keys   []int32
}

// event is a moment on a key.
type event struct {
	node    int32
	place   int32
	version int32 // that was read or written; none for the initial one
	what    int8
}

// What happens to a key, in the order in which it does at one moment.
const (
	isRead    = iota
	isBegun   // by somebody who will write it
	isWritten // when he commits
)

func (n *network) locals() *locals {
	l := &locals{scanner: *n.scanner(), off: make([]int32, n.Keys+1), dirty: make([]bool, n.Keys)}
	n.eachEvent(func(key int32, _ event) { l.off[key+1]++ })
	for k := range n.Keys {
		l.off[k+1] += l.off[k]
	}
	at := slices.Clone(l.off)
	l.events = make([]event, l.off[n.Keys])
	n.eachEvent(func(key int32, e event) {
		l.events[at[key]] = e
		at[key]++
	})
	return l
}

func (n *network) eachEvent(each func(key int32, e event)) {
	for t := range n.Txns {
		id := int32(t)
		for i, r := range n.Txns[t].Reads {
			each(r.Key, event{n.begin(id), 0, n.reads[t][i], isRead})
		}
		for i, k := range n.Txns[t].Writes {
			v := n.first[t] + int32(i)
			if n.level.Snapshot() {
				each(k, event{n.begin(id), 0, v, isBegun})
			}
			each(k, event{n.commit(id), 0, v, isWritten})
		}
	}
}

// touched notes that something changed on a key.
func (l *locals) touched(key int32) {
	if !l.dirty[key] {
		l.dirty[key] = true
		l.keys = append(l.keys, key)
	}
}

// moved notes that a node moved.
func (l *locals) moved(node int32) {
	t := l.txn(node)
	if t == none {
		return
	}
	for _, r := range l.Txns[t].Reads {
		l.touched(r.Key)
	}
	for _, k := range l.Txns[t].Writes {
		l.touched(k)
	}
}

// changed looks at the keys on which something changed.
func (l *locals) changed(place []int32) []clash {
	l.found = nil
	slices.Sort(l.keys)
	for _, k := range l.keys {
		l.dirty[k] = false
		l.scan(k, l.events[l.off[k]:l.off[k+1]], place)
	}
	l.keys = l.keys[:0]
	return l.found
}

// scan carries out what happens on one key.
func (l *locals) scan(key int32, events []event, place []int32) {
	for i := range events {
		e := events[i]
		e.place = place[e.node]
		at := i // they are nearly in order
		for ; at > 0 && (events[at-1].place > e.place || events[at-1].place == e.place && events[at-1].what > e.what); at-- {
			events[at] = events[at-1]
		}
		events[at] = e
	}
	for _, e := range events {
		switch e.what {
		case isRead:
			l.expect(key, e.version)
		case isBegun:
			l.begun[e.version] = l.current[key]
		default:
			l.write(key, e.version)
		}
	}
	l.current[key] = none
}
