package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// bridgeWait is how long Bridge waits for an agent that is still starting.
const bridgeWait = 5 * time.Second

// Bridge joins an agent's socket to a pair of streams, for the hidden command
// "agent attach". It returns when either side has ended. The name of the socket
// is DefaultSocket if empty.
func Bridge(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	setDefault(&socket, DefaultSocket)
	conn, err := dialSocket(ctx, socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	ended := make(chan error, 2)
	go func() { _, err := io.Copy(conn, in); ended <- err }()
	go func() { _, err := io.Copy(out, conn); ended <- err }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func dialSocket(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, bridgeWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("no agent listens on %s: is it running in this network namespace? %w", socket, err)
		}
	}
}
