// Package collections confirms claims about what objects promise that many use at
// once: sets, queues, identifiers, banks, counters, tables and replicas.
//
// Each of these definitions is decided by looking at all operations on a key, so an
// ok takes no evidence. The evidence for invalid is the anomaly by its name, and the
// operations that show it, in the order of their invocations:
//
//	{"anomaly": "lost", "ops": [3, 7]}
//
// Below, the operations follow the name of each anomaly.
//
// # Sets
//
// Sets, to which elements are added and that are read as a whole, and unique
// identifiers.
//
// In set-full an element is known as soon as an add of it was ok or a read that
// has it came back. A read that began after that has to have it, if it is the last
// read to begin, if it is final, and always with the parameter linearizable. In
// set there is one read, the last to come back, and it has to have every element
// of which an add was ok, whenever that was. A read has an element once, and only
// if an add of it that did not fail was invoked before the read came back.
//
//	lost              the add, maybe an earlier read that has it, and the read
//	stale-read        the same, and a later read that has it
//	duplicate         the add and the read
//	dirty-read        the add and the read, and every add of the element failed
//	unexpected        the read; no add of an element that it has was invoked early enough
//
// In unique-ids, no two generates that were ok have got the same.
//
//	duplicate  the two generates
//
// # Queues
//
// Queues whose order does not matter: enqueue puts an element in, dequeue takes
// one out, and drain takes out a list of them. A dequeue of nil took nothing.
//
// In total-queue an element comes out, if it does, because an enqueue of it did not
// fail, and not before the first of these was invoked; and it comes out as often as
// enqueues of it were ok. With the parameter exactly-once it comes out no more often
// than enqueues of it did not fail. With ordered, of two elements with one enqueue
// each, of which the first was ok before the second was invoked, no operation takes
// out the second before another one begins that takes out the first, those left aside
// that ask for something in particular. With at-most-once, every dequeue of unknown
// outcome may have taken one element, and every such drain all.
//
// In queue nothing has to come out, and at each moment no element has come out more
// often than enqueues of it were invoked by then that did not fail.
//
// A receive takes out the message that it returns, if any. With a visibility that is
// a lease: the message comes back, so there it is enough for queue that an enqueue was
// invoked before, and in total-queue, without at-most-once, it is lost as well if it
// came out under leases only and every ack of it failed. Where there are receives, an
// element is only lost if, for everything that receives of the queue ask for, one of
// them found nothing that began when the longest visibility was over since the last
// receive that found something, or extend, or one of these without an answer.
//
// With the parameter max-deliveries an element is received so often at most for each
// enqueue of it that did not fail, but for receives of {"dead": true}; if there is one
// such enqueue, not at all in a receive that began after one of these got it; and
// before the first of these came back so often at least, where each receive of unknown
// outcome that began by then may have got one element, of all those that were got
// in this way by then.
//
// With never-falsely-empty an element waits that has one enqueue, which was ok, from the
// end of that on, or of the nacks that gave back whatever received it, each by its
// token, until the next operation begins that took it out, or an ack; but for what was
// received as often as max-deliveries says, or once without it. Whatever takes out
// nothing, and asks for nothing in particular, does not begin and end while more elements
// wait than there are dequeues and receives of unknown outcome that began by its end;
// with ordered, unless there was one of these, or one that took out an element that had
// not been given back or acknowledged by token. A drain of unknown outcome excuses all.
//
//	lost               an enqueue of the element that was ok
//	unexpected         the dequeue or drain
//	aborted-dequeue    an enqueue of the element, and the dequeue or drain
//	premature-dequeue  an enqueue of the element, and the dequeue or drain
//	duplicated         enqueues of the element, and dequeues or drains of it, more
//	                   than there can be
//	reordered          the enqueues of two elements, and an operation that took out each
//	over-delivered     an enqueue of the element, and receives of it that are too many, or
//	                   one that got it as a dead letter and a later one that did not
//	dead-too-soon      an enqueue of the element, and the first receive of it as a dead letter
//	false-empty        the enqueue of the element, and what took out nothing
//
// # Totals
//
// Banks, of which all accounts are read at once, and counters.
//
// In bank, every read has all the accounts that the parameter accounts names (a
// list in JSON; if it is not there, any accounts will do), each with a balance, and
// all reads have the same total: total-amount if that is given. No balance is below
// zero unless negative-balances is true.
//
//	unexpected-key, nil-balance, negative-value, missing-key  the read
//	wrong-total  the read; without total-amount, two reads that differ
//
// In counter, a read is between what must have been added when it came back, which
// is what was acknowledged before it was invoked, and what can have been. In
// pn-counter this is so of final reads, which also have each amount as a whole or
// not at all; other reads may lack anything.
//
//	undercount, overcount, impossible  the read
//
// # Orders
//
// Reads that have to agree on an order of writes.
//
// In long-fork, every key is written once, and reads have some keys and lack
// others, which are nil. There is an order of reads and writes in which each read
// comes after the writes of all that it has and before those of all that it lacks.
// What a transaction writes itself does not count among what it reads. Where nothing
// is written at all, what was read was written.
//
//	long-fork     reads that have no such order by themselves
//	aborted-read  the read and a write of the key that failed, with the value read
//	unexpected    the read, one of whose keys has a value that nobody wrote
//
// In causal-reverse, a read that has a value has every value of which a write was
// ok before the first write of that value was invoked that did not fail.
//
//	causal-reverse  the write of what is missing, that of the later one, the read
//	aborted-read    a write of the value and the read; all writes of it failed
//	unexpected      the read; no write of a value that it has was invoked early enough
//
// # Tables
//
// Tables whose rows have values and timestamps that rise together.
//
// In monotonic, a read lists rows in the order of their timestamps, each value
// once, and each value is above that of the row before; with per-client, of the
// last row before that the same process added. A value is not there if every add
// of it failed. If an add of it was ok before the read was invoked it is there, if
// the read is the last to come back, or final. With realtime, an add that was ok and
// that was invoked after another one was ok has the greater value.
//
//	value-reorder     the read, and adds of values that it has
//	order-by-error    the read
//	duplicate         the read
//	revived, lost     the add and the read
//	realtime-reorder  the two adds
//
// # Agreement
//
// Replicas that agree once the faults are over.
//
// In converge, the nodes that hold a shard give the same digest of it, in the last
// record in which the nemesis asked them, and final reads of a key that were ok have
// the same value: the last one through each node, and all of those that name none.
// With the parameter unordered, lists are compared as sets.
//
//	divergence  two final reads of a key, or the record of the nemesis
//
// # Survivors
//
// Registers of which the last write wins, where last has to respect causality.
//
// An operation happened before another if the same process did it earlier, if the
// other read what it alone wrote, or by a chain of these steps. Reads that were not
// ok do not count, nor does what failed. In causal-writes, a final read of a key has a
// value such that some write can have left it: one that did not happen before another
// write to the key that was acknowledged before the final read began. If the value is
// nil, that is a delete, or nobody, as long as no write was acknowledged by then.
//
//	thin-air-read      the final read, of a value that nobody wrote
//	dirty-read         a write that failed and the final read of its value
//	lost-causal-write  the final read, and operations through which every write that
//	                   can have left its value happened before an acknowledged one
package collections

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"set":            setAtEnd,
	"set-full":       setFull,
	"unique-ids":     uniqueIDs,
	"queue":          plainQueue,
	"total-queue":    totalQueue,
	"bank":           bank,
	"counter":        strictCounter,
	"pn-counter":     eventualCounter,
	"long-fork":      longFork,
	"causal-reverse": causalReverse,
	"monotonic":      monotonic,
	"converge":       converge,
	"causal-writes":  causalWrites,
}
