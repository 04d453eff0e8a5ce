package counter

import "math/bits"

// ranges are the sums that one can make of some amounts, taking each as a whole
// or not at all: bit i stands for the sum least+i. There is none where that would be
// too large a bitmap.
type ranges struct {
	least, most int64
	bits        []uint64
}

// maxSpread is how far the least and the greatest sum can be apart for a bitmap,
// and maxWork how many words of bitmaps may be looked at for all amounts.
const (
	maxSpread = 1 << 24
	maxWork   = 1 << 26
)

// sums returns the sums of the given amounts. Taking an amount or not is one
// shift of the bitmap.
func sums(amounts []int64) ranges {
	var r ranges
	for _, n := range amounts {
		r.least += min(n, 0)
		r.most += max(n, 0)
	}
	spread := r.most - r.least
	if spread > maxSpread || (spread/64+1)*int64(len(amounts)) > maxWork {
		r.bits = []uint64{}
		return r
	}
	r.bits = make([]uint64, spread/64+1)
	zero := -r.least // with nothing taken
	r.bits[zero/64] = 1 << (zero % 64)
	for _, n := range amounts {
		if n > 0 {
			shiftUp(r.bits, uint64(n))
		} else {
			shiftDown(r.bits, uint64(-n))
		}
	}
	return r
}

// shiftUp adds to a bitmap what it is when it is moved up by n bits.
func shiftUp(words []uint64, n uint64) {
	whole, part := int(n/64), n%64
	for i := len(words) - 1; i >= whole; i-- {
		w := words[i-whole] << part
		if part > 0 && i > whole {
			w |= words[i-whole-1] >> (64 - part)
		}
		words[i] |= w
	}
}

// shiftDown adds to a bitmap what it is when it is moved down by n bits.
func shiftDown(words []uint64, n uint64) {
	whole, part := int(n/64), n%64
	for i := 0; i+whole < len(words); i++ {
		w := words[i+whole] >> part
		if part > 0 && i+whole+1 < len(words) {
			w |= words[i+whole+1] << (64 - part)
		}
		words[i] |= w
	}
}

// known reports whether the sums are known.
func (r ranges) known() bool { return len(r.bits) > 0 }

// has reports whether n can be made, if the sums are known.
func (r ranges) has(n int64) bool {
	if n < r.least || n > r.most {
		return false
	}
	i := n - r.least
	return r.bits[i/64]&(1<<(i%64)) != 0
}

// list returns the sums as ranges without gaps, with base added to each, and at
// most maxListed of them.
func (r ranges) list(base int64) [][2]int64 {
	if !r.known() {
		return [][2]int64{{base + r.least, base + r.most}}
	}
	var list [][2]int64
	for w, word := range r.bits {
		for ; word != 0 && len(list) < maxListed; word &= word - 1 {
			n := base + r.least + int64(w*64+bits.TrailingZeros64(word))
			if last := len(list) - 1; last >= 0 && list[last][1] == n-1 {
				list[last][1] = n
			} else {
				list = append(list, [2]int64{n, n})
			}
		}
	}
	return list
}
