package history

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseJSON reads one operation from one line of JSON: the inverse of
// [AppendJSON]. Fields that it does not know are ignored. An operation without
// an index or a time has 0 there.
//
// For whole files use [Read], which is faster, because it keeps one copy of
// each name.
func ParseJSON(line []byte) (Op, error) {
	p := parser{b: line, arena: newArena()}
	p.space()
	r, err := p.jsonRecord()
	if err != nil {
		return Op{}, err
	}
	p.space()
	if p.i < len(p.b) {
		return Op{}, p.unexpected("the end of the line")
	}
	r.op.Index = int(r.index)
	return r.op, nil
}

func (p *parser) space() {
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// jsonRecord reads an object as an operation.
func (p *parser) jsonRecord() (record, error) {
	r := record{op: Op{Process: NoProcess}}
	if p.i >= len(p.b) || p.b[p.i] != '{' {
		return r, p.unexpected("an operation in {braces}")
	}
	if err := p.enter(); err != nil {
		return r, err
	}
	var wrong error // a wrong field counts only when the object turns out to be whole
	for first := true; ; first = false {
		key, more, err := p.jsonKey(first)
		if err != nil {
			return r, err
		}
		if !more {
			break
		}
		v, err := p.jsonValue()
		if err != nil {
			return r, err
		}
		if err := r.set(key, v); err != nil && wrong == nil {
			wrong = err
		}
	}
	p.leave()
	if wrong != nil {
		return r, wrong
	}
	return r, r.finish()
}

// jsonKey reads the key of the next member of an object, with its colon, or
// finds the closing brace and stops before it.
func (p *parser) jsonKey(first bool) (key []byte, more bool, err error) {
	p.space()
	if p.i < len(p.b) && p.b[p.i] == '}' {
		return nil, false, nil
	}
	if !first {
		if p.i >= len(p.b) || p.b[p.i] != ',' {
			return nil, false, p.unexpected(`"," or "}"`)
		}
		p.i++
		p.space()
	}
	key, err = p.jsonText()
	if err != nil {
		return nil, false, err
	}
	p.space()
	if p.i >= len(p.b) || p.b[p.i] != ':' {
		return nil, false, p.unexpected(`":"`)
	}
	p.i++
	return key, true, nil
}

func (p *parser) jsonValue() (Value, error) {
	p.space()
	if p.i >= len(p.b) {
		return Value{}, errShort
	}
	switch c := p.b[p.i]; {
	case c == '"':
		text, err := p.jsonText()
		if err != nil {
			return Value{}, err
		}
		return p.arena.text(KindString, text), nil
	case c == '-' || c >= '0' && c <= '9':
		if v, ok := p.jsonInt(); ok {
			return v, nil
		}
		return p.jsonNumber(false)
	case c == '[':
		return p.jsonArray()
	case c == '{':
		return p.jsonMap()
	case c == 'n':
		return p.literal("null", Nil)
	case c == 't':
		return p.literal("true", Bool(true))
	case c == 'f':
		return p.literal("false", Bool(false))
	default:
		return Value{}, p.unexpected("a value")
	}
}

func (p *parser) literal(word string, v Value) (Value, error) {
	for i := range len(word) {
		if p.i+i >= len(p.b) {
			return Value{}, errShort
		}
		if p.b[p.i+i] != word[i] {
			return Value{}, p.fail("%s is misspelt", word)
		}
	}
	p.i += len(word)
	return v, nil
}

func (p *parser) jsonArray() (Value, error) {
	since := len(p.stack)
	if err := p.enter(); err != nil {
		return Value{}, err
	}
	for first := true; ; first = false {
		p.space()
		if p.i < len(p.b) && p.b[p.i] == ']' {
			p.leave()
			return p.collect(KindList, since), nil
		}
		if !first {
			if p.i >= len(p.b) || p.b[p.i] != ',' {
				return Value{}, p.unexpected(`"," or "]"`)
			}
			p.i++
		}
		v, err := p.jsonValue()
		if err != nil {
			return Value{}, err
		}
		p.stack = append(p.stack, v)
	}
}

func (p *parser) jsonMap() (Value, error) {
	since := len(p.stack)
	if err := p.enter(); err != nil {
		return Value{}, err
	}
	for first := true; ; first = false {
		key, more, err := p.jsonKey(first)
		if err != nil {
			return Value{}, err
		}
		if !more {
			p.leave()
			return p.collect(KindMap, since), nil
		}
		k := p.arena.text(KindString, key)
		v, err := p.jsonValue()
		if err != nil {
			return Value{}, err
		}
		p.stack = append(p.stack, k, v)
	}
}

// jsonInt reads an integer of up to 18 digits that a comma or bracket follows,
// as nearly all numbers are. It leaves everything else to jsonNumber.
func (p *parser) jsonInt() (Value, bool) {
	i, neg := p.i, p.b[p.i] == '-'
	if neg {
		i++
	}
	first := i
	var n int64
	for ; i < len(p.b) && p.b[i] >= '0' && p.b[i] <= '9'; i++ {
		n = 10*n + int64(p.b[i]-'0') // wraps only where the length is refused below
	}
	length := i - first
	if length == 0 || length > 18 || length > 1 && p.b[first] == '0' || i == len(p.b) {
		return Value{}, false
	}
	if c := p.b[i]; c != ',' && c != '}' && c != ']' {
		return Value{}, false
	}
	if neg {
		n = -n
	}
	p.i = i
	return Int(n), true
}

// jsonNumber reads a number: an integer of 64 bits, a float when it has a
// fraction or an exponent, and otherwise, being too big for either, its text.
// At the end of a buffer a number may go on; whole says that it does not.
func (p *parser) jsonNumber(whole bool) (Value, error) {
	start, end := p.i, p.i
	float := false
scan:
	for ; end < len(p.b); end++ {
		switch c := p.b[end]; {
		case c >= '0' && c <= '9' || c == '-' || c == '+':
		case c == '.' || c == 'e' || c == 'E':
			float = true
		default:
			break scan
		}
	}
	if end == len(p.b) && !whole {
		return Value{}, errShort
	}
	text := p.b[start:end]
	if !float {
		if n, ok := parseInt(text); ok && jsonNumberShape(text) {
			p.i = end
			return Int(n), nil
		}
	}
	if !jsonNumberShape(text) {
		return Value{}, p.fail("%q is not a number", shorten(text))
	}
	p.i = end
	if float {
		if f, err := strconv.ParseFloat(string(text), 64); err == nil {
			return Float(f), nil
		}
	}
	return p.arena.text(KindTagged, text), nil
}

// jsonNumberShape reports whether text follows the grammar of JSON's numbers.
func jsonNumberShape(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("-"))
	whole, rest := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	if len(rest) > 0 && rest[0] == '.' {
		var n int
		if n, rest = digits(rest[1:]); n == 0 {
			return false
		}
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		var n int
		if n, rest = digits(rest); n == 0 {
			return false
		}
	}
	return len(rest) == 0
}

// digits returns the number of decimal digits that text begins with, and the
// rest of it.
func digits(text []byte) (n int, rest []byte) {
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n, text[n:]
}

func shorten(text []byte) []byte { return text[:min(len(text), 40)] }

// jsonText reads a string and returns its content, which is valid only until
// the next call.
func (p *parser) jsonText() ([]byte, error) {
	if p.i >= len(p.b) || p.b[p.i] != '"' {
		return nil, p.unexpected("a string")
	}
	start := p.i + 1
	for i := start; i < len(p.b); i++ {
		switch c := p.b[i]; {
		case c == '"':
			p.i = i + 1
			return p.b[start:i], nil
		case c == '\\' || c >= utf8.RuneSelf:
			return p.jsonEscapedText(start, i)
		case c < ' ':
			p.i = i
			return nil, p.fail("a control character in a string")
		}
	}
	return nil, errShort
}

// jsonEscapedText reads on, from i, in a string that cannot be taken as it is.
func (p *parser) jsonEscapedText(start, i int) ([]byte, error) {
	out := append([]byte(nil), p.b[start:i]...)
	for i < len(p.b) {
		c := p.b[i]
		switch {
		case c == '"':
			p.i = i + 1
			return bytes.ToValidUTF8(out, []byte("\ufffd")), nil
		case c == '\\':
			var err error
			if out, i, err = p.jsonEscape(out, i); err != nil {
				return nil, err
			}
		case c < ' ':
			p.i = i
			return nil, p.fail("a control character in a string")
		default:
			out = append(out, c)
			i++
		}
	}
	return nil, errShort
}

// jsonEscape appends what the escape at i stands for and returns the position
// behind it.
func (p *parser) jsonEscape(out []byte, i int) ([]byte, int, error) {
	if i+1 >= len(p.b) {
		return nil, 0, errShort
	}
	c := p.b[i+1]
	if at := bytes.IndexByte([]byte(`"\/bfnrt`), c); at >= 0 {
		return append(out, "\"\\/\b\f\n\r\t"[at]), i + 2, nil
	}
	if c != 'u' {
		p.i = i
		return nil, 0, p.fail("unknown escape \\%c in a string", rune(c))
	}
	r, err := p.hex4(i + 2)
	if err != nil {
		return nil, 0, err
	}
	i += 6
	if utf16.IsSurrogate(r) && i+1 < len(p.b) && p.b[i] == '\\' && p.b[i+1] == 'u' {
		low, err := p.hex4(i + 2)
		if err != nil {
			return nil, 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), i + 6, nil
		}
	}
	return utf8.AppendRune(out, r), i, nil
}

// hex4 reads the four hexadecimal digits at i.
func (p *parser) hex4(i int) (rune, error) {
	var r rune
	for end := i + 4; i < end; i++ {
		if i >= len(p.b) {
			return 0, errShort
		}
		at := bytes.IndexByte([]byte(hex), p.b[i]|0x20)
		if at < 0 || p.b[i] < '0' {
			p.i = i
			return 0, p.fail("four hexadecimal digits expected after \\u")
		}
		r = r<<4 | rune(at)
	}
	return r, nil
}
