package vdso

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// The layout of a block: a signature, the index of the slot in force, two
// slots, code. A new offset is written into the slot that is not in force, and
// then the index is changed, which is one byte: a process that runs meanwhile
// sees the old offset or the new one and never a mixture.
const (
	signature = "ordealv1"
	indexAt   = 8
	slotsAt   = 16
	slotSize  = 32
	codeAt    = slotsAt + 2*slotSize
)

// stub is what is put into the vDSO of one architecture.
type stub struct {
	block string // hexadecimal, see testdata/*.s
	// entries says which function of the block replaces which of the vDSO; the
	// first has to be there, the others may be missing.
	entries []entry
	// jump returns code for address from that goes on at address to.
	jump func(from, to int) []byte
}

type entry struct {
	symbol string
	at     int // in the block
}

// stubs are by GOARCH.
func stubs(arch string) (stub, bool) {
	switch arch {
	case "amd64":
		return stub{blockAMD64, []entry{
			{"__vdso_clock_gettime", codeAt},
			{"__vdso_gettimeofday", 0xb0},
			{"__vdso_time", 0x100},
		}, jumpAMD64}, true
	case "arm64":
		return stub{blockARM64, []entry{
			{"__kernel_clock_gettime", codeAt},
			{"__kernel_gettimeofday", 0xac},
		}, jumpARM64}, true
	}
	return stub{}, false
}

// bytes returns the block with an offset in slot 0, which is in force.
func (s stub) bytes(offset time.Duration) []byte {
	block, err := hex.DecodeString(strings.Join(strings.Fields(s.block), ""))
	if err != nil {
		panic(err) // a constant of this file
	}
	copy(block[slotsAt:], slot(offset))
	return block
}

// slot holds an offset as seconds and, never negative, nanoseconds and
// microseconds.
func slot(offset time.Duration) []byte {
	seconds := int64(offset / time.Second)
	nanos := int64(offset % time.Second)
	if nanos < 0 {
		seconds, nanos = seconds-1, nanos+int64(time.Second)
	}
	var b []byte
	for _, v := range []int64{seconds, nanos, nanos / 1000, 0} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// offset is the inverse of slot.
func offset(slot []byte) time.Duration {
	seconds := int64(binary.LittleEndian.Uint64(slot))
	nanos := int64(binary.LittleEndian.Uint64(slot[8:]))
	return time.Duration(seconds)*time.Second + time.Duration(nanos)
}

// jumpAMD64 is "jmp to", relative to the instruction after it.
func jumpAMD64(from, to int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int32(to-from-5)))
}

// jumpARM64 is "bti c; b to". A function is called through a register, and
// where branch targets are enforced such a call must land on a bti, which is no
// operation elsewhere.
func jumpARM64(from, to int) []byte {
	code := binary.LittleEndian.AppendUint32(nil, 0xd503245f)
	return binary.LittleEndian.AppendUint32(code, 0x14000000|uint32((to-from-4)>>2)&0x03ffffff)
}

const blockAMD64 = `
	6f726465616c76310000000000000000
	00000000000000000000000000000000
	00000000000000000000000000000000
	00000000000000000000000000000000
	00000000000000000000000000000000
	b8e40000000f0585c0750985ff740683
	ff057401c30fb6159cffffffc1e20548
	8d0d9affffff4801d1488b01488b5108
	480306480356084881fa00ca9a3b7c0a
	4881ea00ca9a3b48ffc0488906488956
	0831c0c3662e0f1f8400000000006690
	b8600000000f0585c075054885ff7501
	c30fb61540ffffffc1e205488d0d3eff
	ffff4801d1488b01488b511048030748
	0357084881fa40420f007c0a4881ea40
	420f0048ffc04889074889570831c0c3
	574883ec1031ff4889e6e841ffffff48
	8b04244883c4105f4885ff7403488907
	c3662e0f1f8400000000000f1f440000
`

const blockARM64 = `
	6f726465616c76310000000000000000
	00000000000000000000000000000000
	00000000000000000000000000000000
	00000000000000000000000000000000
	00000000000000000000000000000000
	e903002a280e80d2010000d4800000b5
	890000343f15007140000054c0035fd6
	0afdff104b815f384a150b8b4b3140a9
	2d3840a9ad010b8bce010c8b0f409952
	4f73a772df010feb6b000054ce010fcb
	ad0500912d3800a9c0035fd6e90300aa
	281580d2010000d4400000b5490000b5
	c0035fd66afaff104b815f384a150b8b
	4b0140f94c0940f92d3940a9ad010b8b
	ce010c8b0f488852ef01a072df010feb
	6b000054ce010fcbad0500912d3900a9
	c0035fd6
`
