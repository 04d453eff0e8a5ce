package drawing

import (
	"math"

	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

func (d *drawing) circleHigh() float64 {
	if len(d.Edges) == 2 {
		return lensHigh
	}
	return circleHigh
}

// drawCircle draws the steps of a cycle from box to box, clockwise.
func (d *drawing) drawCircle() {
	n := len(d.Edges)
	at := func(i int) (x, y float64) {
		angle := 2*math.Pi*float64(i%n)/float64(n) - math.Pi/2
		if n == 2 {
			angle -= math.Pi / 2 // side by side
		}
		return width/2 + 290*math.Cos(angle), d.circleTop + d.circleHigh()/2 + (d.circleHigh()/2-30)*math.Sin(angle)
	}
	for i, e := range d.Edges {
		x1, y1 := at(i)
		x2, y2 := at(i + 1)
		fx, fy := border(x1, y1, x2, y2)
		tx, ty := border(x2, y2, x1, y1)
		d.canvas.Arrow(fx, fy, tx, ty, 12, "step "+kindClass(e.Kind), e.Why)
		nx, ny := (x1+x2)/2, (y1+y2)/2
		length := max(math.Hypot(x2-x1, y2-y1), 1)
		d.canvas.Text(nx+24*(y2-y1)/length, ny-24*(x2-x1)/length+4, "middle", "kind "+kindClass(e.Kind), words.Fit(label(e.Kind, e.Key), 140, letters))
	}
	for i, e := range d.Edges {
		x, y := at(i)
		text := ""
		if c := d.find(e.From); c != nil {
			text = action(*c)
		}
		d.canvas.Rect(x-boxWide/2, y-boxHigh/2, boxWide, boxHigh, "box", text)
		d.canvas.Text(x, y+4, "middle", "label", words.Fit(numbered(e.From, text), boxWide-10, letters))
	}
}

func label(kind, key string) string {
	if key == "" {
		return kind
	}
	return kind + " on " + words.Visible(key)
}

// border is where a line from the middle of a box towards a point leaves it.
func border(x, y, toX, toY float64) (float64, float64) {
	dx, dy := toX-x, toY-y
	scale := 1.0
	if dx != 0 {
		scale = min(scale, (boxWide/2+4)/math.Abs(dx))
	}
	if dy != 0 {
		scale = min(scale, max((boxHigh/2+4)/math.Abs(dy), 0))
	}
	return x + dx*scale, y + dy*scale
}
