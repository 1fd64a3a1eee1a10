package plugin

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// statusTable prints rows in kubectl's look.
type statusTable struct {
	now        time.Time
	wide       bool
	namespaces bool
	headless   bool
	// widths are those of the columns printed so far; what is printed below is no
	// narrower.
	widths []int
}

func (t statusTable) header() []string {
	header := []string{"NAME", "STORE", "READY", "REASON", "LAST SYNC", "NEXT", "KV", "SECRET"}
	if t.namespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if t.wide {
		header = append(header, "POLICY", "INTERVAL", "KEYS", "CONSUMERS", "CONTROLLER", "MESSAGE")
	}
	return header
}

func (t statusTable) row(s MappingStatus) []string {
	row := []string{
		s.Name, s.Store.Kind + "/" + s.Store.Name, s.Ready, orDash(s.Reason), t.ago(s.LastSync), t.next(s.NextSync), kvColumn(s.Sources), secretColumn(s.Secret),
	}
	if t.namespaces {
		row = append([]string{s.Namespace}, row...)
	}
	if t.wide {
		keys := "?"
		if s.keys != nil {
			keys = fmt.Sprint(*s.keys)
		}
		row = append(row, s.Policy, s.Interval, keys, consumersColumn(s), s.Controller, orDash(s.Message))
	}
	return row
}

func (t statusTable) ago(at *metav1.Time) string {
	if at == nil {
		return "never"
	}
	return duration.HumanDuration(max(0, t.now.Sub(at.Time)))
}

// next is "in 12m", or "overdue 3h".
func (t statusTable) next(at *metav1.Time) string {
	if at == nil {
		return "-"
	}
	if late := t.now.Sub(at.Time); late > 0 {
		return "overdue " + duration.HumanDuration(late)
	}
	return "in " + duration.HumanDuration(at.Sub(t.now))
}

// kvColumn is "secret/data/app/db@3 → 5" for each path; the second number only when
// Vault was asked and has a newer one, "?" when it was to be asked and did not tell.
func kvColumn(sources []SourceVersion) string {
	var texts []string
	for _, s := range sources {
		text := s.Path
		if s.Version > 0 {
			text += fmt.Sprintf("@%d", s.Version)
		}
		if s.Newest > 0 && s.Newest != s.Version {
			text += fmt.Sprintf(" → %d", s.Newest)
		}
		if s.NewestError != "" {
			text += " → ?"
		}
		texts = append(texts, text)
	}
	if len(texts) > 2 {
		texts = append(texts[:2], fmt.Sprintf("+%d", len(sources)-2))
	}
	return orDash(strings.Join(texts, ","))
}

func secretColumn(s SecretStatus) string {
	switch {
	case s.Exists == nil:
		return s.Name + " (?)"
	case !*s.Exists:
		return s.Name + " (missing)"
	}
	return s.Name
}

// consumersColumn is "-" for none and "?" where they could not be seen.
func consumersColumn(s MappingStatus) string {
	if s.ConsumersError != "" {
		return "?"
	}
	return orDash(strings.Join(s.Consumers, ","))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// batch is how many rows are laid out at once: a table of ten thousand would take
// more memory than all that was looked at.
const batch = 500

// print prints rows, the first time with the header.
func (t *statusTable) print(w io.Writer, items []MappingStatus) error {
	t.widen(t.header())
	for _, item := range items {
		t.widen(t.row(item))
	}
	for part := range slices.Chunk(items, batch) {
		rows := make([][]string, 0, len(part))
		for _, item := range part {
			rows = append(rows, t.row(item))
		}
		header := t.header()
		if t.headless {
			header = nil
			t.fill(rows[0])
		}
		t.fill(header)
		t.headless = true
		if err := table(w, header, rows); err != nil {
			return err
		}
	}
	return nil
}

// widen makes the columns as wide as a row needs.
func (t *statusTable) widen(row []string) {
	if t.widths == nil {
		t.widths = make([]int, len(row))
	}
	for i, cell := range row {
		t.widths[i] = max(t.widths[i], len([]rune(cell)))
	}
}

// fill pads a row to the columns' widths.
func (t *statusTable) fill(row []string) {
	for i := range row {
		row[i] = pad(row[i], t.widths[i])
	}
}

// footer counts, and names the next command.
func footer(items []MappingStatus, now time.Time) string {
	failing, late, stale, unseen := 0, 0, 0, 0
	controllers := map[string]int{}
	worst := ""
	for _, s := range items {
		controllers[s.Controller]++
		switch {
		case s.failing():
			failing++
			if worst == "" {
				worst = s.Namespace + " " + s.Name
			}
		case s.overdue(now):
			late++
		case s.stale():
			stale++
		case s.unseen():
			unseen++
		}
	}
	var by []string
	for _, name := range []string{"vaultsecret", "external-secrets", "unknown"} {
		if n := controllers[name]; n > 0 {
			by = append(by, fmt.Sprintf("%d by %s", n, name))
		}
	}
	parts := []string{fmt.Sprintf("%d failing", failing)}
	for _, p := range []struct {
		n    int
		text string
	}{{late, "overdue"}, {stale, "behind Vault"}, {unseen, "not compared with Vault"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	line := fmt.Sprintf("%s: %s (%s).", count(len(items), "mapping"), strings.Join(parts, ", "), strings.Join(by, ", "))
	switch {
	case worst != "":
		return line + " Next: kubectl vaultsecret diagnose -n " + worst
	case stale > 0:
		i := slices.IndexFunc(items, MappingStatus.stale)
		return line + " Next: kubectl vaultsecret sync-now -n " + items[i].Namespace + " " + items[i].Name
	}
	return line
}
