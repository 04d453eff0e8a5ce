//go:build !linux

package node

import (
	"net"
	"time"
)

// setUserTimeout is left to heartbeats and deadlines where the kernel has no such option.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }

// peerClosed is left to the reader of the connection where there is no such look ahead.
func peerClosed(*net.TCPConn) error { return nil }
