package logs

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Encode writes the metadata down.
func (m *metadata) Encode() []byte {
	b := binary.AppendUvarint(nil, m.ids)
	for _, x := range m.brokers {
		b = wire.AppendUvarints(b, x.life, flag(x.alive))
	}
	for _, p := range m.parts {
		b = wire.AppendUvarints(b, uint64(p.leader+1), p.epoch, p.version)
		b = appendNodes(b, p.isr)
	}
	b = binary.AppendUvarint(b, uint64(len(m.producers)))
	for _, p := range m.producers {
		b = wire.AppendUvarints(wire.AppendString(b, p.name), p.txn.id, p.txn.epoch, flag(p.open))
		b = appendNumbers(b, p.parts)
	}
	b = binary.AppendUvarint(b, uint64(len(m.ended)))
	for _, e := range m.ended {
		b = appendNumbers(wire.AppendUvarints(b, e.txn.id, e.txn.epoch, flag(e.commit)), e.parts)
	}
	b = binary.AppendUvarint(b, uint64(len(m.groups)))
	for i := range m.groups {
		b = m.groups[i].append(b)
	}
	return b
}

func (g *group) append(b []byte) []byte {
	b = binary.AppendUvarint(wire.AppendString(b, g.name), g.generation)
	b = binary.AppendUvarint(b, uint64(len(g.members)))
	for _, x := range g.members {
		b = binary.AppendUvarint(wire.AppendString(b, x.name), uint64(x.node))
	}
	for p := range g.owners {
		b = binary.AppendUvarint(wire.AppendString(b, g.owners[p]), uint64(g.offsets[p]))
	}
	return b
}

// Restore takes over what Encode wrote.
func (m *metadata) Restore(b []byte) error {
	d := wire.NewDecoder(b)
	r := newMetadata(m.cfg, m.nodes)
	r.ids = d.Uvarint()
	for i := range r.brokers {
		r.brokers[i] = broker{d.Uvarint(), d.Uvarint() == 1}
	}
	for i := range r.parts {
		p := &r.parts[i]
		p.leader, p.epoch, p.version = nodeID(d)-1, d.Uvarint(), d.Uvarint()
		p.isr = readNodes(d)
	}
	for range count(d) {
		p := producer{name: d.String(), txn: readTxn(d), open: d.Uvarint() == 1, parts: readNumbers(d)}
		r.producers = append(r.producers, p)
	}
	for range count(d) {
		r.ended = append(r.ended, ending{readTxn(d), d.Uvarint() == 1, readNumbers(d)})
	}
	for range count(d) {
		r.groups = append(r.groups, r.readGroup(d))
	}
	if err := d.Done(); err != nil {
		return fmt.Errorf("metadata of %d bytes: %w", len(b), err)
	}
	if err := r.check(); err != nil {
		return err
	}
	*m = *r
	return nil
}

func (m *metadata) readGroup(d *wire.Decoder) group {
	g := group{name: d.String(), generation: d.Uvarint(), owners: make([]string, len(m.parts)), offsets: make([]int64, len(m.parts))}
	for range count(d) {
		g.members = append(g.members, member{d.String(), nodeID(d)})
	}
	for p := range g.owners {
		g.owners[p], g.offsets[p] = d.String(), int64(d.Uvarint())
	}
	return g
}

// check says which node is named that there is not.
func (m *metadata) check() error {
	stranger := func(id actor.NodeID) bool { return id < nobody || int(id) >= m.nodes }
	for i, p := range m.parts {
		if stranger(p.leader) || len(p.isr) == 0 || slices.ContainsFunc(p.isr, stranger) {
			return fmt.Errorf("metadata of %s name a node that is none of the %d", m.cfg.PartitionName(i), m.nodes)
		}
	}
	return nil
}

// Digest returns a hash of the state.
func (m *metadata) Digest() string {
	h := fnv.New64a()
	h.Write(m.Encode())
	return fmt.Sprintf("%016x", h.Sum64())
}
