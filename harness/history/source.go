package history

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A source gives the text of a file in pieces that are known to be whole: for
// compressed files, a piece is handed out only after its checksum was seen to
// match, so the parser never meets text that damage has changed.
type source interface {
	// next returns the next piece and where it begins in the file; io.EOF at a
	// good end, or a *damage.
	next() (piece io.Reader, offset int64, err error)
}

// damage says where a file stops being whole.
type damage struct {
	offset int64
	middle bool // whole data follows it: no crash of the writer leaves that
	reason string
}

func (d *damage) Error() string { return d.reason }

// maxPacked is the size up to which a compressed frame is accepted: it has to
// be in memory to be checked before it is used.
const maxPacked = 1 << 30

// sniff finds out how the file is packed.
func sniff(br *bufio.Reader) (source, error) {
	head, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	switch {
	case len(head) > 1 && isPrefix(head, zstdMagic), len(head) == 4 && isSkippable(head):
		return newZstdSource(br)
	case len(head) > 0 && isPrefix(head, gzipMagic):
		return &gzipSource{r: br}, nil
	default:
		return &plainSource{r: br}, nil
	}
}

var (
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	gzipMagic = []byte{0x1f, 0x8b}
)

// isPrefix reports whether head agrees with magic as far as both go.
func isPrefix(head, magic []byte) bool {
	n := min(len(head), len(magic))
	return bytes.Equal(head[:n], magic[:n])
}

// isSkippable reports whether a frame is one that decoders have to skip.
func isSkippable(head []byte) bool {
	return head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// plainSource is a file that is not compressed.
type plainSource struct {
	r    io.Reader
	done bool
}

func (s *plainSource) next() (io.Reader, int64, error) {
	if s.done {
		return nil, 0, io.EOF
	}
	s.done = true
	return s.r, 0, nil
}

// gzipSource is a file of one or more gzip members. The format does not say
// how long a member is, so the whole file is held, compressed.
type gzipSource struct {
	r      io.Reader
	packed []byte
	at     int // where the next member begins
}

func (s *gzipSource) next() (io.Reader, int64, error) {
	if s.packed == nil {
		var err error
		if s.packed, err = io.ReadAll(io.LimitReader(s.r, maxPacked+1)); err != nil {
			return nil, 0, fmt.Errorf("reading the history: %w", err)
		}
		if len(s.packed) > maxPacked {
			return nil, 0, fmt.Errorf("a gzip file of more than %d bytes: unpack it first, or repack it with zstd", maxPacked)
		}
	}
	if s.at == len(s.packed) {
		return nil, 0, io.EOF
	}
	member := s.packed[s.at:]
	n, err := checkGzip(member)
	if err != nil {
		return nil, 0, s.damage(err)
	}
	at := s.at
	s.at += n
	z, err := gzip.NewReader(bytes.NewReader(member[:n]))
	return z, int64(at), err
}

// damage tells a file that was cut from one that was changed. What a cut
// member begins with cannot be trusted, because its checksum is gone.
func (s *gzipSource) damage(err error) *damage {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &damage{offset: int64(s.at), reason: "the gzip data ends in the middle, without the checksum of what it holds " +
			"(gzip -dc FILE shows what can be unpacked)"}
	}
	return &damage{offset: int64(s.at), middle: true, reason: fmt.Sprintf("gzip data is damaged: %v", err)}
}

// checkGzip unpacks one member for its checksum and returns its length.
func checkGzip(packed []byte) (int, error) {
	r := bytes.NewReader(packed)
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, errOrCut(err)
	}
	z.Multistream(false)
	if _, err := io.Copy(io.Discard, z); err != nil {
		return 0, errOrCut(err)
	}
	return len(packed) - r.Len(), nil
}

func errOrCut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// zstdSource is a file of zstd frames.
type zstdSource struct {
	r      *bufio.Reader
	dec    *zstd.Decoder
	offset int64  // of the next frame
	frame  []byte // compressed, reused
	text   []byte // unpacked, reused
}

// Frames that unpack to more than maxUnpacked are unpacked twice, once for the
// checksum and once for the parser, so as not to hold them. The window is what
// `zstd --long` makes at most without asking for leave to use more.
const (
	maxUnpacked = 4 << 20
	maxWindow   = 128 << 20
)

func newZstdSource(br *bufio.Reader) (*zstdSource, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	return &zstdSource{r: br, dec: dec}, err
}

func (s *zstdSource) next() (io.Reader, int64, error) {
	for {
		at := s.offset
		var err error
		s.frame, err = readFrame(s.r, s.frame[:0])
		if errors.Is(err, io.EOF) {
			s.dec.Close()
			return nil, 0, io.EOF
		}
		if err == nil && isSkippable(s.frame) {
			s.offset += int64(len(s.frame))
			continue
		}
		var piece io.Reader
		if err == nil {
			if piece, err = s.unpack(); err != nil {
				err = fmt.Errorf("unpacking: %v", err) //nolint:errorlint // whatever it is, the file did not end
			}
		}
		if err != nil {
			return nil, 0, s.damage(err)
		}
		s.offset += int64(len(s.frame))
		return piece, at, nil
	}
}

// unpack checks the frame and returns its text.
func (s *zstdSource) unpack() (io.Reader, error) {
	var h zstd.Header
	if err := h.Decode(s.frame); err != nil {
		return nil, err
	}
	if h.HasFCS && h.FrameContentSize <= maxUnpacked {
		var err error
		s.text, err = s.dec.DecodeAll(s.frame, s.text[:0])
		return bytes.NewReader(s.text), err
	}
	if err := s.check(s.frame); err != nil {
		return nil, err
	}
	err := s.dec.Reset(onlyReader{bytes.NewReader(s.frame)})
	return s.dec, err
}

// check unpacks a frame for its checksum.
func (s *zstdSource) check(frame []byte) error {
	if err := s.dec.Reset(onlyReader{bytes.NewReader(frame)}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, onlyReader{s.dec})
	return err
}

// onlyReader hides the other methods of a reader, with which the decoder would
// unpack everything at once.
type onlyReader struct{ io.Reader }

// damage finds out whether anything whole follows the frame that failed.
func (s *zstdSource) damage(err error) error {
	var readErr *ioError
	if errors.As(err, &readErr) {
		return readErr
	}
	d := &damage{offset: s.offset, reason: fmt.Sprintf("a zstd frame is damaged: %v", err)}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		d.reason = "the file ends in the middle of a zstd frame"
	}
	d.middle = s.wholeFrameFollows()
	if d.middle {
		d.reason = fmt.Sprintf("a zstd frame is damaged, and whole ones follow it: %v", err)
	}
	return d
}

// maxResync bounds the search for a whole frame behind damage.
const maxResync = 64

// wholeFrameFollows looks for a frame with a good checksum anywhere behind the
// first byte of the one that failed, because damage to a length can make a
// frame swallow those that follow.
func (s *zstdSource) wholeFrameFollows() bool {
	br := bufio.NewReader(io.MultiReader(bytes.NewReader(s.frame[min(1, len(s.frame)):]), s.r))
	for range maxResync {
		if !skipToMagic(br) {
			return false
		}
		frame, err := readFrame(br, nil)
		if err == nil && frame[4]&4 != 0 && s.check(frame) == nil {
			return true
		}
		br = bufio.NewReader(io.MultiReader(bytes.NewReader(frame[min(1, len(frame)):]), br))
	}
	return true
}

// skipToMagic advances to the next place where a frame can begin.
func skipToMagic(br *bufio.Reader) bool {
	for {
		head, err := br.Peek(br.Size())
		if at := bytes.Index(head, zstdMagic); at >= 0 {
			_, err := br.Discard(at)
			return err == nil
		}
		if err != nil {
			return false
		}
		if _, err := br.Discard(len(head) - len(zstdMagic) + 1); err != nil {
			return false
		}
	}
}

// ioError is a failure to read the file, as against one of what is in it.
type ioError struct{ err error }

func (e *ioError) Error() string { return fmt.Sprintf("reading the history: %v", e.err) }
func (e *ioError) Unwrap() error { return e.err }

// readFrame appends the next frame, still compressed, to b. It follows the
// lengths in the frame (RFC 8878 §3.1) and looks at nothing else. The error is
// io.EOF if there is nothing more, and io.ErrUnexpectedEOF if the file ends in
// the frame; b then holds what there was.
func readFrame(r *bufio.Reader, b []byte) ([]byte, error) {
	b, err := readMore(r, b, 4)
	if err != nil {
		if len(b) == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return b, io.EOF
		}
		return b, err
	}
	if isSkippable(b) {
		if b, err = readMore(r, b, 4); err != nil {
			return b, err
		}
		return readMore(r, b, int(binary.LittleEndian.Uint32(b[4:])))
	}
	if !bytes.Equal(b, zstdMagic) {
		return b, errors.New("no frame begins here")
	}
	return readBlocks(r, b)
}

func readBlocks(r *bufio.Reader, b []byte) ([]byte, error) {
	b, err := readMore(r, b, 1)
	if err != nil {
		return b, err
	}
	descriptor := b[4]
	if b, err = readMore(r, b, frameHeaderRest(descriptor)); err != nil {
		return b, err
	}
	for last := false; !last; {
		if b, err = readMore(r, b, 3); err != nil {
			return b, err
		}
		h := b[len(b)-3:]
		header := int(h[0]) | int(h[1])<<8 | int(h[2])<<16
		last = header&1 != 0
		size := header >> 3
		switch header >> 1 & 3 {
		case 1:
			size = 1
		case 3:
			return b, errors.New("a block of a reserved type")
		}
		if b, err = readMore(r, b, size); err != nil {
			return b, err
		}
	}
	return readMore(r, b, int(descriptor&4)) // the checksum has 4 bytes, and 4 is its flag
}

// frameHeaderRest returns how many bytes of the header follow the descriptor.
func frameHeaderRest(descriptor byte) int {
	single := descriptor>>5&1 == 1
	n := [...]int{0, 1, 2, 4}[descriptor&3] + [...]int{0, 2, 4, 8}[descriptor>>6]
	if !single {
		return n + 1
	}
	if descriptor>>6 == 0 {
		return n + 1
	}
	return n
}

// readMore appends n bytes to b, or as many as there are.
func readMore(r *bufio.Reader, b []byte, n int) ([]byte, error) {
	if len(b)+n > maxPacked {
		return b, fmt.Errorf("a frame of more than %d bytes: unpack the file and pack it again", maxPacked)
	}
	for n > 0 {
		chunk := min(n, max(len(b), 64<<10)) // so that a false length does not claim memory
		at := len(b)
		if cap(b)-at < chunk {
			b = append(b, make([]byte, chunk)...)
		} else {
			b = b[:at+chunk]
		}
		got, err := io.ReadFull(r, b[at:])
		b = b[:at+got]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return b, io.ErrUnexpectedEOF
		}
		if err != nil {
			return b, &ioError{err}
		}
		n -= chunk
	}
	return b, nil
}
