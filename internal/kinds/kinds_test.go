package kinds_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/internal/kinds"
)

// Every target has a kind, and every kind a target and a workload that are there;
// so have the faults under which kinds are tried.
func TestKindsAreComplete(t *testing.T) {
	t.Parallel()
	reg, tried := registry.Builtin(), map[string]bool{}
	for _, k := range kinds.All() {
		if _, err := reg.Workload(k.Workload); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		if _, err := reg.Target(k.Target); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		tried[k.Target] = true
	}
	for _, name := range reg.TargetNames() {
		if !tried[name] {
			t.Errorf("no kind of %s is tried", name)
		}
	}
	for _, kind := range kinds.Faults() {
		if _, err := reg.Fault(kind); err != nil {
			t.Error(err)
		}
	}
}

// The command that tries a kind.
func Example() {
	fmt.Println("ordeal", strings.Join(kinds.All()[0].Args(), " "))
	// Output: ordeal run --target store --set mode=cp --workload register --nemesis partition,kill,pause,clock,packet,power --consistency promised --world sim --time 60s
}
