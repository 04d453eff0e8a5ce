package proc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTree(t *testing.T) {
	t.Parallel()
	table := []Stat{
		{PID: 1}, {PID: 9, PPID: 7}, {PID: 7, PPID: 1}, {PID: 8, PPID: 1}, {PID: 5, PPID: 9}, {PID: 6, PPID: 6},
	}
	got := Tree(table, func(s Stat) bool { return s.PID == 7 || s.PID == 5 || s.PID == 6 })
	want := []Stat{{PID: 5, PPID: 9}, {PID: 6, PPID: 6}, {PID: 7, PPID: 1}, {PID: 9, PPID: 7}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const sockets = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100000A:1B58 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100000A:1B58 0200000A:C350 01 00000000:00000010 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 0100000A:C351 0200000A:1B58 01 00000000:00000100 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
   3: 0100007F:1B58 0100007F:C352 01 00000000:00001000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
   4: 0100000A:1B59 0200000A:C353 01 00000000:00010000 00:00000000 00000000     0        0 5 1 0 100 0 0 10 0
   5: 0100000A:1B58 0200000A:C354 06 00000000:00100000 00:00000000 00000000     0        0 6 1 0 100 0 0 10 0
`

// The port is 7000 at either end; others, loopback and closed connections do
// not count.
func TestWaiting(t *testing.T) {
	t.Parallel()
	if got, err := waiting(strings.NewReader(sockets), []uint16{7000}); err != nil || got != 0x112 {
		t.Errorf("%#x, %v", got, err)
	}
	if _, err := waiting(strings.NewReader("1: what is this nonsense?"), []uint16{7000}); err == nil {
		t.Error("nonsense was accepted")
	}
	if _, err := Waiting([]uint16{1}); err != nil {
		t.Error(err)
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"0100007F:0050":                         true,
		"0500007F:0050":                         true,
		"7F00000A:0050":                         false,
		"00000000000000000000000001000000:0050": true,
		"0000000000000000FFFF00000100007F:0050": true,
		"0000000000000000FFFF00000100000A:0050": false,
		"000080FE00000000FF005450B9530F7F:0050": false,
	} {
		if got := loopback(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

func TestResets(t *testing.T) {
	t.Parallel()
	const text = "Ip: Forwarding\nIp: 1\nTcp: RtoMin OutRsts InCsumErrors\nTcp: 200 42 0\n"
	if got, err := resets(strings.NewReader(text)); err != nil || got != 42 {
		t.Errorf("%d, %v", got, err)
	}
	for _, bad := range []string{"", "Tcp: RtoMin\nTcp: 200\n", "Tcp: OutRsts\n"} {
		if got, err := resets(strings.NewReader(bad)); err == nil {
			t.Errorf("%q gave %d", bad, got)
		}
	}
	if _, err := Resets(); err != nil {
		t.Error(err)
	}
}
