package eso_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestDuration(t *testing.T) {
	for raw, want := range map[string]struct {
		parsed time.Duration
		err    string
	}{
		`"1h0m0s"`:              {parsed: time.Hour},
		`"90s"`:                 {parsed: 90 * time.Second},
		`"0"`:                   {},
		`0`:                     {},
		`300`:                   {parsed: 5 * time.Minute},
		`-5`:                    {parsed: -5 * time.Second},
		`"-5m"`:                 {parsed: -5 * time.Minute},
		`"1d"`:                  {err: `"1d" is no Go duration, which has no days; write 24h`},
		`"30d"`:                 {err: "write 720h"},
		`"300"`:                 {err: "no unit; write 300s"},
		`"1w"`:                  {err: "write for example 1h, 30m or 90s"},
		`""`:                    {err: "write for example"},
		`"999999999999999999d"`: {err: "write for example"},
		`"9999999999999999h"`:   {err: "write for example"},
		`1e400`:                 {err: "no number of seconds"},
		`99999999999`:           {err: "no number of seconds"},
		`{"a":1}`:               {err: "no number of seconds"},
	} {
		var d eso.Duration
		if err := json.Unmarshal([]byte(raw), &d); err != nil {
			t.Errorf("%s breaks the list it is in: %v", raw, err)
		}
		parsed, err := d.Parse()
		if want.err == "" && (err != nil || parsed != want.parsed) {
			t.Errorf("%s: %s, %v, want %s", raw, parsed, err, want.parsed)
		}
		if want.err != "" && (err == nil || !strings.Contains(err.Error(), want.err)) {
			t.Errorf("%s: %v, want %q", raw, err, want.err)
		}
		if out, err := json.Marshal(d); err != nil || string(out) != raw {
			t.Errorf("%s came back as %s, %v", raw, out, err)
		}
	}
	if d := eso.NewDuration(90 * time.Minute); d.String() != "1h30m0s" || !d.Equal(*eso.DurationText("1h30m0s")) {
		t.Errorf("NewDuration writes %s", d)
	}
}
