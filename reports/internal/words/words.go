// Package words prepares text for reports: text that users, nodes and attackers
// made. It keeps such text short, and visible: a control character that clears a
// terminal, or one that reverses the direction of a line, is shown and does
// nothing.
package words

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Visible replaces what a reader would not see, but for newlines and tabs:
// control characters by their pictures, characters that change the direction of
// text by their numbers, and bytes that are not UTF-8 by U+FFFD.
func Visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune('␀' + r)
		case r == 0x7f:
			b.WriteRune('␡')
		default:
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		}
	}
	return b.String()
}

// hidden reports whether r acts on a reader's screen and is not seen on it.
func hidden(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < 0x20 || r >= 0x7f && r < 0xa0:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	default:
		return r == 0x061c || r == 0xfeff || r == 0xfffe || r == 0xffff
	}
}

// Clip cuts s to at most n characters, the last of which is then an ellipsis.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	seen := 0
	cut := 0
	for i := range s {
		if seen == n-1 {
			cut = i
		}
		if seen++; seen > n {
			return s[:cut] + "…"
		}
	}
	return s
}

// Wrap breaks s into lines of at most width characters, at spaces where there
// are any. Its own line breaks stay.
func Wrap(s string, width int) []string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, wrapLine(strings.ReplaceAll(line, "\t", "  "), width)...)
	}
	return lines
}

func wrapLine(s string, width int) []string {
	var lines []string
	for utf8.RuneCountInString(s) > width {
		at := prefix(s, width)
		next := at
		if space := strings.LastIndexByte(s[:at+1], ' '); space > at/3 {
			at, next = space, space+1
		}
		lines = append(lines, strings.TrimRight(s[:at], " "))
		s = s[next:]
	}
	return append(lines, s)
}

// prefix returns how many bytes the first n characters of s take.
func prefix(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// Seconds writes nanoseconds as seconds, to the hundredth.
func Seconds(ns int64) string { return fmt.Sprintf("%.2f s", float64(ns)/1e9) }

// Millis writes nanoseconds as milliseconds, to the tenth.
func Millis(ns int64) string { return fmt.Sprintf("%.1f ms", float64(ns)/1e6) }

// Count writes how many there are of something: "1 anomaly", "2 anomalies".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Fit cuts s so that it is at most width pixels wide in a proportional font of
// the given size, by a cautious guess: nobody knows the font of the reader.
func Fit(s string, width, size float64) string {
	runes := []rune(s)
	used := 0.0
	for i, r := range runes {
		if used += size * share(r); used > width {
			return Clip(s, max(i, 1))
		}
	}
	return s
}

// share is how wide a character is, as a part of the size of the font.
func share(r rune) float64 {
	switch {
	case strings.ContainsRune(" .,:;|!'ijl()[]", r):
		return 0.45
	case strings.ContainsRune("mwMW%@…", r):
		return 1.0
	case r >= 0x1100:
		return 1.1
	case r >= 'A' && r <= 'Z':
		return 0.78
	default:
		return 0.68
	}
}
