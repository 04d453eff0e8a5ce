package polygraph

// clash is a place where the order does not explain the history: version b came
// last between a and somebody who should have found a.
type clash struct{ a, b int32 }

// scanner carries the transactions out in their order.
type scanner struct {
	*network
	current []int32 // by key, the version, or none
	begun   []int32 // by version, the one that was there when its transaction began
	found   []clash
}

func (n *network) scanner() *scanner {
	s := &scanner{network: n, current: make([]int32, n.Keys)}
	for k := range s.current {
		s.current[k] = none
	}
	if n.level.Snapshot() {
		s.begun = make([]int32, len(n.vers))
	}
	return s
}

// clashes looks at the order.
func (n *network) clashes(order []int32) []clash {
	s := n.scanner()
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
	for v := s.first[t]; s.begun != nil && v < s.first[t+1]; v++ {
		s.begun[v] = s.current[s.vers[v].key]
	}
}

// finish has t write.
func (s *scanner) finish(t int32) {
	for v := s.first[t]; v < s.first[t+1]; v++ {
		s.write(s.vers[v].key, v)
	}
}

// write installs a version. With snapshots, nobody may have written since its
// transaction began.
func (s *scanner) write(key, v int32) {
	if now := s.current[key]; s.begun != nil && now != s.begun[v] && now != none {
		s.found = append(s.found, clash{now, v})
	}
	s.current[key] = v
}

// expect compares the current version of a key with the one that was read.
func (s *scanner) expect(key, want int32) {
	if now := s.current[key]; now != want && now != none {
		s.found = append(s.found, clash{want, now})
	}
}
