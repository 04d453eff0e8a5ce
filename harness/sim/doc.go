// Package sim is the world in which nothing is real and everything can be
// repeated: nodes, clients and faults run in one goroutine and in virtual time,
// over a simulated network, simulated clocks and simulated disks.
//
//	w := sim.New(sim.Config{})
//	cluster, err := w.Deploy(ctx, world.Spec{Nodes: 5, Boot: boot, Choices: choice.New(seed)})
//
// The same seed gives the same bytes, whatever the machine, the build and the
// number of processors. This rests on four things:
//
//   - There is one queue of events, ordered by time and then by the order in
//     which they were scheduled, and one loop that takes them from it. Clients
//     and nemeses are coroutines ([iter.Pull]): the loop resumes one and waits
//     until it yields, so nothing ever runs beside it.
//   - Every random number comes from a stream of its own purpose: one for each
//     link, disk, client, and purpose of a node. Nothing is shared, so what one
//     draws does not change what another sees.
//   - Nothing that can be seen depends on the order of a map, on an address or
//     on the clock of the machine.
//   - A hash is chained over all events, with all the bytes that they deliver.
//     It is the digest of the run. Two bytes of each link of the chain are a
//     trace, and two traces tell the first event in which two runs differ.
//
// # What the network does
//
// A packet takes a random time, so packets overtake each other. A cut link
// loses a packet when it is sent and also when it would arrive, as a packet
// filter at the receiver does: a cut kills what is under way. Clients hang on
// their own node by a short link. One that calls another node goes the way of
// its own node, and shares the fate of that way.
//
// A call fails with client.ErrUnavailable only if the request met a node
// without a process, which is a refused connection: certainly nothing was
// handed over, and the news came back. If the process dies with the request in
// its hands or in its socket, the connection breaks, and the call fails with
// client.ErrTimeout as soon as the news arrives. A cut sends no news: the call
// ends at the deadline of its operation, with client.ErrTimeout.
//
// A fault may shape the packets of single links: delay, lose, double them or
// hold them back. What becomes of a packet there is drawn from a stream that
// nobody else draws from, so that the packets of all other links fare as ever.
//
// # What the disk does
//
// A disk does one operation after the other. What was done before the death of
// the process stays; of what had not completed, some first part was done and
// the rest was not. A loss of power takes what was not synced: of the bytes
// appended to a file since its last Sync some first part stays, often none, and
// of the names that were created, renamed and removed since the last SyncDir
// some stay as they were, mostly the last ones, sometimes any.
//
// # What a node is
//
// A node dies when its code panics. A paused node takes nothing from its
// sockets and its disk, and no timer rings; all that waits for it is delivered
// in order when it is resumed. The monotonic clock of a node starts anew, from
// anywhere, with each of its processes.
package sim
