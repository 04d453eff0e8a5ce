package svg

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

func TestHostileWordsAreEscaped(t *testing.T) {
	t.Parallel()
	c := New(100, 50)
	evil := `"><script>alert(1)</script>`
	c.Rect(1, 2, 3, 4, evil, evil)
	c.Text(1, 2, evil, evil, evil)
	c.Line(0, 0, 1.25, 1, evil)
	c.Arrow(1, 2, 3, 4, 5, evil, evil)
	c.Dots(evil, [][2]float64{{1, 2}})
	c.Area(evil, 10, [][2]float64{{1, 2}, {3, 4}})
	out := c.String(evil)
	if strings.Contains(out, "<script") {
		t.Error("not escaped:", out)
	}
	wellFormed(t, out)
}

func wellFormed(t *testing.T, out string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(out)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, out)
		}
	}
}

func TestEmptyShapesAreLeftOut(t *testing.T) {
	t.Parallel()
	c := New(10, 10)
	c.Dots("a", nil)
	c.Area("a", 0, nil)
	if got := c.String("x"); strings.Contains(got, "path") {
		t.Error(got)
	}
}

// TestNoNumberBreaksADrawing draws where nothing can be drawn.
func TestNoNumberBreaksADrawing(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, math.MaxFloat64} {
		c := New(10, 10)
		c.Rect(x, x, x, x, "a", "")
		c.Line(x, x, x, x, "a")
		c.Arrow(x, x, x, x, x, "a", "")
		c.Arrow(5, 5, 5, 5, 3, "a", "")
		c.Dots("a", [][2]float64{{x, x}})
		out := c.String("x")
		wellFormed(t, out)
		if strings.Contains(out, "NaN") || strings.Contains(out, "Inf") {
			t.Error(out)
		}
	}
}

func TestManyDotsStaySmall(t *testing.T) {
	t.Parallel()
	var points [][2]float64
	for i := range 200_000 {
		points = append(points, [2]float64{float64(i % 1000), float64(i / 100 % 999)})
	}
	c := New(1000, 1000)
	c.Dots("a", points)
	switch drawn := strings.Count(c.String("x"), "M"); {
	case drawn > MostDots:
		t.Errorf("%d dots were drawn, at most %d wanted", drawn, MostDots)
	case drawn < MostDots/8:
		t.Errorf("only %d dots are left", drawn)
	}
}

func TestDotsOnOnePixelAreDrawnOnce(t *testing.T) {
	t.Parallel()
	c := New(10, 10)
	c.Dots("a", [][2]float64{{1, 2}, {1.2, 1.9}, {3, 4}})
	if got, want := c.String("x"), `d="M1 2h0M3 4h0"`; !strings.Contains(got, want) {
		t.Errorf("%s has no %s", got, want)
	}
}

func ExampleCanvas() {
	c := New(40, 20)
	c.Rect(0, 5, 30, 10, "op ok", "write 7")
	c.Text(2, 12, "start", "label", "7 < 8")
	fmt.Println(c.String("an operation"))
	// Output:
	// <svg viewBox="0 0 40 20" role="img" aria-label="an operation"><rect x="0" y="5" width="30" height="10" class="op ok"><title>write 7</title></rect><text x="2" y="12" text-anchor="start" class="label">7 &lt; 8</text></svg>
}
