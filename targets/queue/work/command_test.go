package work

import (
	"fmt"
	"testing"
)

func Example() {
	m := newMachine(Config{})
	do := func(c Command) Answer {
		a, err := ParseAnswer(m.Apply(0, c.AppendTo(nil)))
		if err != nil {
			panic(err)
		}
		return a
	}
	do(Command{Op: Enqueue, Queue: "mail", Message: "a letter"})
	first := do(Command{Op: Receive, Queue: "mail"})
	do(Command{Op: Expire, Token: first.Token}) // the leader saw that its time was over
	second := do(Command{Op: Receive, Queue: "mail"})
	fmt.Println(second.Message, "under", second.Token)
	for _, token := range []uint64{first.Token, second.Token} {
		a := do(Command{Op: Ack, Queue: "mail", Message: "a letter", Token: token})
		fmt.Println("ack under", token, "is refused:", a.Result == Stale)
	}
	// Output:
	// a letter under 2
	// ack under 1 is refused: true
	// ack under 2 is refused: false
}

func FuzzCommand(f *testing.F) {
	f.Add(Command{Op: Ack, Queue: "q", Message: "a", Token: 300, Consumer: Consumer{1, 2}}.AppendTo(nil))
	f.Add([]byte{0, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommand(b)
		if err != nil {
			return
		}
		again, err := ParseCommand(c.AppendTo(nil))
		if err != nil || again != c {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
		m := newMachine(Config{FIFO: true, MaxDeliveries: 1})
		m.Apply(0, Command{Op: Enqueue, Queue: c.Queue, Message: c.Message}.AppendTo(nil))
		m.Apply(0, Command{Op: Receive, Queue: c.Queue}.AppendTo(nil))
		if _, err := ParseAnswer(m.Apply(0, c.AppendTo(nil))); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(Answer{Result: Delivered, Message: "a", Token: 7, Visibility: 2e9}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAnswer(b)
		if err != nil {
			return
		}
		if again, err := ParseAnswer(a.AppendTo(nil)); err != nil || again != a {
			t.Errorf("%+v became %+v, %v", a, again, err)
		}
	})
}

func FuzzRestore(f *testing.F) {
	m := newMachine(Config{})
	m.Apply(0, Command{Op: Enqueue, Queue: "q", Message: "a"}.AppendTo(nil))
	m.Apply(0, Command{Op: Receive, Queue: "q"}.AppendTo(nil))
	f.Add(m.Encode())
	f.Add([]byte{1, 2, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMachine(Config{})
		if m.Restore(b) == nil {
			m.Digest()
			m.Apply(0, Command{Op: Receive, Queue: "q"}.AppendTo(nil))
		}
	})
}
