// Package ordeal finds out whether a distributed system keeps its promises
// while its network, clocks, disks and processes fail.
//
// The program of that name is this package with what comes built in:
//
//	func main() { ordeal.Main(registry.Builtin()) }
//
// Whoever wants to test a system of their own writes the same two lines with
// one more thing in the registry, and has a program that is controller and
// node agent at once; nobody has to change Ordeal for it:
//
//	func main() { ordeal.Main(registry.With(mytarget.New())) }
//
// See ARCHITECTURE.md for the road of a run, and docs/ for how to write a
// target.
package ordeal

import (
	"os"

	"github.com/ordeal-dev/ordeal/harness/cli"
	"github.com/ordeal-dev/ordeal/harness/registry"
)

// Main is the program: it reads the command line, does what it says with what
// is in the registry, and exits with the code that the verdict asks for.
func Main(r *registry.Registry) {
	os.Exit(cli.Main(r, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
