package vdso

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSlot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64().Draw(t, "offset"))
		b := slot(want)
		if got := offset(b); got != want {
			t.Fatalf("%d is read back as %d", want, got)
		}
		if nanos := int64(binary.LittleEndian.Uint64(b[8:])); nanos < 0 || nanos >= 1e9 {
			t.Fatalf("%d nanoseconds", nanos)
		}
	})
}

// The bytes in stub.go are what an assembler makes of the sources in testdata.
func TestBlocksAssemble(t *testing.T) {
	t.Parallel()
	for arch, triple := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			object := filepath.Join(t.TempDir(), "o")
			assembled := run(t, "llvm-mc", "-triple="+triple, "-filetype=obj", "-o", object, filepath.Join("testdata", arch+".s"))
			if len(assembled) > 0 {
				t.Fatalf("llvm-mc: %s", assembled)
			}
			want := run(t, "llvm-objcopy", "-O", "binary", "--only-section=.text", object, "-")
			s, _ := stubs(arch)
			if got := s.bytes(0); !bytes.Equal(got, want) {
				t.Errorf("stub.go has\n%x\nthe source gives\n%x", got, want)
			}
			code := run(t, "llvm-nm", object)
			for _, e := range s.entries {
				function := e.symbol[bytes.LastIndexByte([]byte(e.symbol[:10]), '_')+1:]
				if !bytes.Contains(code, []byte(hex16(e.at)+" t "+function)) {
					t.Errorf("%s is not at %#x:\n%s", function, e.at, code)
				}
			}
		})
	}
}

func hex16(n int) string {
	const digits = "0123456789abcdef"
	out := bytes.Repeat([]byte{'0'}, 16)
	for i := 15; n > 0; i, n = i-1, n>>4 {
		out[i] = digits[n&15]
	}
	return string(out)
}

func run(t *testing.T, tool string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
	out, err := exec.Command(tool, args...).Output()
	if err != nil {
		t.Fatal(tool, err)
	}
	return out
}

// A jump lands where it should, in either direction.
func TestJumps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := 4 * rapid.IntRange(0, 1<<14).Draw(t, "from")
		to := 4 * rapid.IntRange(0, 1<<14).Draw(t, "to")
		amd := jumpAMD64(from, to)
		if got := from + 5 + int(int32(binary.LittleEndian.Uint32(amd[1:]))); amd[0] != 0xe9 || got != to {
			t.Errorf("amd64 %x jumps to %#x, want %#x", amd, got, to)
		}
		arm := jumpARM64(from, to)
		bti, b := binary.LittleEndian.Uint32(arm), binary.LittleEndian.Uint32(arm[4:])
		// Sign-extend the 26-bit immediate, which counts words.
		if got := from + 4 + int(int32(b<<6)>>6)*4; bti != 0xd503245f || b>>26 != 5 || got != to {
			t.Errorf("arm64 %x jumps to %#x, want %#x", arm, got, to)
		}
	})
}

// synthetic is a small vDSO with the given functions of 64 bytes each.
func synthetic(names ...string) []byte {
	const table, text = 0x200, 0x800
	image := make([]byte, 4096)
	put := func(at int, values ...any) {
		for _, v := range values {
			n, err := binary.Encode(image[at:], binary.LittleEndian, v)
			if err != nil {
				panic(err)
			}
			at += n
		}
	}
	put(0, []byte("\x7fELF\x02\x01\x01"))
	put(32, uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(2))
	strtab := table + 24*(len(names)+1)
	put(64, uint32(1), uint32(5), uint64(0), uint64(0), uint64(0), uint64(0xc00), uint64(0xc00), uint64(4096))
	put(120, uint32(2), uint32(4), uint64(0x180), uint64(0x180), uint64(0x180), uint64(0x30), uint64(0x30), uint64(8))
	put(0x180, uint64(5), uint64(strtab), uint64(6), uint64(table), uint64(0), uint64(0))
	at := 1
	for i, name := range names {
		put(table+24*(i+1), uint32(at), byte(0x12), byte(0), uint16(1), uint64(text+64*i), uint64(64))
		put(strtab+at, []byte(name))
		at += len(name) + 1
	}
	for i := text; i < text+64*len(names); i++ {
		image[i] = byte(i)
	}
	return image
}

func patched(p *plan, offset time.Duration) []byte {
	image := bytes.Clone(p.pristine)
	copy(image[p.cave:], p.stub.bytes(offset))
	for _, j := range p.jumps {
		copy(image[j.at:], j.code)
	}
	return image
}

// Both architectures' patches are recognized, and one byte that differs
// anywhere outside of them is not overlooked.
func TestClassify(t *testing.T) {
	t.Parallel()
	for arch, functions := range map[string][]string{
		"amd64": {"other", "__vdso_clock_gettime", "__vdso_time"},
		"arm64": {"__kernel_gettimeofday", "__kernel_clock_gettime"},
	} {
		s, _ := stubs(arch)
		p, err := newPlan(synthetic(functions...), s)
		if err != nil {
			t.Fatal(arch, err)
		}
		if len(p.jumps) != 2 {
			t.Errorf("%s: %d functions are patched", arch, len(p.jumps))
		}
		rapid.Check(t, func(t *rapid.T) {
			want := time.Duration(rapid.Int64().Draw(t, "offset"))
			image := patched(p, want)
			if got, err := p.classify(image); err != nil || got.Kind != Patched || got.Offset != want {
				t.Fatalf("%+v, %v", got, err)
			}
			at := rapid.IntRange(0, p.cave-1).Draw(t, "at")
			image[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if got, err := p.classify(image); !errors.Is(err, ErrForeign) {
				t.Fatalf("byte %#x flipped: %+v, %v", at, got, err)
			}
		})
		half := bytes.Clone(p.pristine)
		copy(half[p.cave:], s.bytes(1))
		if got, err := p.classify(half); err != nil || got.Kind != Partial {
			t.Errorf("%s: a block alone is %+v, %v", arch, got, err)
		}
		if got, err := p.classify(p.pristine); err != nil || got.Kind != Pristine {
			t.Errorf("%s: the original is %+v, %v", arch, got, err)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	s, _ := stubs("amd64")
	full := synthetic("__vdso_clock_gettime")
	binary.LittleEndian.PutUint64(full[64+32:], 4096)
	for name, image := range map[string][]byte{
		"empty":    {},
		"no ELF":   make([]byte, 4096),
		"no clock": synthetic("__vdso_time"),
		"no room":  full,
	} {
		if _, err := newPlan(image, s); !errors.Is(err, errImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(synthetic("__vdso_clock_gettime", "x"))
	f.Add([]byte("\x7fELF\x02\x01"))
	s, _ := stubs("amd64")
	f.Fuzz(func(t *testing.T, image []byte) {
		p, err := newPlan(image, s)
		if err != nil {
			return
		}
		// What was accepted can be patched within its bounds, and undone.
		if got, err := p.classify(patched(p, time.Hour)); err != nil || got.Kind != Patched {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
