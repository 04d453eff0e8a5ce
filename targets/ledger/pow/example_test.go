package pow_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/targets/ledger/pow"
)

// What a node can be told to do by the fault byzantine.
func Example() {
	fmt.Println(strings.Join(pow.Deeds(), ", "))
	// Output:
	// withhold, double-spend, outweigh, inflate, forge, twice, overdraw, outlive, garble, spoil, mangle, equivocate, impersonate
}
