package linear

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Model says what an object does when one process after the other uses it:
// the sequential specification that concurrent operations must seem to follow.
type Model struct {
	Name string // what the command line calls it
	Doc  string // a sentence on what the object is and which operations it has

	fs map[string]action
}

// action is what an operation does to a register.
type action uint8

const (
	reads action = iota + 1
	writes
	swaps   // compare-and-set
	deletes // writes nil
)

// Register is one value that is read and written.
func Register() Model {
	return Model{
		Name: "register",
		Doc:  "one value, initially nil: read, write",
		fs:   map[string]action{"read": reads, "write": writes, "delete": deletes},
	}
}

// CASRegister is a register with compare-and-set.
func CASRegister() Model {
	return Model{
		Name: "cas-register",
		Doc:  "one value, initially nil: read, write, cas [old new]",
		fs:   map[string]action{"read": reads, "write": writes, "cas": swaps, "delete": deletes},
	}
}

// Models returns all models.
func Models() []Model { return []Model{CASRegister(), Register()} }

// ModelNamed returns the model that is called name.
func ModelNamed(name string) (Model, error) {
	var names []string
	for _, m := range Models() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("unknown model %q: have %v", name, names)
}

// decode turns the calls on one object into a register problem. It fails on
// operations that the model does not have.
func (o Options) decode(calls []history.Call) (*register, error) {
	m, r := o.Model, &register{calls: calls, ops: make([]op, 0, len(calls)), nilMatchesAny: o.NilMatchesAny, clock: checkers.ClockOf(calls)}
	r.values.ID(history.Nil)
	for i := range calls {
		act, ok := m.fs[calls[i].Invoke.F]
		if !ok {
			return nil, fmt.Errorf("index %d: the model %s has no operation %q", calls[i].Invoke.Index, m.Name, calls[i].Invoke.F)
		}
		if err := r.add(int32(i), act); err != nil {
			return nil, err
		}
	}
	return r, nil
}
