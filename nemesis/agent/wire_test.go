package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body, _ := json.Marshal(rapid.String().Draw(t, "body"))
		want := frame{ID: rapid.Uint64().Draw(t, "id"), Op: rapid.String().Draw(t, "op"), Body: body}
		raw, err := encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(bytes.NewReader(raw))
		if err != nil || got.ID != want.ID || got.Op != strings.ToValidUTF8(want.Op, "\uFFFD") || !bytes.Equal(got.Body, want.Body) {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
		if _, err := decode(bytes.NewReader(raw[:rapid.IntRange(1, len(raw)-1).Draw(t, "cut")])); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("a torn frame: %v", err)
		}
	})
}

func TestFrameLimits(t *testing.T) {
	t.Parallel()
	if _, err := encode(frame{Error: strings.Repeat("x", maxFrame)}); !errors.Is(err, errFrame) {
		t.Errorf("too long: %v", err)
	}
	for name, raw := range map[string]string{
		"zero":      "\x00\x00\x00\x00",
		"huge":      "\xff\xff\xff\xff",
		"one more":  string(binary.BigEndian.AppendUint32(nil, maxFrame+1)),
		"not JSON":  "\x00\x00\x00\x03abc",
		"not ours":  "\x00\x00\x00\x02[]",
		"torn body": "\x00\x00\x00\x09{",
	} {
		if f, err := decode(strings.NewReader(raw)); !errors.Is(err, errFrame) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if _, err := decode(strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("between frames: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\x00\x00\x00\x1a{\"id\":1,\"event\":{\"exit\":1}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := decode(bytes.NewReader(raw))
		if err != nil {
			return
		}
		again, err := encode(got)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(bytes.NewReader(again)); err != nil {
			t.Fatal(err)
		}
	})
}

// fake is the agent's side of a client, played by the test.
func fake(t *testing.T) (*Client, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	go func() {
		f, _ := decode(far)
		body, _ := json.Marshal(Hello{Protocol: Protocol, Heartbeat: time.Hour, Lease: 2 * time.Hour})
		raw, _ := encode(frame{ID: f.ID, Body: body})
		far.Write(raw)
	}()
	c, err := Dial(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, far
}

func TestClientCalls(t *testing.T) {
	t.Parallel()
	c, far := fake(t)
	go func() {
		first, _ := decode(far)
		second, _ := decode(far)
		for _, f := range []frame{{ID: 99}, {ID: second.ID, Error: "no"}, {ID: first.ID, Error: "no"}} {
			raw, _ := encode(f)
			far.Write(raw)
		}
	}()
	errs := make(chan error)
	for range 2 {
		go func() { errs <- c.Heal(t.Context()) }()
	}
	for range 2 {
		var remote *RemoteError
		if err := <-errs; !errors.As(err, &remote) || remote.Op != opHeal || remote.Message != "no" {
			t.Errorf("%v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	go decode(far)
	if err := c.Heal(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	far.Close()
	<-c.Done()
	if err := c.Heal(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("the session has ended: %v", err)
	}
	if _, open := <-c.Events(); open {
		t.Error("events go on")
	}
}

// An agent that has stopped answering is given up after a lease.
func TestClientGivesUp(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		f, _ := decode(far)
		body, _ := json.Marshal(Hello{Protocol: Protocol, Heartbeat: time.Millisecond, Lease: 20 * time.Millisecond})
		raw, _ := encode(frame{ID: f.ID, Body: body})
		far.Write(raw)
		io.Copy(io.Discard, far)
	}()
	c, err := Dial(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if !errors.Is(c.Err(), ErrClosed) || !strings.Contains(c.Err().Error(), "heartbeat") {
		t.Error(c.Err())
	}
}

func TestDialOtherProtocol(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		f, _ := decode(far)
		raw, _ := encode(frame{ID: f.ID, Body: json.RawMessage(`{"protocol":2}`)})
		far.Write(raw)
	}()
	if _, err := Dial(t.Context(), near); err == nil || !strings.Contains(err.Error(), "one build") {
		t.Error(err)
	}
}
