package history

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The grammar is that of https://github.com/edn-format/edn, and what Clojure's
// printer adds to it in history files: namespaced maps (#:a{:b 1}), symbolic
// values (##NaN), regular expressions (#"x"), ratios (1/2) and octal
// characters (\o101).

// parseEDN reads a text as one value, for tests and tools.
func parseEDN(text []byte) (Value, error) {
	// A number or symbol ends where the next character cannot belong to it.
	p := parser{b: append(bytes.Clone(text), ' '), arena: newArena()}
	v, err := p.ednValue()
	if err != nil {
		return Value{}, err
	}
	if err := p.blank(); err != nil {
		return Value{}, err
	}
	if p.i < len(p.b) {
		return Value{}, p.unexpected("the end of the text")
	}
	return v, nil
}

// ednDelimiter says which characters end a number, symbol or keyword.
var ednDelimiter = func() (d [256]bool) {
	for _, c := range []byte(" \t\n\r\f\v,()[]{}\";") {
		d[c] = true
	}
	return d
}()

// blank skips white space, commas, comments and discarded forms.
func (p *parser) blank() error {
	for p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == '\f' || c == '\v':
			p.i++
		case c == ';':
			if err := p.comment(); err != nil {
				return err
			}
		case c == '#' && p.i+1 < len(p.b) && p.b[p.i+1] == '_':
			p.i++
			if err := p.discard(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// comment skips the rest of a line. Binary data behind a semicolon is no
// comment, or else a damaged file could look like an empty one.
func (p *parser) comment() error {
	for i := p.i; i < len(p.b); i++ {
		switch c := p.b[i]; {
		case c == '\n':
			p.i = i + 1
			return nil
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			p.i = i
			return p.fail("a control character in a comment")
		}
	}
	return errShort
}

// discard skips the form after #_.
func (p *parser) discard() error {
	if err := p.enter(); err != nil {
		return err
	}
	if _, err := p.ednValue(); err != nil {
		return err
	}
	p.depth--
	return nil
}

// ednRecord reads a map as an operation. Tags before it are dropped, as in
// #jepsen.history.Op{...}, and so is the namespace of #:jepsen{...}.
func (p *parser) ednRecord() (record, error) {
	r := record{op: Op{Process: NoProcess}}
	if err := p.ednOpTags(); err != nil {
		return r, err
	}
	if p.i >= len(p.b) || p.b[p.i] != '{' {
		return r, p.unexpected("an operation in {braces}")
	}
	if err := p.enter(); err != nil {
		return r, err
	}
	var wrong error
	for {
		key, err := p.ednKey()
		if err != nil {
			return r, err
		}
		if key == nil {
			break
		}
		v, err := p.ednValue()
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

// ednOpTags skips what may stand before the brace or bracket of a record or of
// a whole history.
func (p *parser) ednOpTags() error {
	for p.i < len(p.b) && p.b[p.i] == '#' {
		end := p.token(p.i + 1)
		if end == len(p.b) {
			return errShort
		}
		if end == p.i+1 {
			return nil // a set, which is no operation
		}
		p.i = end
		if err := p.blank(); err != nil {
			return err
		}
	}
	return nil
}

// ednKey reads the next key of an operation, or finds the closing brace, stops
// before it and returns nil. Keys that are no names come back empty.
func (p *parser) ednKey() ([]byte, error) {
	if err := p.blank(); err != nil {
		return nil, err
	}
	if p.i >= len(p.b) {
		return nil, errShort
	}
	switch p.b[p.i] {
	case '}':
		return nil, nil
	case ':':
		end := p.token(p.i)
		if end == len(p.b) {
			return nil, errShort
		}
		key := p.b[p.i+1 : end]
		p.i = end
		return key, nil
	default:
		v, err := p.ednValue()
		return []byte(v.Text()), err
	}
}

// token returns the end of the token that begins at i.
func (p *parser) token(i int) int {
	for i < len(p.b) && !ednDelimiter[p.b[i]] {
		i++
	}
	return i
}

func (p *parser) ednValue() (Value, error) {
	if err := p.blank(); err != nil {
		return Value{}, err
	}
	if p.i >= len(p.b) {
		return Value{}, errShort
	}
	switch p.b[p.i] {
	case '[':
		return p.ednColl(KindList, ']')
	case '(':
		return p.ednColl(KindList, ')')
	case '{':
		return p.ednMap()
	case '"':
		text, err := p.ednText()
		if err != nil {
			return Value{}, err
		}
		return p.arena.text(KindString, text), nil
	case '#':
		return p.ednDispatch()
	case '\\':
		return p.ednChar()
	case ')', ']', '}':
		return Value{}, p.unexpected("a value")
	default:
		return p.ednAtom()
	}
}

func (p *parser) ednColl(kind Kind, closing byte) (Value, error) {
	since := len(p.stack)
	if err := p.enter(); err != nil {
		return Value{}, err
	}
	for {
		if err := p.blank(); err != nil {
			return Value{}, err
		}
		if p.i >= len(p.b) {
			return Value{}, errShort
		}
		if p.b[p.i] == closing {
			p.leave()
			return p.collect(kind, since), nil
		}
		v, err := p.ednValue()
		if err != nil {
			return Value{}, err
		}
		p.stack = append(p.stack, v)
	}
}

func (p *parser) ednMap() (Value, error) {
	at := p.i
	v, err := p.ednColl(KindMap, '}')
	if err == nil && len(v.ref.elems)%2 != 0 {
		p.i = at
		return Value{}, p.fail("a map with a key that has no value")
	}
	return v, err
}

// ednDispatch reads what begins with a hash sign.
func (p *parser) ednDispatch() (Value, error) {
	if p.i+1 >= len(p.b) {
		return Value{}, errShort
	}
	switch p.b[p.i+1] {
	case '{':
		p.i++
		return p.ednColl(KindSet, '}')
	case '#':
		return p.ednSymbolic()
	case ':':
		return p.ednNamespaced()
	case '"':
		at := p.i
		p.i++
		if _, err := p.ednRegexp(); err != nil {
			return Value{}, err
		}
		return p.arena.text(KindTagged, p.b[at:p.i]), nil
	default:
		return p.ednTagged()
	}
}

func (p *parser) ednSymbolic() (Value, error) {
	end := p.token(p.i)
	if end == len(p.b) {
		return Value{}, errShort
	}
	at := p.i
	p.i = end
	switch string(p.b[at:end]) {
	case "##NaN":
		return Float(math.NaN()), nil
	case "##Inf":
		return Float(math.Inf(1)), nil
	case "##-Inf":
		return Float(math.Inf(-1)), nil
	}
	p.i = at
	return Value{}, p.fail("%q is neither ##NaN nor ##Inf nor ##-Inf", shorten(p.b[at:end]))
}

// ednNamespaced reads #:ns{:a 1}, which stands for {:ns/a 1}.
func (p *parser) ednNamespaced() (Value, error) {
	end := p.token(p.i)
	if end == len(p.b) {
		return Value{}, errShort
	}
	ns := slices.Clone(p.b[p.i+2 : end])
	if err := p.plainText(ns); err != nil {
		return Value{}, err
	}
	p.i = end
	if err := p.blank(); err != nil {
		return Value{}, err
	}
	if p.i >= len(p.b) || p.b[p.i] != '{' {
		return Value{}, p.unexpected("the map of a namespace")
	}
	v, err := p.ednMap()
	if err != nil {
		return Value{}, err
	}
	for i := 0; i < len(v.ref.elems); i += 2 {
		v.ref.elems[i] = p.qualify(ns, v.ref.elems[i])
	}
	return v, nil
}

// qualify puts a keyword into a namespace, unless it has one; the namespace _
// means none.
func (p *parser) qualify(ns []byte, key Value) Value {
	name := key.Text()
	if key.kind != KindKeyword {
		return key
	}
	if len(name) > 2 && name[:2] == "_/" {
		return p.arena.text(KindKeyword, []byte(name[2:]))
	}
	if i := bytes.IndexByte([]byte(name), '/'); i > 0 {
		return key
	}
	return p.arena.text(KindKeyword, fmt.Appendf(nil, "%s/%s", ns, name))
}

// ednTagged reads a tagged element: a tuple of Jepsen's, or something that is
// kept as its text.
func (p *parser) ednTagged() (Value, error) {
	at := p.i
	end := p.token(at + 1)
	if end == len(p.b) {
		return Value{}, errShort
	}
	if end == at+1 {
		return Value{}, p.fail("a hash sign with nothing after it")
	}
	tuple := tupleTag(p.b[at+1 : end])
	if err := p.enter(); err != nil {
		return Value{}, err
	}
	p.i = end
	v, err := p.ednValue()
	if err != nil {
		return Value{}, err
	}
	p.depth--
	if tuple && len(v.Elems()) == 2 && v.kind == KindList {
		return Value{kind: KindTuple, ref: v.ref}, nil
	}
	if tuple && v.kind == KindMap && len(v.ref.elems) == 4 {
		return p.arena.list(KindTuple, []Value{v.ref.elems[1], v.ref.elems[3]}), nil
	}
	return p.arena.text(KindTagged, p.b[at:p.i]), nil
}

// tupleTag reports whether a tag names Jepsen's independent tuple or the map
// entry that older versions used for it.
func tupleTag(tag []byte) bool {
	name := tag[bytes.LastIndexAny(tag, "./")+1:]
	return string(name) == "Tuple" || string(name) == "MapEntry" || string(name) == "tuple"
}

// ednAtom reads a keyword, a number or a symbol.
func (p *parser) ednAtom() (Value, error) {
	start := p.i
	end := p.token(start)
	if end == len(p.b) {
		return Value{}, errShort
	}
	text := p.b[start:end]
	if err := p.plainText(text); err != nil {
		return Value{}, err
	}
	p.i = end
	switch c := text[0]; {
	case c == ':' && len(text) == 1:
		p.i = start
		return Value{}, p.fail("a keyword without a name")
	case c == ':':
		return p.arena.text(KindKeyword, text[1:]), nil
	case c >= '0' && c <= '9', len(text) > 1 && (c == '-' || c == '+') && text[1] >= '0' && text[1] <= '9':
		v, ok := p.ednNumber(text)
		if !ok {
			p.i = start
			return Value{}, p.fail("%q is not a number", shorten(text))
		}
		return v, nil
	}
	switch string(text) {
	case "nil":
		return Nil, nil
	case "true":
		return Bool(true), nil
	case "false":
		return Bool(false), nil
	}
	return p.arena.text(KindTagged, text), nil
}

// plainText refuses names with binary data in them: they come from damage.
func (p *parser) plainText(text []byte) error {
	ascii := true
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return p.fail("a control character in a name")
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.Valid(text) {
		return p.fail("a name that is not UTF-8")
	}
	return nil
}

// ednNumber reads an integer of 64 bits or a float; bigger integers, decimals
// and ratios keep their text.
func (p *parser) ednNumber(text []byte) (Value, bool) {
	if n, ok := parseInt(text); ok {
		return Int(n), true
	}
	sign := text[:0]
	digitsOnly := text
	if text[0] == '-' || text[0] == '+' {
		sign, digitsOnly = text[:1], text[1:]
	}
	n, rest := digits(digitsOnly)
	switch {
	case n == 0:
		return Value{}, false
	case n == 1 && digitsOnly[0] == '0' && len(rest) > 1 && rest[0]|0x20 == 'x': // in #object[a.Class 0x1f "..."]
		hex, err := strconv.ParseInt(string(sign)+string(rest[1:]), 16, 64)
		return Int(hex), err == nil
	case len(rest) == 0 || string(rest) == "N":
		return p.bigInt(sign, digitsOnly[:n]), true
	case rest[0] == '/':
		d, after := digits(rest[1:])
		return p.arena.text(KindTagged, text), d > 0 && len(after) == 0
	case rest[len(rest)-1] == 'M':
		return p.arena.text(KindTagged, text), ednFloat(rest[:len(rest)-1])
	case !ednFloat(rest):
		return Value{}, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return p.arena.text(KindTagged, text), true
	}
	return Float(f), true
}

// bigInt reads an integer that was marked as big or is.
func (p *parser) bigInt(sign, digits []byte) Value {
	text := slices.Concat(bytes.Trim(sign, "+"), digits)
	if n, ok := parseInt(text); ok {
		return Int(n)
	}
	return p.arena.text(KindTagged, text)
}

// ednFloat reports whether text can follow the whole part of a float.
func ednFloat(text []byte) bool {
	if len(text) > 0 && text[0] == '.' {
		_, text = digits(text[1:])
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		n, rest := digits(text)
		return n > 0 && len(rest) == 0
	}
	return len(text) == 0
}

var ednCharNames = map[string]rune{
	"newline": '\n', "space": ' ', "tab": '\t', "return": '\r', "formfeed": '\f', "backspace": '\b',
}

// ednChar reads a character as a string of one.
func (p *parser) ednChar() (Value, error) {
	if !utf8.FullRune(p.b[p.i+1:]) {
		return Value{}, errShort
	}
	first, size := utf8.DecodeRune(p.b[p.i+1:])
	end := p.token(p.i + 1 + size)
	if end == len(p.b) {
		return Value{}, errShort
	}
	name := p.b[p.i+1 : end]
	r, ok := ednCharNames[string(name)]
	switch {
	case ok:
	case len(name) == size && (first != utf8.RuneError || size > 1):
		r, ok = first, true
	case name[0] == 'u' && len(name) == 5:
		r, ok = parseRune(name[1:], 16)
	case name[0] == 'o':
		r, ok = parseRune(name[1:], 8)
	}
	if !ok {
		return Value{}, p.fail("unknown character \\%s", shorten(name))
	}
	p.i = end
	return p.arena.text(KindString, utf8.AppendRune(nil, r)), nil
}

func parseRune(digits []byte, base int) (rune, bool) {
	n, err := strconv.ParseUint(string(digits), base, 16)
	return rune(n), err == nil
}

// ednText reads a string and returns its content.
func (p *parser) ednText() ([]byte, error) {
	start := p.i + 1
	for i := start; i < len(p.b); i++ {
		switch c := p.b[i]; {
		case c == '"':
			p.i = i + 1
			return p.b[start:i], nil
		case c == '\\' || c >= utf8.RuneSelf:
			return p.ednEscapedText(start, i)
		case c == 0:
			p.i = i
			return nil, p.fail("a control character in a string")
		}
	}
	return nil, errShort
}

func (p *parser) ednEscapedText(start, i int) ([]byte, error) {
	out := slices.Clone(p.b[start:i])
	for i < len(p.b) {
		c := p.b[i]
		switch c {
		case '"':
			p.i = i + 1
			return bytes.ToValidUTF8(out, []byte("\ufffd")), nil
		case '\\':
			var err error
			if out, i, err = p.ednEscape(out, i); err != nil {
				return nil, err
			}
		case 0:
			p.i = i
			return nil, p.fail("a control character in a string")
		default:
			out = append(out, c)
			i++
		}
	}
	return nil, errShort
}

// ednEscape is like jsonEscape, with octal numbers in addition.
func (p *parser) ednEscape(out []byte, i int) ([]byte, int, error) {
	if i+1 >= len(p.b) {
		return nil, 0, errShort
	}
	if c := p.b[i+1]; c < '0' || c > '7' {
		return p.jsonEscape(out, i)
	}
	end := i + 1
	for end < len(p.b) && end < i+4 && p.b[end] >= '0' && p.b[end] <= '7' {
		end++
	}
	if end == len(p.b) {
		return nil, 0, errShort
	}
	r, _ := parseRune(p.b[i+1:end], 8)
	return utf8.AppendRune(out, r), end, nil
}

// ednRegexp skips a regular expression, in which only \" matters.
func (p *parser) ednRegexp() (end int, err error) {
	for i := p.i + 1; i < len(p.b); i++ {
		switch p.b[i] {
		case '\\':
			i++
		case '"':
			p.i = i + 1
			return p.i, nil
		}
	}
	return 0, errShort
}
