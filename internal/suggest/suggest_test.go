package suggest

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"partition", "kill", "pause", "clock", "power"}
	for name, want := range map[string]string{
		"partiton": "partition",
		"Klil":     "kill",
		"puase":    "pause",
		"pwer":     "power",
		"disk":     "",
		"":         "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"stroe", `unknown target "stroe": did you mean "store"?`},
		{"mongodb", `unknown target "mongodb": want one of store, queue`},
	} {
		if got := Unknown("target", c.name, []string{"store", "queue"}).Error(); got != c.want {
			t.Errorf("got %s\nwant %s", got, c.want)
		}
	}
}
