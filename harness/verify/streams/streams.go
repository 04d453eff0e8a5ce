// Package streams confirms claims about how news spreads: streams of messages, watches
// of keys, and how old what a read returns may be.
//
// # Streams
//
// A claim about a stream has the parameter at-least-once, which allows duplicates. A
// message is a producer with a counter. A reader is a process; what it got, each message
// once, in the order of its fetches, is its stream. A node has what its readers got, and
// the whole, whose name is empty, what all got. Of what was published with ok
//
//	lost-middle   is not there, but something earlier and something later of its producer
//	lost-prefix   is not there, but something later, and nothing earlier
//	lost-postfix  is not there, and nothing later, although a fetch of a reader that
//	              returned nothing, or was final, began after it had been published, and
//	              was the last such fetch of that reader
//
// and of the streams
//
//	diverged      two have two messages in different orders; or one lacks a message that
//	              the other has before one that both have. One of the two is the first of
//	              the longest streams
//	reorder       a message comes after one of the same producer with a higher counter
//	duplicate     a reader got a message twice
//	unexpected    a reader got what nobody had published by then
//	aborted-read  a reader got something of which every publish failed
//
// An ok takes no evidence; for invalid it is a violation (see claim.Violation).
//
// # Watches
//
// A claim about watches has no parameters. A change is what happened to a key at a
// revision; it is known from a put, delete or txn that was ok, or from an event of any
// watch. A watch asks for keys, and for revisions from some on; its responses hold
// events, or a bookmark. Up to its mark, the highest of these, it has to have all known
// changes that it asks for, in order. The rules are stated where they are looked at.
//
// An ok takes no evidence; for invalid it is a violation (see claim.Violation).
//
// # Staleness
//
// A claim about staleness has the parameters bound, k, slo, recovery and calm-only,
// each of which may be left out. Times are those of Go: "500ms".
//
// Keys are registers. A write is known from the moment that it was ok or that a read
// that returned it was. It is newer than another one if it began after that was known,
// or, if the store numbers the versions, by its number. Then
//
//	stale-read     a newer write than what the read returned had been known for
//	               longer than bound when it began
//	k-stale-read   so many newer writes were known when it began
//	slo            a smaller share than P of the reads were no older than T (slo=P@T); the
//	               core of that is one that was older
//	slow-recovery  a newer write was known when the read began, in a time without faults,
//	               at least the time recovery after the end of the last one
//
// With calm-only, reads that began during a fault do not count, but for the last rule.
// Reads that return what nobody can have written do not count at all.
//
// An ok takes no evidence; for invalid it is a violation (see claim.Violation).
//
// # Strong eventual consistency
//
// The definition "strong-eventual-consistency" is about strong eventual consistency: no two reads,
// of the same key, return equal clocks and different states ("diverged").
package streams

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"stream":                      isStream,
	"watch":                       isWatch,
	"staleness":                   isStale,
	"strong-eventual-consistency": isStrongEventual,
}
