package plugin

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// A generated value has the length and the characters that were asked for, all of them
// turn up, and no two are alike.
func TestGenerate(t *testing.T) {
	for name, set := range charsets() {
		value, err := generate(rand.Reader, set, longestValue)
		if err != nil || len(value) != longestValue {
			t.Fatalf("%s: %d characters, %v", name, len(value), err)
		}
		for _, c := range set {
			if !strings.ContainsRune(string(value.Reveal()), c) {
				t.Errorf("%s: %q never turned up", name, c)
			}
		}
		if extra := strings.Trim(string(value.Reveal()), set); extra != "" {
			t.Errorf("%s: %q is not of the set", name, extra)
		}
		again, err := generate(rand.Reader, set, longestValue)
		if err != nil || string(again.Reveal()) == string(value.Reveal()) {
			t.Errorf("%s: the same twice, %v", name, err)
		}
	}
	broken := errors.New("no entropy")
	if _, err := generate(iotest.ErrReader(broken), "ab", 8); !errors.Is(err, broken) {
		t.Errorf("without entropy: %v", err)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"value\n": "value", "value\r\n": "value", "value": "value", "\n": "", "": "", "two\nlines\n": "two\nlines\n", " value \n": " value ", "a\n\n": "a\n\n",
	} {
		if got := string(oneLine([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestParseFrom(t *testing.T) {
	for text, want := range map[string][3]string{
		"secret/app/db#password=DB_PASSWORD": {"secret/app/db", "password", "DB_PASSWORD"},
		"secret/app/db#password":             {"secret/app/db", "password", "password"},
		"secret/app/db=all":                  {"secret/app/db", "", "all"},
		"a=b/c#d=e":                          {"a=b/c", "d", "e"},
		"a#b#c=d":                            {"a#b", "c", "d"},
		"app/db#a.b.c=k":                     {"app/db", "a.b.c", "k"},
	} {
		got, err := parseFrom(text)
		if err != nil || got.RemoteRef.Key != want[0] || got.RemoteRef.Property != want[1] || got.SecretKey != want[2] {
			t.Errorf("%s: %+v, %v, want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"": "no path", "#a=b": "no path", "/#a=b": "no path", "app/db": "neither a property nor a key", "app/db#": "no property after #",
		"app/db#a=": "no key after =", "app/db#=b": "no property after #", "app/db#a b": "is no key of a Secret", "app/db#a=..": "is no key of a Secret",
	} {
		if _, err := parseFrom(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
