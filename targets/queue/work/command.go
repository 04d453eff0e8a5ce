package work

import (
	"encoding/binary"
	"errors"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Op is what a command does to the queues.
type Op uint8

// The commands. Clients send all but Expire and Cancel, which are those of the
// nodes themselves.
const (
	Enqueue Op = iota + 1 // Message is put at the end of Queue
	Receive               // the next message of Queue is handed out
	Ack                   // Message, which was handed out under Token, is done
	Nack                  // it is not, and comes back at once
	Extend                // it takes longer: the lease begins anew
	Expire                // the time of the lease Token is over, if it was extended Extended times
	Cancel                // whoever waits as Consumer does so no longer
)

// Command is one change of the replicated state.
type Command struct {
	Op       Op
	Queue    string
	Message  string   // of Enqueue, Ack, Nack and Extend
	Token    uint64   // of Ack, Nack, Extend and Expire
	Extended uint64   // of Expire
	Consumer Consumer // of Receive and Cancel: who waits if there is nothing; zero if nobody does
}

// Consumer names a receive that waits. No two receives have the same name.
type Consumer struct{ Client, Seq uint64 }

// DeadLetters is what follows the name of a queue in the name of the queue that
// its dead letters go to.
const DeadLetters = "/dead"

var errCommand = errors.New("no such command")

// AppendTo appends c as bytes to b.
func (c Command) AppendTo(b []byte) []byte {
	b = append(b, byte(c.Op))
	b = wire.AppendString(b, c.Queue)
	b = wire.AppendString(b, c.Message)
	return wire.AppendUvarints(b, c.Token, c.Extended, c.Consumer.Client, c.Consumer.Seq)
}

// ParseCommand is the inverse of [Command.AppendTo].
func ParseCommand(b []byte) (Command, error) {
	d := wire.NewDecoder(b)
	c := Command{Op: Op(d.Byte()), Queue: d.String(), Message: d.String(), Token: d.Uvarint(), Extended: d.Uvarint(),
		Consumer: Consumer{Client: d.Uvarint(), Seq: d.Uvarint()}}
	if err := d.Done(); err != nil {
		return c, err
	}
	if c.Op < Enqueue || c.Op > Cancel {
		return c, errCommand
	}
	return c, nil
}

// Result says what became of a command.
type Result uint8

// The results.
const (
	Done      Result = iota + 1 // it was done
	Delivered                   // Message was handed out
	Empty                       // there is nothing to hand out
	Waiting                     // neither, but the consumer waits now
	Stale                       // there is no such lease, or no longer; nothing changed
	Gone                        // the consumer waits no longer, and what it was given cannot be said any more
)

// Answer is what a command returns.
type Answer struct {
	Result     Result
	Message    string
	Token      uint64 // of the lease; 0 if the message was handed out for good
	Visibility uint64 // of the lease, in nanoseconds; also that of Extend
}

// AppendTo appends a as bytes to b.
func (a Answer) AppendTo(b []byte) []byte {
	b = append(b, byte(a.Result))
	b = wire.AppendString(b, a.Message)
	b = binary.AppendUvarint(b, a.Token)
	return binary.AppendUvarint(b, a.Visibility)
}

// ParseAnswer is the inverse of [Answer.AppendTo].
func ParseAnswer(b []byte) (Answer, error) {
	d := wire.NewDecoder(b)
	a := Answer{Result: Result(d.Byte()), Message: d.String(), Token: d.Uvarint(), Visibility: d.Uvarint()}
	return a, d.Done()
}
