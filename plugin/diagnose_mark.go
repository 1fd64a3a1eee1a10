package plugin

import (
	"io"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// marker turns a status into its mark, coloured where the stream gets colours. The
// meaning is in the mark and the words, never in the colour alone.
func (o *Options) marker(stream any) func(diagnose.Status) string {
	m := o.marks()
	unknown := "?"
	if strings.HasPrefix(m.OK, "[") {
		unknown = "[unknown]"
	}
	colored := o.colored(stream)
	return func(s diagnose.Status) string {
		mark, color := m.Skip, ""
		switch s {
		case diagnose.StatusOK:
			mark, color = m.OK, "32"
		case diagnose.StatusWarn:
			mark, color = m.Warn, "33"
		case diagnose.StatusFail:
			mark, color = m.Fail, "31"
		case diagnose.StatusUnknown:
			mark, color = unknown, "33"
		}
		if !colored || color == "" {
			return mark
		}
		return "\x1b[" + color + "m" + mark + "\x1b[0m"
	}
}

// text is the stream for people: without a UTF-8 locale arrows and the like become
// ASCII.
func (o *Options) text(w io.Writer) io.Writer {
	if utf8Locale() {
		return w
	}
	return asciiWriter{w, strings.NewReplacer("→", "->", "←", "<-", "…", "...", "–", "-", "·", "-",
		"├── ", "|-- ", "└── ", "`-- ", "│", "|")}
}

type asciiWriter struct {
	io.Writer
	replace *strings.Replacer
}

// Write takes whole lines, as fmt.Fprint gives them.
func (w asciiWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, w.replace.Replace(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
