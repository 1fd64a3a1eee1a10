package eso

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration keeps the text of a duration as it was written and judges it only when
// asked, so that "1d" fails the one mapping that says it and not the list it is in.
//
// +kubebuilder:validation:Type=string
type Duration struct {
	text   string
	number bool
}

// NewDuration returns d in Go's notation.
func NewDuration(d time.Duration) *Duration { return &Duration{text: d.String()} }

// DurationText returns a Duration of any text.
func DurationText(text string) *Duration { return &Duration{text: text} }

// String is the text as written.
func (d Duration) String() string { return d.text }

// Equal reports whether both are written alike; go-cmp uses it.
func (d Duration) Equal(other Duration) bool { return d == other }

// Parse returns the duration. A bare JSON number (a store's refreshInterval)
// counts seconds, as in ESO.
func (d Duration) Parse() (time.Duration, error) {
	if d.number || isDigits(d.text) && d.text != "0" {
		seconds, err := strconv.ParseInt(d.text, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is no number of seconds", d.text)
		}
		if d.number {
			return time.Duration(seconds) * time.Second, nil
		}
		return 0, fmt.Errorf("%q has no unit; write %ss for seconds", d.text, d.text)
	}
	parsed, err := time.ParseDuration(d.text)
	if err == nil {
		return parsed, nil
	}
	if days, found := strings.CutSuffix(d.text, "d"); found && isDigits(days) {
		if n, err := strconv.Atoi(days); err == nil && n < 100000 {
			return 0, fmt.Errorf("%q is no Go duration, which has no days; write %dh", d.text, 24*n)
		}
	}
	return 0, fmt.Errorf("%q is no Go duration; write for example 1h, 30m or 90s", d.text)
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// UnmarshalJSON takes any JSON string or number.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		*d = Duration{text: text}
		return nil
	}
	*d = Duration{text: string(raw), number: true}
	return nil
}

// MarshalJSON writes what was read.
func (d Duration) MarshalJSON() ([]byte, error) {
	if d.number {
		return []byte(d.text), nil
	}
	return json.Marshal(d.text)
}
