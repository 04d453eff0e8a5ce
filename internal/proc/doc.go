// Package proc supervises a tree of processes and reads what Linux tells about
// them in /proc.
//
// A server is rarely one process: it forks helpers, and they outlive it. A
// fault that hits only the process that was started proves nothing, so every
// operation here works on the whole tree and repeats until a look at /proc finds
// nothing left to do.
package proc
