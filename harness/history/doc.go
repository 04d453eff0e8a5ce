// Package history is what a run leaves behind for its checkers: the record of
// every operation that clients asked for and of every fault that was injected,
// in the order in which the scheduler saw them.
//
// # Operations
//
// An operation of a client is two records. The invocation ([Invoke]) is
// recorded before the client gets to see the operation; the completion after
// the client has come back, as one of three types:
//
//	ok    it happened
//	fail  it certainly did not happen
//	info  nobody knows: it may have happened, or may happen at any later time
//
// A history is evidence only if these rules are kept, by whoever writes one:
//
//   - One scheduler stamps all records, from one monotonic clock. That an
//     operation ended before another began is a fact that checkers build on.
//   - What is uncertain is info. A timeout is info, and so is a lost connection;
//     calling one of them fail makes checkers find violations that are none. A
//     read that changes nothing may fail whatever went wrong.
//   - A process is one thread of operations: it invokes only when its last
//     operation has ended. After an info its number is never used again, because
//     the operation may still be going on.
//   - The value of an invocation is its argument; that of an ok completion is the
//     result. Values are typed ([Value]), and absent is not the same as nil.
//
// [History.Calls] pairs invocations with completions. The process [Nemesis]
// injects faults; [History.Windows] says when each was in force.
//
// # Files
//
// Ordeal writes JSON Lines, one record a line, in Jepsen's names:
//
//	{"index":0,"time":12345,"process":3,"type":"invoke","f":"write","key":"k1","value":7,"node":"n2"}
//	{"index":1,"time":93820,"process":3,"type":"ok","f":"write","key":"k1","value":7,"node":"n2"}
//	{"index":2,"time":99000,"process":"nemesis","type":"info","f":"fault","value":{"id":1,"kind":"kill","step":"inject"}}
//
//	index    position in the history, from 0
//	time     nanoseconds since the start of the run
//	process  a number from 0, or "nemesis"
//	type     invoke, ok, fail or info
//	f        what was done
//	key      which of many independent objects (optional)
//	value    any JSON (optional)
//	node     the node that the client talks to (optional)
//	error    why it failed or is unknown (optional)
//	final    true in the final phase, after all faults were healed (optional)
//
// Integers have 64 bits and stay integers, and fields that are not in this list
// are ignored. The lines come in frames of zstd, each with a checksum
// ([FrameWriter]); `zstd -dc` shows them.
//
// [Read] and [Open] take that, and any other file that holds such objects: JSON
// Lines or a JSON array, or the EDN that Jepsen writes, one map a line or in a
// vector or list; plain, packed by gzip or by zstd. They look at the content,
// never at the name. From EDN, an element with the tag of Jepsen's independent
// tuple becomes key and value.
//
// # Damage
//
// A run can end at any moment, so a file can end at any byte. What is before the
// damage is then the history, and [History.Torn] says where it ends. Damage with
// whole records behind it does not come from a crash: that is a [*CorruptError].
// Compressed text is used only after its checksum was seen to be right, so a
// file that was changed is never read as another history. Plain text has no
// checksum, and a digit that changes in it goes unnoticed.
package history
