package linear

// absurd finds an observation that no order can explain, because every write of
// its value began after it, or there is none. It takes no search to see that.
// Info operations need not have happened, so they can always be explained.
func absurd(ops []op, values int) (finding, bool) {
	first := make([]int32, values)
	for v := range first {
		first[v] = none
	}
	for i, o := range ops {
		if o.to != none && first[o.to] == none {
			first[o.to] = int32(i)
		}
	}
	for i, o := range ops {
		switch {
		case o.from == none || o.from == initial || o.isInfo():
		case first[o.from] == none:
			return finding{kind: unwritten, ops: []int32{int32(i)}}, true
		case o.res < ops[first[o.from]].inv:
			return finding{kind: future, ops: []int32{first[o.from], int32(i)}}, true
		}
	}
	return finding{}, false
}

// Unwritten is the evidence that an operation found a value that nobody can have
// written by then.
type Unwritten struct {
	Proof string `json:"proof"` // "unwritten"
	Op    int    `json:"op"`
}

func unwrittenBy(r *register, ops []op, f finding) Unwritten {
	reader := f.ops[len(f.ops)-1]
	return Unwritten{"unwritten", r.calls[ops[reader].call].Invoke.Index}
}
