package history

import (
	"math"
	"strconv"
)

// AppendEDN appends op to b as one map of Jepsen's EDN, without a newline, and
// returns the extended buffer. Elle, Knossos and their like read a file of
// such lines. Unlike JSON, EDN has every kind of [Value].
func AppendEDN(b []byte, op *Op) []byte {
	b = append(b, "{:index "...)
	b = strconv.AppendInt(b, int64(op.Index), 10)
	b = append(b, ", :time "...)
	b = strconv.AppendInt(b, op.Time, 10)
	switch op.Process {
	case NoProcess:
	case Nemesis:
		b = append(b, ", :process :nemesis"...)
	default:
		b = strconv.AppendInt(append(b, ", :process "...), int64(op.Process), 10)
	}
	b = append(append(b, ", :type :"...), op.Type.String()...)
	if op.F != "" {
		b = appendEDNName(append(b, ", :f "...), op.F)
	}
	if !op.Key.IsAbsent() {
		b = op.Key.AppendEDN(append(b, ", :key "...))
	}
	if !op.Value.IsAbsent() {
		b = op.Value.AppendEDN(append(b, ", :value "...))
	}
	if op.Node != "" {
		b = appendString(append(b, ", :node "...), op.Node)
	}
	if op.Error != "" {
		b = appendString(append(b, ", :error "...), op.Error)
	}
	if op.Final {
		b = append(b, ", :final? true"...)
	}
	return append(b, '}')
}

// appendEDNName writes a name as a keyword where it can be one.
func appendEDNName(b []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		other := c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '?' || c == '!'
		if !letter && (i == 0 || !other) {
			return appendString(b, name)
		}
	}
	return append(append(b, ':'), name...)
}

// AppendEDN appends v to b as EDN and returns the extended buffer. Absent is
// written as nil.
func (v Value) AppendEDN(b []byte) []byte {
	switch v.kind {
	case Absent, KindNil:
		return append(b, "nil"...)
	case KindBool:
		return strconv.AppendBool(b, v.num != 0)
	case KindInt:
		return strconv.AppendInt(b, v.num, 10)
	case KindFloat:
		return appendEDNFloat(b, v.float())
	case KindString:
		return appendString(b, v.ref.str)
	case KindKeyword:
		return append(append(b, ':'), v.ref.str...)
	case KindTagged:
		return append(b, v.ref.str...)
	case KindSet:
		return appendEDNColl(b, "#{", v.ref.elems, '}')
	case KindMap:
		return appendEDNColl(b, "{", v.ref.elems, '}')
	case KindTuple:
		return appendEDNColl(b, "#jepsen.independent.Tuple[", v.ref.elems, ']')
	default:
		return appendEDNColl(b, "[", v.ref.elems, ']')
	}
}

func appendEDNColl(b []byte, opening string, elems []Value, closing byte) []byte {
	b = append(b, opening...)
	for i, e := range elems {
		if i > 0 {
			b = append(b, ' ')
		}
		b = e.AppendEDN(b)
	}
	return append(b, closing)
}

func appendEDNFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "##NaN"...)
	case math.IsInf(f, 1):
		return append(b, "##Inf"...)
	case math.IsInf(f, -1):
		return append(b, "##-Inf"...)
	default:
		return appendFloat(b, f)
	}
}
