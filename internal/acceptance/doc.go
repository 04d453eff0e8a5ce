// Package acceptance holds the tests that see Ordeal as its users do. It has no
// code of its own.
//
// The tests build the static binary once and run it as a program: in Docker
// where there is an engine, and in the simulator. What it says is held against
// what it wrote, and what its agents say against what an observer sees who asks
// neither of them: the observer lists containers at the engine, enters their
// network namespaces to read packet filter rules, and reads the state and the
// vDSO of the server's processes from the host.
//
// With CI=true a missing engine is a failure; elsewhere those tests skip. With
// ORDEAL_LONG=1 the controller is killed at twenty moments instead of six.
package acceptance
