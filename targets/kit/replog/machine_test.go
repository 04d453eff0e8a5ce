package replog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// list is a machine that keeps all commands in the order in which they were
// applied. It answers a command with its place, and a query with the last command
// and its place, so that every answer says when it was given.
type list struct {
	commands []string
	sum      uint32 // of all commands
}

func (l *list) add(cmd string) {
	l.commands = append(l.commands, cmd)
	l.sum = crc32.Update(l.sum, crc32.IEEETable, wire.AppendString(nil, cmd))
}

func (l *list) last() string {
	if len(l.commands) == 0 {
		return ""
	}
	return l.commands[len(l.commands)-1]
}

func (l *list) Apply(_ uint64, cmd []byte) []byte {
	l.add(string(cmd))
	return l.Read(nil)
}

func (l *list) Read([]byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(l.commands))), l.last()...)
}

func (l *list) Encode() []byte {
	b := binary.AppendUvarint(nil, uint64(len(l.commands)))
	for _, cmd := range l.commands {
		b = wire.AppendString(b, cmd)
	}
	return b
}

func (l *list) Restore(b []byte) error {
	d := wire.NewDecoder(b)
	*l = list{}
	for count := d.Uvarint(); count > 0 && d.Err() == nil; count-- {
		l.add(d.String())
	}
	return d.Done()
}

func (l *list) Digest() string { return fmt.Sprintf("%08x", l.sum) }

// add is a request that adds a command to the list, and look one for the last.
func add(client, seq uint64, cmd string) request.Request {
	return request.Request{Client: client, Seq: seq, Body: []byte(cmd)}
}

func look(client, seq uint64) request.Request {
	return request.Request{Client: client, Seq: seq, ReadOnly: true}
}

// reply is what a client was told: if all went well, a command and its place,
// counted from 1.
type reply struct {
	code  request.Code
	place int
	cmd   string
}

// parsed reads an answer of the list.
func parsed(code request.Code, answer []byte) reply {
	if code != request.OK {
		return reply{code: code}
	}
	d := wire.NewDecoder(answer)
	r := reply{code, int(d.Uvarint()), string(d.Rest())}
	if d.Err() != nil {
		panic(d.Err())
	}
	return r
}
