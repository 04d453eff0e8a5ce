// Package agent is the node agent: the one process of ours on every real node.
//
// It is PID 1 in a container, or an ordinary process elsewhere. It starts the
// server under test as its child, keeps its log, and carries out faults on it
// with kernel interfaces only: packet filter rules for cuts, signals to the
// whole process tree for kills and pauses, and a patch of the vDSO for the wall
// clock. It needs no tool on the node, so an image can hold this one static
// binary and nothing else.
//
// # The agent owns the faults
//
// A controller talks to the agent over one long-lived stream of bytes that does
// not pass through the network that is being cut: [Serve] listens on an
// abstract Unix socket, [Bridge] joins that socket to standard input and output
// (of "docker exec", or of an SSH session), and [Dial] is the controller's end.
// The controller sends a heartbeat each second. When the stream ends, or no
// heartbeat came for three seconds because the controller hangs, its lease is
// over and every fault heals by itself: rules are removed, processes go on,
// those that were killed are started again, clocks are put back. A controller that attaches later takes over; one that
// attaches while another holds the lease ends the other's first. An agent that
// nobody attaches to ends, and takes the server (and its container) with it.
//
// # What travels where
//
// Requests and replies are frames of at most 1 MiB: four bytes of length, most
// significant first, then JSON. The agent never waits for a reader: replies are
// queued, and a session whose queue is full is ended. What the server logs
// never travels on this stream. It goes to a file ([DefaultLog]), which
// [CopyLog] prints for the hidden command "agent logs" and [ScanLog] reads.
//
// # Evidence
//
// Replies say what was seen afterwards, not what was asked for: the rules that
// the kernel holds, the bytes that the vDSO holds, the state of each process in
// /proc. Keeping a journal of the intent is up to the caller.
//
// Times are nanoseconds of CLOCK_MONOTONIC, see [Mono], which all processes of
// one host share, in containers too.
package agent
