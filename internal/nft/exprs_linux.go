package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// exprs is the rule as the kernel's packet machine runs it: each match loads a
// field into register 1 and compares it.
func (r rule) exprs() []expr.Any {
	e := matchPeer(r.peer, r.out)
	if r.port != 0 {
		e = append(e, matchPort(r.protocol, r.port, r.source)...)
	}
	return append(e,
		&expr.Objref{Type: int(nftables.ObjTypeCounter), Name: r.name()},
		&expr.Verdict{Kind: expr.VerdictDrop},
	)
}

func equal(data ...byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}

func load(base expr.PayloadBase, offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}
}

// matchPeer compares the source address of a packet, or its destination.
func matchPeer(peer netip.Addr, out bool) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(12)
	if peer.Is6() {
		family, offset = unix.NFPROTO_IPV6, 8
	}
	address := peer.AsSlice()
	length := uint32(len(address))
	if out {
		offset += length
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal(family),
		load(expr.PayloadBaseNetworkHeader, offset, length), equal(address...),
	}
}

func matchPort(protocol byte, port uint16, source bool) []expr.Any {
	offset := uint32(2)
	if source {
		offset = 0
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(protocol),
		load(expr.PayloadBaseTransportHeader, offset, 2), equal(binary.BigEndian.AppendUint16(nil, port)...),
	}
}

// describe puts a rule that was read from the kernel into words.
func describe(exprs []expr.Any) string {
	var words []string
	field := ""
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Meta:
			field = metaName(e.Key)
		case *expr.Payload:
			field = payloadName(e)
		case *expr.Cmp:
			words = append(words, field+" "+value(e.Data, field))
		case *expr.Objref:
			words = append(words, "counter "+e.Name)
		case *expr.Verdict:
			words = append(words, verdict(e.Kind))
		default:
			words = append(words, fmt.Sprintf("%T", e))
		}
	}
	return strings.Join(words, " ")
}

func metaName(key expr.MetaKey) string {
	if key == expr.MetaKeyNFPROTO {
		return "family"
	}
	return "protocol"
}

func payloadName(p *expr.Payload) string {
	if p.Base == expr.PayloadBaseTransportHeader {
		return map[uint32]string{0: "sport", 2: "dport"}[p.Offset]
	}
	return map[uint32]string{12: "saddr", 16: "daddr", 8: "saddr", 24: "daddr"}[p.Offset]
}

func value(data []byte, field string) string {
	if address, ok := netip.AddrFromSlice(data); ok {
		return address.String()
	}
	switch {
	case field == "family" && data[0] == unix.NFPROTO_IPV4:
		return "ip"
	case field == "family":
		return "ip6"
	case field == "protocol" && data[0] == protocolTCP:
		return "tcp"
	case field == "protocol":
		return "udp"
	case len(data) == 2:
		return fmt.Sprint(binary.BigEndian.Uint16(data))
	}
	return fmt.Sprintf("%x", data)
}

func verdict(kind expr.VerdictKind) string {
	if kind == expr.VerdictDrop {
		return "drop"
	}
	return fmt.Sprintf("verdict %d", kind)
}
