// Package svg draws: lines, boxes, dots, arrows and words, as one SVG element
// that can stand in a page by itself. Everything that is written into it is
// escaped. Colours come from classes, so that the page decides on them.
package svg

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Canvas is a drawing of a fixed size, in pixels from the upper left.
type Canvas struct {
	w, h float64
	body strings.Builder
}

// New returns an empty canvas.
func New(width, height float64) *Canvas { return &Canvas{w: width, h: height} }

// num writes a coordinate with at most one decimal. What is not a number is 0:
// a drawing may be wrong in one place, but never unreadable.
func num(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		x = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// Rect draws a box. title is shown when the pointer rests on it.
func (c *Canvas) Rect(x, y, w, h float64, class, title string) {
	fmt.Fprintf(&c.body, `<rect x="%s" y="%s" width="%s" height="%s" class="%s">%s</rect>`,
		num(x), num(y), num(max(w, 0.5)), num(max(h, 0.5)), escape(class), titled(title))
}

// Line draws a line.
func (c *Canvas) Line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&c.body, `<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`,
		num(x1), num(y1), num(x2), num(y2), escape(class))
}

// Text writes words with their left end, middle or right end at x, as anchor
// says: "start", "middle" or "end".
func (c *Canvas) Text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(&c.body, `<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`,
		num(x), num(y), escape(anchor), escape(class), escape(text))
}

// headSize is the length of the head of an arrow.
const headSize = 7.0

// Arrow draws an arrow that swerves to its left by bend pixels in the middle,
// or to its right if bend is negative. title is shown when the pointer rests on
// it.
func (c *Canvas) Arrow(x1, y1, x2, y2, bend float64, class, title string) {
	dx, dy := x2-x1, y2-y1
	length := max(math.Hypot(dx, dy), 1)
	midX, midY := (x1+x2)/2+2*bend*dy/length, (y1+y2)/2-2*bend*dx/length
	angle := math.Atan2(y2-midY, x2-midX)
	wing := func(turn float64) string {
		return num(x2-headSize*math.Cos(angle+turn)) + " " + num(y2-headSize*math.Sin(angle+turn))
	}
	class = escape(class)
	fmt.Fprintf(&c.body, `<g class="%s"><path d="M%s %sQ%s %s %s %s" class="shaft"/><path d="M%s %sL%sL%sZ" class="head"/>%s</g>`,
		class, num(x1), num(y1), num(midX), num(midY), num(x2), num(y2), num(x2), num(y2), wing(0.45), wing(-0.45), titled(title))
}

// Dots draws many dots as one element. So that a drawing stays small however
// many there are, dots on the same pixel are drawn once, and pixels grow until
// at most [MostDots] are left.
func (c *Canvas) Dots(class string, points [][2]float64) {
	if len(points) == 0 {
		return
	}
	var d strings.Builder
	for _, p := range thin(points) {
		fmt.Fprintf(&d, "M%d %dh0", p[0], p[1])
	}
	fmt.Fprintf(&c.body, `<path d="%s" class="%s"/>`, d.String(), escape(class))
}

// MostDots is how many dots [Canvas.Dots] draws at most.
const MostDots = 20_000

func thin(points [][2]float64) [][2]int {
	for pixel := 1.0; ; pixel *= 2 {
		seen := make(map[[2]int]bool, min(len(points), MostDots))
		var dots [][2]int
		for _, p := range points {
			at := [2]int{int(math.Round(p[0]/pixel) * pixel), int(math.Round(p[1]/pixel) * pixel)}
			if !seen[at] {
				seen[at] = true
				dots = append(dots, at)
			}
		}
		if len(dots) <= MostDots {
			return dots
		}
	}
}

// Area draws a shape under a curve: from the first point along all others, and
// closed along the base.
func (c *Canvas) Area(class string, base float64, points [][2]float64) {
	if len(points) == 0 {
		return
	}
	var d strings.Builder
	fmt.Fprintf(&d, "M%s %s", num(points[0][0]), num(base))
	for _, p := range points {
		fmt.Fprintf(&d, "L%s %s", num(p[0]), num(p[1]))
	}
	fmt.Fprintf(&d, "L%s %sZ", num(points[len(points)-1][0]), num(base))
	fmt.Fprintf(&c.body, `<path d="%s" class="%s"/>`, d.String(), escape(class))
}

func titled(title string) string {
	if title == "" {
		return ""
	}
	return "<title>" + escape(title) + "</title>"
}

// File returns the drawing as the content of an SVG file, with the style that
// gives its classes their colours.
func (c *Canvas) File(label, style string) string {
	return fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"+
		`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img" aria-label="%s"><style>%s</style>%s</svg>`+"\n",
		num(c.w), num(c.h), num(c.w), num(c.h), escape(label), escape(style), c.body.String())
}

// escape makes text safe to stand in SVG, in a page as in a file of its own:
// characters that XML cannot hold are replaced.
func escape(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError))))
}

// String returns the drawing as an SVG element that scales with its page.
// label says what it shows, for those who cannot see it.
func (c *Canvas) String(label string) string {
	return fmt.Sprintf(`<svg viewBox="0 0 %s %s" role="img" aria-label="%s">%s</svg>`,
		num(c.w), num(c.h), escape(label), c.body.String())
}
