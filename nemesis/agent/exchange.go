package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// maxAnswer bounds the answer of an exchange: as base64 it has to fit a frame.
const maxAnswer = 512 << 10

// exchange has a conversation over the loopback interface.
func exchange(ctx context.Context, e Exchange) ([]byte, error) {
	setDefault(&e.Timeout, time.Second)
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), e.Port)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := conn.Write(e.Data); err != nil {
		return nil, err
	}
	if len(e.Until) == 0 {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return nil, err
		}
	}
	answer, err := readUntil(conn, e.Until)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("no answer from %v in time: %w", address, ctx.Err())
	}
	return answer, err
}

// readUntil reads up to and with a text, or to the end if it is empty.
func readUntil(r io.Reader, until []byte) ([]byte, error) {
	var answer []byte
	chunk := make([]byte, 16<<10)
	for {
		n, err := r.Read(chunk)
		answer = append(answer, chunk[:n]...)
		if i := bytes.Index(answer, until); len(until) > 0 && i >= 0 {
			return answer[:i+len(until)], nil
		}
		switch {
		case len(answer) > maxAnswer:
			return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
		case errors.Is(err, io.EOF) && len(until) == 0:
			return answer, nil
		case err != nil:
			return nil, fmt.Errorf("after %d bytes of an answer: %w", len(answer), err)
		}
	}
}
