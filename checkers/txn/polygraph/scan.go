package polygraph

// clash is a place where the order does not explain the history: version b came
// between a and somebody who should have found a.
type clash struct{ a, b int32 }

// nearby is how many versions are looked at that came in between.
const nearby = 8

// scanner carries the transactions out in their order.
type scanner struct {
	*network
	current []int32 // by key, the version, or none
	before  []int32 // by version, the one before it
	begun   []int32 // by version, the one that was there when its transaction began
	found   []clash
}

// clashes looks at the order.
func (n *network) clashes(order []int32) []clash {
	s := &scanner{network: n, current: make([]int32, n.Keys), before: make([]int32, len(n.vers))}
	for k := range s.current {
		s.current[k] = none
	}
	if n.level.Snapshot() {
		s.begun = make([]int32, len(n.vers))
	}
	for _, v := range order {
		t := n.txn(v)
		if t == none {
			continue
		}
		if v == n.begin(t) {
			s.start(t)
		}
		if v == n.commit(t) {
			s.finish(t)
		}
	}
	return s.found
}

// start has t read what is there.
func (s *scanner) start(t int32) {
	for i, r := range s.Txns[t].Reads {
		s.expect(r.Key, s.reads[t][i])
	}
	for i := range s.begun[min(int(s.first[t]), len(s.begun)):min(int(s.first[t+1]), len(s.begun))] {
		v := s.first[t] + int32(i)
		s.begun[v] = s.current[s.vers[v].key]
	}
}

// finish has t write. With snapshots, nobody may have written in between.
func (s *scanner) finish(t int32) {
	for v := s.first[t]; v < s.first[t+1]; v++ {
		key := s.vers[v].key
		if s.begun != nil {
			for at, i := s.current[key], 0; at != s.begun[v] && at != none && i < nearby; at, i = s.before[at], i+1 {
				s.found = append(s.found, clash{at, v})
			}
		}
		s.before[v] = s.current[key]
		s.current[key] = v
	}
}

// expect compares the current version of a key with the one that was read.
func (s *scanner) expect(key, want int32) {
	for at, i := s.current[key], 0; at != want && at != none && i < nearby; at, i = s.before[at], i+1 {
		s.found = append(s.found, clash{want, at})
	}
}
