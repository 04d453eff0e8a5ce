package wire_test

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// A message is written with one appender after the other, and read in the same order.
func Example() {
	b := wire.AppendString(binary.AppendUvarint(nil, 7), "seven")

	d := wire.NewDecoder(b)
	n, name := d.Uvarint(), d.String()
	fmt.Println(n, name, d.Done())

	d = wire.NewDecoder(b[:3])
	n, name = d.Uvarint(), d.String()
	fmt.Println(n, name, d.Done())
	// Output:
	// 7 seven <nil>
	// 7  message is cut short or has bytes left over
}
