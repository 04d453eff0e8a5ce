package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/internal/proc"
)

// script is an actor that does what the test says with a request.
type script struct {
	env   actor.Env
	serve func(env actor.Env, req actor.RequestID, body []byte)
	heard chan string
}

func (s *script) Receive(from actor.NodeID, msg []byte) { s.heard <- fmt.Sprintf("%v: %s", from, msg) }
func (s *script) Serve(req actor.RequestID, body []byte) {
	s.serve(s.env, req, body)
}
func (s *script) Wake()                {}
func (s *script) Status() actor.Status { return actor.Status{Ready: true, Term: 4} }

func boot(serve func(actor.Env, actor.RequestID, []byte)) actor.Boot {
	return func(env actor.Env) actor.Node { return &script{env: env, serve: serve} }
}

func echo(env actor.Env, req actor.RequestID, body []byte) { env.Reply(req, body) }

func TestPanicEndsTheNode(t *testing.T) {
	t.Parallel()
	c := deploy(t, 1, boot(func(actor.Env, actor.RequestID, []byte) { panic("this must not be") }))
	if _, err := c.Call(0, nil); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("call: %v", err)
	}
	err := <-c.nodes[0].done
	c.nodes[0].done <- nil // for the clean-up
	var e *PanicError
	if !errors.As(err, &e) || e.Value != "this must not be" {
		t.Errorf("the node ended with %v", err)
	}
	if log := c.nodes[0].log.String(); !strings.HasPrefix(log, "panic: this must not be\n\ngoroutine ") || !strings.Contains(log, "TestPanicEndsTheNode") {
		t.Errorf("log: %s", log)
	}
}

func TestRuntimeStatus(t *testing.T) {
	t.Parallel()
	c := deploy(t, 1, boot(func(env actor.Env, req actor.RequestID, _ []byte) {
		env.Wall()
		env.Wall()
		env.Reply(req, nil)
	}))
	for start := range 2 {
		if _, err := c.Call(0, nil); err != nil {
			t.Fatal(err)
		}
		before := proc.Mono()
		s, err := c.nodes[0].conn.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.WallReads != 2 || s.Boot != uint64(start+1) || s.Status.Term != 4 || s.PID == 0 {
			t.Errorf("start %d: %+v", start, s)
		}
		if s.Mono < before || s.Mono > proc.Mono() || time.Since(time.Unix(0, s.Wall)).Abs() > 10*time.Second {
			t.Errorf("clocks: %+v", s)
		}
		if err := errors.Join(c.Kill(0), c.Start(0)); err != nil {
			t.Fatal(err)
		}
	}
}

// The agent exchanges the bytes of StatusRequest for those up to StatusEnd.
func TestStatusByBytes(t *testing.T) {
	t.Parallel()
	c := deploy(t, 1, boot(echo))
	conn, err := net.Dial("tcp", c.nodes[0].cfg.ClientAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(StatusRequest()); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	for in := bufio.NewReader(conn); !bytes.HasSuffix(answer, []byte(StatusEnd)); {
		b, err := in.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		answer = append(answer, b)
	}
	s, err := ParseStatus(answer)
	if err != nil || !s.Status.Ready || s.Boot != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := ParseStatus(answer[:len(answer)/2]); err == nil {
		t.Error("half an answer was taken for a whole one")
	}
}

func TestMessagesAfterRestart(t *testing.T) {
	t.Parallel()
	heard := make(chan string, 1000)
	c := deploy(t, 2, func(env actor.Env) actor.Node {
		return &script{env: env, heard: heard, serve: func(env actor.Env, req actor.RequestID, body []byte) {
			env.Send(1-env.Self(), body)
			env.Reply(req, nil)
		}}
	})
	arrives := func(text string) {
		t.Helper()
		for deadline := time.After(10 * time.Second); ; {
			if _, err := c.Call(0, []byte(text)); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-heard:
				if got == "n1: "+text {
					return
				}
			case <-time.After(10 * time.Millisecond): // sent before there was a connection
			case <-deadline:
				t.Fatalf("%q never arrived", text)
			}
		}
	}
	arrives("hello")
	arrives("") // a message may be empty
	if err := errors.Join(c.Kill(1), c.Start(1)); err != nil {
		t.Fatal(err)
	}
	arrives("again")
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	good := Config{Peers: []string{"127.0.0.1:0"}, ClientAddr: "127.0.0.1:0", DataDir: t.TempDir(), Boot: boot(echo)}
	for name, spoil := range map[string]func(*Config){
		"no peers":       func(c *Config) { c.Peers = nil },
		"self too large": func(c *Config) { c.Self = 1 },
		"self negative":  func(c *Config) { c.Self = -1 },
		"no actor":       func(c *Config) { c.Boot = nil },
		"no directory":   func(c *Config) { c.DataDir = "" },
		"a file":         func(c *Config) { c.DataDir = "/dev/null/x" },
		"bad peer":       func(c *Config) { c.Peers = []string{"nonsense"} },
		"bad client":     func(c *Config) { c.ClientAddr = "nonsense" },
	} {
		cfg := good
		spoil(&cfg)
		if err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: it ran", name)
		}
	}
}

// An unreachable peer costs no memory and no time.
func TestOutboxIsBounded(t *testing.T) {
	t.Parallel()
	o := &outbound{queue: make(chan []byte, outboxSize)}
	big := make([]byte, outboxBytes/4)
	for range 10 {
		o.send(big)
	}
	if n := len(o.queue); n > 4 {
		t.Errorf("%d messages of %d bytes wait", n, len(big))
	}
	for range 2 * outboxSize {
		o.send([]byte("x"))
	}
	o.send(make([]byte, MaxFrame+1))
	o.discard()
	if len(o.queue) != 0 || o.queued.Load() != 0 {
		t.Errorf("after all is dropped, %d messages and %d bytes wait", len(o.queue), o.queued.Load())
	}
}

func TestDiskNamesAndManyFiles(t *testing.T) {
	t.Parallel()
	d, _, err := openDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.closeAll()
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "a\x00"} {
		if d.append(name, nil) == nil || d.sync(name) == nil || d.rename(name, "x") == nil || d.rename("x", name) == nil || d.remove(name) == nil {
			t.Errorf("name %q is taken", name)
		}
		if _, err := d.read(name); err == nil {
			t.Errorf("name %q is read", name)
		}
	}
	for round := range 2 {
		for i := range 3 * maxOpenFiles {
			if err := d.append(fmt.Sprintf("%03d", i), []byte{'x'}); err != nil {
				t.Fatal(err)
			}
		}
		if data, err := d.read("007"); err != nil || len(data) != round+1 {
			t.Errorf("round %d: %q, %v", round, data, err)
		}
	}
	if len(d.open) > maxOpenFiles {
		t.Errorf("%d files are open", len(d.open))
	}
}

// A damaged count of starts is not taken for the first start: streams of
// random numbers would be used twice.
func TestBootCountDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writeSynced(filepath.Join(dir, bootFile), "seven\n"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openDisk(dir); err == nil || !strings.Contains(err.Error(), "count of starts") {
		t.Errorf("opened with %v", err)
	}
}

// fakeServer accepts connections, one after the other, and gives each to a handler.
func fakeServer(t *testing.T, handlers ...func(conn net.Conn, in *bufio.Reader)) *Conn {
	t.Helper()
	l := listenLocal(t)
	go func() {
		for _, h := range handlers {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h(conn, bufio.NewReader(conn))
			_ = conn.Close()
		}
		_ = l.Close()
	}()
	c := NewConn(l.Addr().String())
	t.Cleanup(func() { _, _ = c.Close(), l.Close() })
	return c
}

// nextRequest skips pings.
func nextRequest(in *bufio.Reader) (clientFrame, error) {
	for {
		f, err := readClientFrame(in)
		if err != nil || f.kind != kindPing {
			return f, err
		}
	}
}

func answer(conn net.Conn, in *bufio.Reader) {
	if f, err := nextRequest(in); err == nil {
		_, _ = conn.Write(f.bytes())
	}
}

func TestCallErrors(t *testing.T) {
	t.Parallel()
	call := func(t *testing.T, c *Conn, want error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := c.Call(ctx, []byte("x")); !errors.Is(err, want) {
			t.Errorf("call: %v, want %v", err, want)
		}
	}
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		l := listenLocal(t)
		_ = l.Close()
		call(t, NewConn(l.Addr().String()), client.ErrUnavailable)
	})
	t.Run("ClosedAfterRequest", func(t *testing.T) {
		t.Parallel()
		c := fakeServer(t, func(_ net.Conn, in *bufio.Reader) { _, _ = nextRequest(in) })
		call(t, c, client.ErrTimeout)
	})
	t.Run("NoAnswer", func(t *testing.T) {
		t.Parallel()
		call(t, fakeServer(t, func(net.Conn, *bufio.Reader) { <-t.Context().Done() }), client.ErrTimeout)
	})
	t.Run("ClosedBetweenCalls", func(t *testing.T) {
		t.Parallel()
		closed := make(chan struct{})
		c := fakeServer(t, answer, func(net.Conn, *bufio.Reader) { close(closed) })
		call(t, c, nil)
		<-c.link.done // the server has ended the connection, so the next call dials
		call(t, c, client.ErrTimeout)
		<-closed
	})
	t.Run("Garbage", func(t *testing.T) {
		t.Parallel()
		c := fakeServer(t, func(conn net.Conn, in *bufio.Reader) {
			_, _ = nextRequest(in) // garbage that comes before it was sent would be another case
			_, _ = conn.Write([]byte("HTTP/1.1 400 no\r\n\r\n"))
		})
		call(t, c, client.ErrTimeout)
	})
	t.Run("TooLong", func(t *testing.T) {
		t.Parallel()
		if _, err := NewConn("127.0.0.1:1").Call(t.Context(), make([]byte, MaxFrame)); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("call: %v", err)
		}
	})
	t.Run("NoTimeLeft", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := NewConn("127.0.0.1:1").Call(ctx, nil); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("call: %v", err)
		}
	})
	t.Run("Closed", func(t *testing.T) {
		t.Parallel()
		c := fakeServer(t, answer)
		call(t, c, nil)
		_ = c.Close()
		call(t, c, client.ErrUnavailable)
	})
}

// An answer that comes after its call was given up goes to nobody.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	second := make(chan struct{})
	c := fakeServer(t, func(conn net.Conn, in *bufio.Reader) {
		late, _ := nextRequest(in)
		<-second
		answer(conn, bufio.NewReader(bytes.NewReader(late.bytes())))
		answer(conn, in)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Call(ctx, []byte("first")); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("first call: %v", err)
	}
	close(second)
	if got, err := c.Call(t.Context(), []byte("second")); err != nil || string(got) != "second" {
		t.Errorf("second call: %q, %v", got, err)
	}
}

func TestManyCallsOnOneConnection(t *testing.T) {
	t.Parallel()
	c := deploy(t, 1, boot(echo))
	var calls sync.WaitGroup
	for i := range 200 {
		calls.Go(func() {
			want := fmt.Sprint(i)
			if got, err := c.nodes[0].conn.Call(t.Context(), []byte(want)); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", want, got, err)
			}
		})
	}
	calls.Wait()
}

// A client that sends nonsense harms nobody but itself.
func TestServerRefusesNonsense(t *testing.T) {
	t.Parallel()
	c := deploy(t, 1, boot(echo))
	for _, nonsense := range [][]byte{
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		{0, 0, 0, 1, 0},
		{0xff, 0xff, 0xff, 0xfe},
		clientFrame{kind: 99}.bytes(),
	} {
		for _, addr := range []string{c.nodes[0].cfg.ClientAddr, c.nodes[0].cfg.Peers[0]} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write(nonsense)
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%q was not refused: %v", nonsense, err)
			}
			_ = conn.Close()
		}
	}
	if got, err := c.Call(0, []byte("x")); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOptionsRoundTrip(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-z0-9.:/]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		want := Options{
			Self:       actor.NodeID(rapid.Int32Range(0, 200).Draw(t, "self")),
			Peers:      rapid.SliceOfN(word, 1, 5).Draw(t, "peers"),
			ClientAddr: word.Draw(t, "clients"),
			DataDir:    word.Draw(t, "data"),
			Seed:       rapid.Uint64().Draw(t, "seed"),
			Config:     []byte(rapid.SampledFrom([]string{"null", `{"mode":"cp"}`, "[1, 2]"}).Draw(t, "config")),
		}
		args := want.Args()
		got, err := parseOptions(args[1:])
		if err != nil || args[0] != Command || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q is read as %+v, %v", args, got, err)
		}
	})
	for _, args := range [][]string{{"-config", "{"}, {"-self", "x"}, {"-unknown"}} {
		if o, err := parseOptions(args); err == nil {
			t.Errorf("%q is read as %+v", args, o)
		}
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mono, wall := rapid.Int64Min(0).Draw(t, "mono"), rapid.Int64Range(-1<<60, 1<<60).Draw(t, "wall")
		text := rapid.StringMatching(`[a-z @]{0,20}`).Draw(t, "text")
		l := ParseLogLine(strings.TrimSuffix(formatLine(mono, wall, text), "\n"))
		if l.Mono != mono || l.Wall.UnixNano() != wall || l.Text != text {
			t.Fatalf("%d %d %q is read as %+v", mono, wall, text, l)
		}
	})
	for _, text := range []string{"panic: x", "@", "@5 x", "@x 2026-01-01T00:00:00Z y", "@5 yesterday z", ""} {
		if l := ParseLogLine(text); l != (LogLine{Text: text}) {
			t.Errorf("%q is read as %+v", text, l)
		}
	}
	if got := formatLine(1, 0, "a\nb\n"); got != "@1 1970-01-01T00:00:00Z a\n\tb\n" {
		t.Errorf("two lines are written as %q", got)
	}
}

func FuzzReadClientFrame(f *testing.F) {
	f.Add(clientFrame{7, kindRequest, []byte("body")}.bytes())
	f.Add(StatusRequest())
	f.Add(binary.BigEndian.AppendUint32(nil, MaxFrame)) // a length that nothing follows
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := readClientFrame(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		if again := frame.bytes(); !bytes.HasPrefix(data, again) {
			t.Errorf("%x is read as %+v, which is written as %x", data, frame, again)
		}
	})
}
