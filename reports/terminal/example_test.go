package terminal_test

import (
	"fmt"
	"os"

	"github.com/ordeal-dev/ordeal/reports/terminal"
)

func ExampleTable() {
	err := terminal.Table(os.Stdout, []string{"fault", "witness"}, [][]string{
		{"partition one-way", "confirmed"},
		{"kill", "inconclusive"},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// fault              witness
	// ─────────────────────────────────
	// partition one-way  confirmed
	// kill               inconclusive
}
