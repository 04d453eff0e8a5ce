package html

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// browser returns the path of a browser, or skips the test.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Skip("no chromium or chrome was found: install one to see how reports are laid out")
	return ""
}

// look says what is on a page: how wide it is, which headings can be seen, which
// words of drawings lie on other words of the same drawing, and which stick out
// of it.
const look = `(() => {
	const words = svg => [...svg.querySelectorAll('text')].map(e => ({text: e.textContent, r: e.getBoundingClientRect()})).filter(w => w.r.width > 0);
	const drawings = [...document.querySelectorAll('svg')];
	return {
		Wide: document.documentElement.scrollWidth, Window: window.innerWidth,
		Headings: [...document.querySelectorAll('h1, h2')].filter(e => e.checkVisibility()).map(e => e.textContent),
		Overlaps: drawings.flatMap(svg => words(svg).flatMap((a, i, all) => all.slice(i + 1).filter(b =>
			a.r.left < b.r.right - 1 && b.r.left < a.r.right - 1 && a.r.top < b.r.bottom - 4 && b.r.top < a.r.bottom - 4)
			.map(b => a.text + ' on ' + b.text))),
		Beyond: drawings.flatMap(svg => { const box = svg.getBoundingClientRect();
			return words(svg).filter(w => w.r.left < box.left - 1 || w.r.right > box.right + 1 || w.r.bottom > box.bottom + 1).map(w => w.text); }),
	};
})()`

// looks is what look finds.
type looks struct {
	Wide, Window               int
	Headings, Overlaps, Beyond []string
}

var (
	policyOf = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	foundIn  = regexp.MustCompile(`(?s)<pre data-page="(\w+)">(.*?)</pre>`)
)

// open shows pages to a headless browser, each in a frame of the given width,
// and returns what look finds in them. Reports forbid scripts, so copies are
// shown that do not.
func open(t *testing.T, browser string, width int, pages map[string][]byte) map[string]looks {
	t.Helper()
	var frames bytes.Buffer
	for name, page := range pages {
		script := `<script>onload = () => { const found = ` + look + `; const pre = parent.document.createElement('pre');
			pre.dataset.page = '` + name + `'; pre.textContent = JSON.stringify(found); parent.document.body.append(pre); }</script></body>`
		page = bytes.Replace(policyOf.ReplaceAll(page, nil), []byte("</body>"), []byte(script), 1)
		fmt.Fprintf(&frames, `<iframe width="%d" height="2400" srcdoc="%s"></iframe>`, width, html.EscapeString(string(page)))
	}
	seen := map[string]looks{}
	for _, found := range foundIn.FindAllSubmatch(dump(t, browser, frames.Bytes()), -1) {
		var l looks
		if err := json.Unmarshal([]byte(html.UnescapeString(string(found[2]))), &l); err != nil {
			t.Fatal(err)
		}
		seen[string(found[1])] = l
	}
	return seen
}

// dump returns the document that a page has become once it was loaded.
func dump(t *testing.T, browser string, page []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "page.html")
	if err := os.WriteFile(path, slices.Concat([]byte("<!doctype html><body>"), page), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dom, err := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--dump-dom", "file://"+path).Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	return dom
}

// TestInABrowser looks at reports as a reader does: everything is there, nothing
// sticks out, and no words lie on others.
func TestInABrowser(t *testing.T) {
	t.Parallel()
	program := browser(t)
	p, bad := hostile(t, "a very long word "+strings.Repeat("w", 5000))
	pages := map[string][]byte{
		"invalid": render(t, samplePlan(), staleRead(t)), "long": render(t, samplePlan(), long(t, 3000)), "hostile": render(t, p, bad),
	}
	all := open(t, program, 1200, pages)
	for name := range pages {
		seen, ok := all[name]
		if !ok || seen.Window != 1200 {
			t.Fatalf("%s: the browser did not show it in 1200 pixels: %+v", name, seen)
		}
		if seen.Wide > seen.Window {
			t.Errorf("%s: %d pixels wide in a window of %d", name, seen.Wide, seen.Window)
		}
		if len(seen.Overlaps) > 0 || len(seen.Beyond) > 0 {
			t.Errorf("%s: words on words %.500q, words beyond the edge %.500q", name, seen.Overlaps, seen.Beyond)
		}
		for _, want := range []string{"invalid", "What is wrong", "The run", "What the verdict rests on", "Settings"} {
			if !slices.Contains(seen.Headings, want) {
				t.Errorf("%s: no heading %q is visible, only %q", name, want, seen.Headings)
			}
		}
	}
}
