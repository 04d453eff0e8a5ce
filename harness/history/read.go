package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unsafe" // for the sizes of types only
)

// Open reads the history file at path; see [Read].
func Open(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	defer file.Close()
	h, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// Read reads a history in any of the formats of the package comment. It looks
// at the content to find out which one it is.
//
// A file without operations is an empty history. A file whose tail is damaged,
// as a crash leaves it, is the history before that, with Torn set. Damage with
// whole data behind it, and an object that is no operation, is a
// [*CorruptError].
//
// Index is the position in the history, whatever the file says; see
// [History.FileIndex]. A record without a time gets that of the record before.
// Records of Jepsen's types sleep and log are skipped.
func Read(r io.Reader) (*History, error) { return ReadWithin(r, math.MaxInt64) }

// ErrTooLarge is the error of [ReadWithin] for a history that is larger than
// the memory it may take.
var ErrTooLarge = errors.New("the history needs more memory than it may take: allow more, or check fewer operations")

// ReadWithin is [Read] for a history from a stranger: it gives up with
// [ErrTooLarge] when the history takes more than about the given number of bytes
// of memory. A few kilobytes of zstd can unpack to millions of operations.
func ReadWithin(r io.Reader, memory int64) (*History, error) {
	t, err := newText(r)
	if err != nil {
		return nil, err
	}
	t.memory = memory
	if err := t.readOps(); err != nil {
		return nil, err
	}
	h := t.h // alone, so that the buffers go
	h.Ops = t.ops.join()
	return &h, nil
}

// CorruptError says that a file is damaged in its middle, or is no history.
type CorruptError struct {
	Offset int64  // byte of the file; in a compressed file, where the frame begins
	Line   int    // line of the text, from 1
	Ops    int    // how many operations, or lines, before it are whole
	Reason string // what is wrong there
}

// Error says where the file is damaged and what can be done.
func (e *CorruptError) Error() string {
	advice := "is this a history? Wanted: operations as JSON Lines, a JSON array, or Jepsen's EDN; plain, gzip or zstd"
	if e.Ops > 0 {
		advice = fmt.Sprintf("the %d records before it are whole: restore the file from a copy, or use them alone (head -c %d FILE > PART)",
			e.Ops, e.Offset)
	}
	return fmt.Sprintf("byte %d, line %d: %s; %s", e.Offset, e.Line, e.Reason, advice)
}

// maxForm is how long the text of one operation may be.
const maxForm = 64 << 20

// text is the text of a file, whatever it was packed in, as a buffer that
// slides over it. The parser works on the buffer, and starts again on the same
// form when it runs out of it.
type text struct {
	src    source
	piece  io.Reader // the piece that is being read, or nil
	pieces []piece   // those that are in the buffer, at least in part
	eof    bool
	broken *damage // the file has no more whole pieces

	parser
	done  int64 // bytes of the text before the buffer
	lines int   // lines of the text before the buffer
	form  int   // where in the buffer the current form begins

	syntax    syntax
	wrapped   bool // the operations are in [brackets]
	closed    bool // the closing bracket was seen
	closing   byte
	comma     bool // the comma before the next operation was read
	whole     int  // operations that were read
	seen      int  // records, those that were skipped included
	ahead     bool // the rest was, or is being, read in chunks
	chunkSize int
	spares    []*chunk // that were taken, to be filled again

	h        History
	memory   int64 // how much it may take
	ops      chunks
	time     int64          // of the last operation
	warnings map[Oddity]int // index into h.Warnings
	indexed  int64          // the index that the next record should have at least
}

// piece is a part of the text: from a position in it, to be found at a
// position of the file.
type piece struct{ text, file int64 }

// syntax is the notation of a file.
type syntax uint8

const (
	unknownSyntax syntax = iota
	jsonSyntax
	ednSyntax
)

const (
	firstBuffer = 16 << 10
	minFill     = 16 // enough to see what the file is
)

func newText(r io.Reader) (*text, error) {
	src, err := sniff(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	t := &text{src: src, warnings: make(map[Oddity]int), chunkSize: chunkSize}
	t.arena = newArena()
	t.b = make([]byte, 0, firstBuffer)
	return t, nil
}

// fill makes the current form longer by at least what there is of it, unless
// the text ends: a form that is parsed again and again costs no more than
// twice its length.
func (t *text) fill() error {
	t.slide()
	want := min(2*len(t.b)+minFill, cap(t.b))
	if len(t.b) == cap(t.b) {
		if len(t.b) >= maxForm {
			return t.corrupt(fmt.Sprintf("one record takes more than %d bytes", maxForm))
		}
		t.b = append(make([]byte, 0, 4*cap(t.b)), t.b...)
		want = 2 * len(t.b)
	}
	for !t.eof && len(t.b) < want {
		if err := t.read(); err != nil {
			return err
		}
	}
	return nil
}

// slide drops what is before the current form.
func (t *text) slide() {
	t.lines += bytes.Count(t.b[:t.form], []byte("\n"))
	t.done += int64(t.form)
	t.b = t.b[:copy(t.b, t.b[t.form:])]
	t.i, t.form = 0, 0
	for len(t.pieces) > 1 && t.pieces[1].text <= t.done {
		t.pieces = t.pieces[1:]
	}
}

// read reads once into the room behind the buffer.
func (t *text) read() error {
	if t.piece == nil {
		return t.nextPiece()
	}
	n, err := t.piece.Read(t.b[len(t.b):cap(t.b)])
	t.b = t.b[:len(t.b)+n]
	if err == io.EOF {
		t.piece = nil
	} else if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	return nil
}

func (t *text) nextPiece() error {
	r, offset, err := t.src.next()
	switch {
	case errors.Is(err, io.EOF):
		t.eof = true
	case errors.As(err, &t.broken):
		t.eof = true
	case err != nil:
		return err
	default:
		t.piece = r
		t.pieces = append(t.pieces, piece{t.done + int64(len(t.b)), offset})
	}
	return nil
}

// offset returns the byte of the file that a position in the buffer is at: of
// the frame, if the file is compressed.
func (t *text) offset(at int) int64 {
	pos := t.done + int64(at)
	if _, plain := t.src.(*plainSource); plain {
		return pos
	}
	var file int64
	for _, p := range t.pieces {
		if p.text <= pos {
			file = p.file
		}
	}
	return file
}

func (t *text) line(at int) int {
	return t.lines + bytes.Count(t.b[:min(at, len(t.b))], []byte("\n")) + 1
}

// corrupt makes an error about the current form.
func (t *text) corrupt(reason string) *CorruptError {
	return &CorruptError{Offset: t.offset(t.form), Line: t.line(t.form), Ops: t.whole, Reason: reason}
}

// readOps reads all operations.
func (t *text) readOps() error {
	for {
		r, got, err := t.step()
		switch {
		case err == nil:
			if got {
				t.add(r)
			}
			if t.used() > t.memory {
				return fmt.Errorf("line %d: %w", t.line(t.form), ErrTooLarge)
			}
			t.form = t.i
			if t.splits() {
				if err := t.readAhead(); err != nil {
					return err
				}
			}
		case errors.Is(err, io.EOF):
			return t.end()
		case errors.Is(err, errShort) && t.eof:
			return t.tail()
		case errors.Is(err, errShort):
			if err := t.fill(); err != nil {
				return err
			}
		default:
			return t.bad(err)
		}
	}
}

// used returns the memory that the history takes, about: its operations are
// copied once in the end.
func (t *text) used() int64 {
	return t.arena.bytes + 2*int64(t.whole)*int64(unsafe.Sizeof(Op{}))
}

// step reads the next operation, or a bracket around the operations. The error
// is io.EOF between operations, and errShort where the buffer is too short.
func (t *text) step() (r record, got bool, err error) {
	t.reset()
	if t.syntax == unknownSyntax {
		if t.syntax, err = t.sniffSyntax(); err != nil {
			return r, false, err
		}
	}
	if t.syntax == ednSyntax {
		return t.stepEDN()
	}
	return t.stepJSON()
}

// reset makes the parser begin at the current form.
func (t *text) reset() {
	t.i, t.depth, t.stack = t.form, 0, t.stack[:0]
}

// between is called at the end of the buffer when no operation has begun.
func (t *text) between() error {
	t.form = t.i
	if t.eof {
		return io.EOF
	}
	return errShort
}

// sniffSyntax tells JSON from EDN by the first characters: an object or an
// array of objects, whose first key is a "string", is JSON.
func (t *text) sniffSyntax() (syntax, error) {
	if bytes.HasPrefix(t.b[t.i:], []byte("\ufeff")) {
		t.i += len("\ufeff")
	}
	t.space()
	if t.i >= len(t.b) {
		return unknownSyntax, t.between()
	}
	if strings.IndexByte("{[(;#,", t.b[t.i]) < 0 {
		return unknownSyntax, t.unexpected("an operation")
	}
	for _, c := range t.b[t.i:] {
		switch c {
		case ' ', '\t', '\r', '\n', '[', '{':
		case '"', '}', ']':
			return jsonSyntax, nil
		default:
			return ednSyntax, nil
		}
	}
	return unknownSyntax, errShort
}

// stepJSON reads the next operation of JSON Lines or a JSON array.
func (t *text) stepJSON() (r record, got bool, err error) {
	t.space()
	if t.i >= len(t.b) {
		return r, false, t.between()
	}
	t.form = t.i
	c := t.b[t.i]
	switch {
	case t.closed:
		return r, false, t.unexpected("the end of the file")
	case c == '[' && !t.wrapped && t.seen == 0:
		t.wrapped = true
		t.i++
		return r, false, nil
	case c == ']' && t.wrapped:
		t.closed = true
		t.i++
		return r, false, nil
	case t.wrapped && t.seen > 0 && !t.comma:
		if c != ',' {
			return r, false, t.unexpected(`"," or "]"`)
		}
		t.comma = true
		t.i++
		t.space()
		t.form = t.i
	}
	r, err = t.jsonRecord()
	t.comma = t.comma && err != nil
	return r, err == nil, err
}

// stepEDN reads the next operation of a file of maps, or of one big vector or
// list of them.
func (t *text) stepEDN() (r record, got bool, err error) {
	err = t.blank()
	if errors.Is(err, errShort) && t.eof && t.i < len(t.b) && t.b[t.i] == ';' {
		t.i, err = len(t.b), nil // a comment on the last line
	}
	switch {
	case err != nil:
		return r, false, err
	case t.i >= len(t.b):
		return r, false, t.between()
	case t.closed:
		return r, false, t.unexpected("the end of the file")
	case t.wrapped && t.b[t.i] == t.closing:
		t.closed = true
		t.i++
		return r, false, nil
	case !t.wrapped && t.seen == 0:
		if t.wrapped, err = t.openEDN(); t.wrapped || err != nil {
			return r, false, err
		}
	}
	t.form = t.i
	r, err = t.ednRecord()
	return r, err == nil, err
}

// openEDN reads the bracket of a vector or list of operations, if there is one.
func (t *text) openEDN() (bool, error) {
	at := t.i
	if err := t.ednOpTags(); err != nil {
		return false, err
	}
	if t.i >= len(t.b) {
		return false, errShort
	}
	switch t.b[t.i] {
	case '[':
		t.closing = ']'
	case '(':
		t.closing = ')'
	default:
		t.i = at
		return false, nil
	}
	t.i++
	return true, nil
}

// add takes a record into the history.
func (t *text) add(r record) {
	t.seen++
	if r.skip {
		return
	}
	r.op.Index = t.whole
	switch {
	case !r.hasTime:
		r.op.Time = t.time
	case r.op.Time < t.time && t.whole > 0:
		t.warn(TimeGoesBack, "the time goes back; the order of the records is what counts")
	}
	t.time = r.op.Time
	t.addIndex(r, t.whole)
	t.ops.add(r.op)
	t.whole++
}

// chunks is a slice of operations that grows without copying; that matters
// when they are millions.
type chunks struct {
	full [][]Op
	last []Op
}

const (
	firstChunk = 16
	lastChunk  = 8192
)

func (c *chunks) add(op Op) {
	if len(c.last) == cap(c.last) {
		if c.last != nil {
			c.full = append(c.full, c.last)
		}
		c.last = make([]Op, 0, min(max(firstChunk, 4*cap(c.last)), lastChunk))
	}
	c.last = append(c.last, op)
}

// join returns all operations.
func (c *chunks) join() []Op {
	if len(c.full) == 0 {
		return c.last
	}
	return slices.Concat(append(c.full, c.last)...)
}

// addIndex keeps the index of the file when it is not the position.
func (t *text) addIndex(r record, n int) {
	index := int64(n)
	if r.hasIndex {
		index = r.index
		if index < t.indexed {
			t.warn(IndexesRepeated, "the index repeats or goes back; are these two histories in one file? The order of the records is what counts")
		}
		t.indexed = index + 1
	}
	if t.h.Indexes == nil {
		if index == int64(n) {
			return
		}
		t.h.Indexes = make([]int64, n, 2*n+16)
		for i := range t.h.Indexes {
			t.h.Indexes[i] = int64(i)
		}
	}
	t.h.Indexes = append(t.h.Indexes, index)
}

func (t *text) warn(kind Oddity, what string) {
	at, seen := t.warnings[kind]
	if !seen {
		at = len(t.h.Warnings)
		t.warnings[kind] = at
		t.h.Warnings = append(t.h.Warnings, Warning{Oddity: kind, Offset: t.offset(t.form), Line: t.line(t.form), Text: what})
	}
	t.h.Warnings[at].Count++
}

// end is called when the text has ended between two operations.
func (t *text) end() error {
	if t.broken != nil || t.wrapped && !t.closed {
		return t.tail()
	}
	return nil
}

// tail is called when the text has ended where it should not.
func (t *text) tail() error {
	if t.broken != nil {
		return t.packedTail()
	}
	bad := t.corrupt("an operation that does not end")
	reason := "the file ends in the middle of an operation"
	if t.form >= len(t.b) {
		reason = "the file ends without the closing bracket"
	}
	if t.opFollows(t.nextLine()) {
		return bad
	}
	t.h.Torn = &Torn{Offset: bad.Offset, Reason: reason}
	return nil
}

// packedTail is called when the rest of a compressed file is damaged.
func (t *text) packedTail() error {
	if t.broken.middle {
		bad := t.corrupt(t.broken.reason)
		bad.Offset = t.broken.offset
		return bad
	}
	t.h.Torn = &Torn{Offset: t.broken.offset, Reason: t.broken.reason}
	return nil
}

// bad is called when there is something that is no operation. Where a file
// begins so, it is no history; with operations behind it, it is damaged in the
// middle; at the end, it is what a crash can leave, such as a block of zeros.
func (t *text) bad(err error) error {
	bad := t.corrupt(err.Error())
	var syntax *syntaxError
	if t.seen == 0 || !errors.As(err, &syntax) || t.opFollows(min(syntax.at, t.nextLine())) {
		return bad
	}
	t.h.Torn = &Torn{Offset: bad.Offset, Reason: bad.Reason}
	return nil
}

// nextLine returns the end of the line that the form begins in, or of the
// buffer. A closing quote or bracket that was damaged makes an operation swallow
// the lines that follow it.
func (t *text) nextLine() int {
	if nl := bytes.IndexByte(t.b[t.form:], '\n'); nl >= 0 {
		return t.form + nl
	}
	return len(t.b)
}

// opFollows is bounded by maxTries places where an operation might begin, and
// by the text of none being longer than maxTry.
const (
	maxTries = 1000
	maxTry   = 1 << 20
)

// opFollows looks for a whole operation anywhere behind a position. It is the
// last use of the text.
func (t *text) opFollows(from int) bool {
	t.form = from
	for tries := 0; tries < maxTries; {
		at := bytes.IndexByte(t.b[t.form:], '{')
		if at < 0 && t.eof {
			return false
		}
		if at < 0 {
			at = len(t.b) - t.form
		}
		t.form += at
		ok, err := t.tryOp()
		switch {
		case ok:
			return true
		case errors.Is(err, errShort) && !t.eof && len(t.b)-t.form < maxTry:
			if t.fill() != nil {
				return true
			}
		default:
			t.form++
			tries++
		}
	}
	return true
}

func (t *text) tryOp() (bool, error) {
	t.reset()
	_, err := t.record(t.syntax)
	return err == nil, err
}
