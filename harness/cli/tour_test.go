package cli

import (
	"io"
	"log/slog"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/registry"
)

// Each stop of the tour shows what it is there to show.
func TestStops(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs targets for minutes of virtual time: not with -short")
	}
	for _, s := range stops {
		t.Run(s.command, func(t *testing.T) {
			t.Parallel()
			a := &app{reg: registry.Builtin(), out: io.Discard, err: io.Discard, log: slog.New(slog.DiscardHandler), json: true}
			o, err := a.halt(t.Context(), s, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if r := o.Result; !tells(r) {
				t.Errorf("%s: the run is %v, and the promise %+v; choose settings and faults that tell with most seeds", s.about, r.Verdict, r.Promise)
			}
		})
	}
}
