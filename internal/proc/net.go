package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Waiting sums up what waits in TCP sockets on the given ports for a process to
// take it: bytes in established connections from or to one of the ports, and
// connections that nobody has accepted. Connections over the loopback interface
// do not count. It is for the network namespace of this process.
func Waiting(ports []uint16) (uint64, error) {
	var sum uint64
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(file)
		if os.IsNotExist(err) {
			continue // no IPv6
		}
		if err != nil {
			return 0, err
		}
		n, err := waiting(f, ports)
		f.Close()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += n
	}
	return sum, nil
}

const (
	tcpEstablished = "01"
	tcpCloseWait   = "08"
	tcpListen      = "0A"
)

// waiting reads lines "SL LOCAL:PORT REMOTE:PORT STATE TX:RX …", in hexadecimal.
func waiting(r io.Reader, ports []uint16) (uint64, error) {
	var sum uint64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 5 || f[0] == "sl" {
			continue
		}
		local, err1 := port(f[1])
		remote, err2 := port(f[2])
		_, rx, ok := strings.Cut(f[4], ":")
		n, err3 := strconv.ParseUint(rx, 16, 64)
		if err1 != nil || err2 != nil || err3 != nil || !ok {
			return 0, fmt.Errorf("proc: not a line of a socket table: %q", lines.Text())
		}
		ours := slices.Contains(ports, local) || slices.Contains(ports, remote)
		open := slices.Contains([]string{tcpEstablished, tcpCloseWait, tcpListen}, f[3])
		if ours && open && !loopback(f[2]) {
			sum += n
		}
	}
	return sum, lines.Err()
}

func port(address string) (uint16, error) {
	_, text, _ := strings.Cut(address, ":")
	n, err := strconv.ParseUint(text, 16, 16)
	return uint16(n), err
}

// loopback reports whether a remote address is 127.x, ::1 or 127.x as IPv6. The
// words of an address are in the byte order of the machine, little endian.
func loopback(address string) bool {
	host, _, _ := strings.Cut(address, ":")
	switch len(host) {
	case 8:
		return strings.HasSuffix(host, "7F")
	case 32:
		return host == "00000000000000000000000001000000" ||
			strings.HasPrefix(host, "0000000000000000FFFF0000") && strings.HasSuffix(host, "7F")
	}
	return false
}

// Resets is how many TCP resets were sent in the network namespace of this process.
func Resets() (uint64, error) {
	f, err := os.Open("/proc/self/net/snmp")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return resets(f)
}

// resets finds the value of OutRsts: a line of names, then a line of values.
func resets(r io.Reader) (uint64, error) {
	column := -1
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 0 || f[0] != "Tcp:":
		case column < 0:
			if column = slices.Index(f, "OutRsts"); column < 0 {
				return 0, fmt.Errorf("proc: no OutRsts in /proc/net/snmp")
			}
		case column < len(f):
			return strconv.ParseUint(f[column], 10, 64)
		}
	}
	return 0, fmt.Errorf("proc: no TCP counters in /proc/net/snmp: %w", lines.Err())
}
