package words

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\n\ttext":        "plain\n\ttext",
		"\x1b[2Jgone\x00\x7f":  "␛[2Jgone␀␡",
		"\u202egnp.exe":        "⟨U+202E⟩gnp.exe",
		"a\u200bb\u2028\ufeff": "a⟨U+200B⟩b⟨U+2028⟩⟨U+FEFF⟩",
		"\x9b31m":              "\ufffd31m",
		"\u009b31m":            "⟨U+009B⟩31m",
		"日本語 🦀":                "日本語 🦀",
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPropertyVisibleIsStableAndClean(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "string")
		v := Visible(s)
		if !utf8.ValidString(v) || strings.ContainsFunc(v, hidden) || Visible(v) != v {
			t.Fatalf("Visible(%q) = %q", s, v)
		}
	})
}

func TestPropertyClip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, n := rapid.String().Draw(t, "s"), rapid.IntRange(1, 20).Draw(t, "n")
		got := Clip(s, n)
		switch runes := utf8.RuneCountInString(s); {
		case runes <= n && got != s:
			t.Fatalf("Clip(%q, %d) = %q changed what fits", s, n, got)
		case runes > n && (utf8.RuneCountInString(got) != n || !strings.HasPrefix(s, strings.TrimSuffix(got, "…"))):
			t.Fatalf("Clip(%q, %d) = %q", s, n, got)
		}
	})
}

func TestPropertyWrapLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune("ab é日  \n"))).Draw(t, "s")
		width := rapid.IntRange(1, 12).Draw(t, "width")
		lines := Wrap(s, width)
		for _, line := range lines {
			if utf8.RuneCountInString(line) > width {
				t.Fatalf("Wrap(%q, %d) has the line %q", s, width, line)
			}
		}
		bare := strings.NewReplacer(" ", "", "\n", "")
		if bare.Replace(strings.Join(lines, "")) != bare.Replace(s) {
			t.Fatalf("Wrap(%q, %d) = %q", s, width, lines)
		}
	})
}

func TestWrapBreaksAtSpaces(t *testing.T) {
	t.Parallel()
	got := strings.Join(Wrap("the quick brown fox\n\tjumps averyveryverylongword", 11), "|")
	if want := "the quick|brown fox|  jumps|averyveryve|rylongword"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFitIsShorterWhereLettersAreWide(t *testing.T) {
	t.Parallel()
	wide, narrow := Fit(strings.Repeat("w", 100), 100, 10), Fit(strings.Repeat("i", 100), 100, 10)
	if len(wide) >= len(narrow) || Fit("ok", 100, 10) != "ok" || Fit("日本", 1, 10) != "…" {
		t.Errorf("%q, %q", wide, narrow)
	}
}
