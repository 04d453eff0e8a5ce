package cp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// machine is what the keys hold.
type machine struct {
	data    map[string]cell
	digest  uint64 // sum of the hashes of all pairs, so that it does not depend on an order
	scratch []byte
}

// cell is what a key holds.
type cell struct {
	value    string
	modified int64 // the wall clock of the node that took the request; for people only
}

func newMachine() *machine { return &machine{data: make(map[string]cell)} }

var errShort = errors.New("too few bytes")

// done is the answer to most changes.
var done = kv.Response{Code: kv.OK}.AppendBody(nil)

// Apply implements [replog.Machine].
func (m *machine) Apply(index uint64, cmd []byte) []byte {
	stamp, req, err := parseStamped(cmd)
	if err != nil {
		panic(fmt.Sprintf("cp: command %d cannot be read: %v", index, err))
	}
	resp := m.execute(req, stamp)
	if resp.Code == kv.OK {
		return done
	}
	return resp.AppendBody(nil)
}

func (m *machine) execute(req kv.Request, stamp int64) kv.Response {
	old, there := m.data[req.Key]
	switch req.Op {
	case kv.Put:
		m.put(req.Key, cell{req.Value, stamp})
	case kv.CAS:
		if old.value != req.Old {
			return kv.Response{Code: kv.Mismatch, Value: old.value}
		}
		m.put(req.Key, cell{req.Value, stamp})
	case kv.Delete:
		if !there {
			return kv.Response{Code: kv.NotFound}
		}
		m.digest -= m.hash(req.Key, old)
		delete(m.data, req.Key)
	default:
		return kv.Response{Code: kv.BadRequest}
	}
	return kv.Response{Code: kv.OK}
}

func (m *machine) put(key string, c cell) {
	if old, there := m.data[key]; there {
		m.digest -= m.hash(key, old)
	}
	m.data[key] = c
	m.digest += m.hash(key, c)
}

func (m *machine) hash(key string, c cell) uint64 {
	m.scratch = appendCell(m.scratch[:0], key, c)
	return xxhash.Sum64(m.scratch)
}

// Digest implements [replog.Machine].
func (m *machine) Digest() string { return fmt.Sprintf("%016x", m.digest) }

// Read implements [replog.Machine].
func (m *machine) Read(query []byte) []byte {
	req, err := kv.ParseBody(query)
	if err != nil {
		panic(fmt.Sprintf("cp: a query cannot be read: %v", err))
	}
	return m.find(req).AppendBody(nil)
}

func (m *machine) find(req kv.Request) kv.Response {
	switch req.Op {
	case kv.Get:
		c, there := m.data[req.Key]
		if !there {
			return kv.Response{Code: kv.NotFound}
		}
		return kv.Response{Code: kv.OK, Value: c.value}
	case kv.Keys:
		return kv.Response{Code: kv.OK, Keys: m.keys(req.Key)}
	default:
		return kv.Response{Code: kv.BadRequest}
	}
}

func (m *machine) keys(prefix string) []string {
	keys := make([]string, 0, len(m.data))
	for k := range m.data {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func appendCell(b []byte, key string, c cell) []byte {
	b = wire.AppendString(b, key)
	b = wire.AppendString(b, c.value)
	return binary.LittleEndian.AppendUint64(b, uint64(c.modified))
}

// Encode implements [replog.Machine].
func (m *machine) Encode() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 64*len(m.data)), uint64(len(m.data)))
	for _, key := range m.keys("") {
		b = appendCell(b, key, m.data[key])
	}
	return b
}

// Restore implements [replog.Machine].
func (m *machine) Restore(b []byte) error {
	d := wire.NewDecoder(b)
	fresh := newMachine()
	for count := d.Uvarint(); count > 0 && d.Err() == nil; count-- {
		key := d.String()
		fresh.put(key, cell{d.String(), int64(d.Uint64())})
	}
	if err := d.Done(); err != nil {
		return err
	}
	*m = *fresh
	return nil
}
