// Command ordeal tests distributed systems by injecting faults and checking
// what clients saw. See `ordeal help`.
package main

import (
	"github.com/ordeal-dev/ordeal"
	"github.com/ordeal-dev/ordeal/harness/registry"
)

func main() { ordeal.Main(registry.Builtin()) }
