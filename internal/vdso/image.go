package vdso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

var errImage = errors.New("not a vDSO that we can read")

// plan says where a patch goes in a vDSO image.
type plan struct {
	stub     stub
	pristine []byte
	cave     int // where the block goes
	size     int // of the block
	jumps    []jump
}

// jump replaces the first instructions of a function.
type jump struct {
	symbol string
	at     int
	code   []byte
}

// span is a range of offsets.
type span struct{ from, to int }

func (j jump) span() span  { return span{j.at, j.at + len(j.code)} }
func (p *plan) span() span { return span{p.cave, p.cave + p.size} }

// newPlan finds the functions in an image, and room for the block. The last
// bytes of the mapping are padding or section headers, which nothing that runs
// ever reads.
func newPlan(image []byte, s stub) (*plan, error) {
	symbols, loaded, err := parse(image)
	if err != nil {
		return nil, err
	}
	size := len(s.bytes(0))
	p := &plan{stub: s, pristine: image, cave: (len(image) - size) &^ 15, size: size}
	if p.cave < loaded {
		return nil, fmt.Errorf("%w: no room for %d bytes after %d of %d", errImage, size, loaded, len(image))
	}
	for i, e := range s.entries {
		sym, ok := symbols[e.symbol]
		if !ok && i > 0 {
			continue
		}
		code := s.jump(sym.at, p.cave+e.at)
		if !ok || sym.size < len(code) || sym.at+sym.size > loaded {
			return nil, fmt.Errorf("%w: no function %s to patch", errImage, e.symbol)
		}
		p.jumps = append(p.jumps, jump{e.symbol, sym.at, code})
	}
	return p, nil
}

// classify compares an image with the pristine one: it may differ by our patch
// and by nothing else.
func (p *plan) classify(image []byte) (State, error) {
	if len(image) != len(p.pristine) {
		return State{}, fmt.Errorf("%w: %d bytes long, not %d", ErrForeign, len(image), len(p.pristine))
	}
	masked := slices.Clone(image)
	restore := func(s span) { copy(masked[s.from:s.to], p.pristine[s.from:s.to]) }
	var symbols []string
	for _, j := range p.jumps {
		if s := j.span(); bytes.Equal(image[s.from:s.to], j.code) {
			symbols = append(symbols, j.symbol)
			restore(s)
		}
	}
	block := image[p.cave : p.cave+p.size]
	ours := bytes.HasPrefix(block, []byte(signature)) && bytes.Equal(block[codeAt:], p.stub.bytes(0)[codeAt:])
	if ours {
		restore(p.span())
	}
	switch {
	case !bytes.Equal(masked, p.pristine):
		return State{}, ErrForeign
	case len(symbols) == len(p.jumps) && ours:
		return State{Kind: Patched, Symbols: symbols, Offset: inForce(block)}, nil
	case len(symbols) > 0 && !ours:
		return State{}, ErrForeign
	case ours:
		return State{Kind: Partial, Symbols: symbols}, nil
	}
	return State{Kind: Pristine}, nil
}

func inForce(block []byte) time.Duration {
	return offset(block[slotsAt+slotSize*int(block[indexAt]&1):])
}

// symbol is a function of a vDSO.
type symbol struct{ at, size int }

// parse reads the dynamic symbols of an ELF image as it lies in memory, and how
// many of its bytes are loaded from its file. It uses only what a program that
// looks for a function uses: program headers and the dynamic section.
func parse(image []byte) (symbols map[string]symbol, loaded int, err error) {
	defer func() {
		// Every offset in the image may be wrong; slices find out.
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errImage, r)
		}
	}()
	if string(image[:6]) != elf.ELFMAG+string([]byte{byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)}) {
		return nil, 0, fmt.Errorf("%w: no 64-bit little-endian ELF header", errImage)
	}
	dynamic, loaded := segments(image)
	strings, table := dynamicTables(dynamic)
	if strings <= table || loaded == 0 {
		return nil, 0, fmt.Errorf("%w: no symbols", errImage)
	}
	symbols = make(map[string]symbol)
	// The linker puts the names directly behind the symbols.
	for at := table; at+elf.Sym64Size <= strings; at += elf.Sym64Size {
		var s elf.Sym64
		decodeAt(image, at, &s)
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			symbols[name(image, strings+int(s.Name))] = symbol{int(s.Value), int(s.Size)}
		}
	}
	return symbols, loaded, nil
}

func decodeAt(image []byte, at int, v any) {
	if _, err := binary.Decode(image[at:], binary.LittleEndian, v); err != nil {
		panic(err)
	}
}

func name(image []byte, at int) string {
	text := image[at:]
	return string(text[:bytes.IndexByte(text, 0)])
}

// segments returns the dynamic section and the end of what is loaded.
func segments(image []byte) (dynamic []byte, loaded int) {
	var h elf.Header64
	decodeAt(image, 0, &h)
	for i := range int(h.Phnum) {
		var p elf.Prog64
		decodeAt(image, int(h.Phoff)+i*int(h.Phentsize), &p)
		switch elf.ProgType(p.Type) {
		case elf.PT_LOAD:
			loaded = max(loaded, int(p.Off+p.Filesz))
		case elf.PT_DYNAMIC:
			dynamic = image[p.Off : p.Off+p.Filesz]
		}
	}
	return dynamic, loaded
}

func dynamicTables(dynamic []byte) (strings, symbols int) {
	for ; len(dynamic) >= 16; dynamic = dynamic[16:] {
		value := int(binary.LittleEndian.Uint64(dynamic[8:]))
		switch elf.DynTag(binary.LittleEndian.Uint64(dynamic)) {
		case elf.DT_STRTAB:
			strings = value
		case elf.DT_SYMTAB:
			symbols = value
		}
	}
	return strings, symbols
}
