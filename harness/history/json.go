package history

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendJSON appends op to b as one JSON object, without a newline, and
// returns the extended buffer. Fields that are absent or empty are left out.
//
// JSON has fewer kinds of values than a history: keywords and tagged elements
// become strings, sets and tuples arrays, keys of maps their text, and the
// floats that JSON has no name for the strings "NaN", "Infinity" and
// "-Infinity". Integers of any size stay integers, and a float is always
// written so that it reads as a float.
func AppendJSON(b []byte, op *Op) []byte {
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(op.Index), 10)
	b = append(b, `,"time":`...)
	b = strconv.AppendInt(b, op.Time, 10)
	b = appendProcess(b, op.Process)
	b = append(b, `,"type":"`...)
	b = append(b, op.Type.String()...)
	b = append(b, '"')
	if op.F != "" {
		b = appendString(append(b, `,"f":`...), op.F)
	}
	if !op.Key.IsAbsent() {
		b = appendJSONValue(append(b, `,"key":`...), op.Key)
	}
	if !op.Value.IsAbsent() {
		b = appendJSONValue(append(b, `,"value":`...), op.Value)
	}
	if op.Node != "" {
		b = appendString(append(b, `,"node":`...), op.Node)
	}
	if op.Error != "" {
		b = appendString(append(b, `,"error":`...), op.Error)
	}
	if op.Final {
		b = append(b, `,"final":true`...)
	}
	return append(b, '}')
}

func appendProcess(b []byte, p Process) []byte {
	switch p {
	case NoProcess:
		return b
	case Nemesis:
		return append(b, `,"process":"nemesis"`...)
	default:
		return strconv.AppendInt(append(b, `,"process":`...), int64(p), 10)
	}
}

// AppendJSON appends v to b as JSON, in the way of the function [AppendJSON],
// and returns the extended buffer. Absent is written as null.
func (v Value) AppendJSON(b []byte) []byte { return appendJSONValue(b, v) }

func appendJSONValue(b []byte, v Value) []byte {
	switch v.kind {
	case Absent, KindNil:
		return append(b, "null"...)
	case KindBool:
		return strconv.AppendBool(b, v.num != 0)
	case KindInt:
		return strconv.AppendInt(b, v.num, 10)
	case KindFloat:
		return appendJSONFloat(b, v.float())
	case KindString, KindKeyword:
		return appendString(b, v.ref.str)
	case KindTagged:
		return appendTagged(b, v.ref.str)
	case KindMap:
		return appendJSONMap(b, v.ref.elems)
	default:
		return appendJSONArray(b, v.ref.elems)
	}
}

func appendJSONArray(b []byte, elems []Value) []byte {
	b = append(b, '[')
	for i, e := range elems {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONValue(b, e)
	}
	return append(b, ']')
}

func appendJSONMap(b []byte, kvs []Value) []byte {
	b = append(b, '{')
	for i := 0; i < len(kvs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, keyText(kvs[i])), ':')
		b = appendJSONValue(b, kvs[i+1])
	}
	return append(b, '}')
}

func keyText(key Value) string {
	switch key.kind {
	case KindString, KindKeyword, KindTagged:
		return key.ref.str
	default:
		return key.String()
	}
}

func appendJSONFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	default:
		return appendFloat(b, f)
	}
}

// appendFloat writes a finite float so that nobody reads it as an integer.
func appendFloat(b []byte, f float64) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if bytes.ContainsAny(b[start:], ".e") {
		return b
	}
	return append(b, ".0"...)
}

// appendTagged writes a number that is too big for 64 bits as the number that
// it is, and any other text as a string.
func appendTagged(b []byte, text string) []byte {
	p := parser{b: []byte(text), arena: newArena()}
	if text != "" && strings.IndexByte("-0123456789", text[0]) >= 0 {
		if v, err := p.jsonNumber(true); err == nil && p.i == len(p.b) && v.kind == KindTagged {
			return append(b, text...)
		}
	}
	return appendString(b, text)
}

const hex = "0123456789abcdef"

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD,
// because JSON cannot hold them.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = appendEscape(append(b, s[plain:i]...), c)
		i++
		plain = i
	}
	return append(append(b, s[plain:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch {
	case c >= utf8.RuneSelf:
		return append(b, "\ufffd"...)
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, `\n`...)
	case c == '\t':
		return append(b, `\t`...)
	case c == '\r':
		return append(b, `\r`...)
	default:
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}
