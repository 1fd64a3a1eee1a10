package gather_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// fault is something that is broken, and the code that must be its one root cause.
type fault struct {
	name, code string
	// warns: nothing fails, and the code is the one warning, beside also at most.
	warns bool
	also  []string
	// says are parts of the message.
	says []string
	// do breaks it, and returns the store and the mapping to apply; "" applies none.
	do func(s *stack) (store, mapping string)
}

// TestFaultMatrix injects faults into a real API server and a real Vault, one at a
// time. No controller runs, so nothing but the look itself can find the cause. With
// -v it prints the matrix; docs/faults.md is the same table:
//
//	UPDATE_DOCS=1 go test ./internal/gather -run TestFaultMatrix
func TestFaultMatrix(t *testing.T) {
	var rows []string
	all := slices.Concat(storeFaults(), vaultFaults(), credentialFaults(), policyFaults(), pathFaults(), mappingFaults(), warnings())
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			s := newStack(t)
			store, mapping := f.do(s)
			for _, doc := range []string{store, mapping} {
				if doc != "" {
					s.apply(doc)
				}
			}
			if s.after != nil {
				s.after()
			}
			facts, report := s.diagnose(s.change)
			var finding diagnose.Finding
			if f.warns {
				finding = warned(t, facts, report, f)
			} else {
				one(t, facts, report, f.code, f.says)
				finding = report.Roots()[0]
			}
			rows = append(rows, s.row(f, finding))
		})
	}
	matrix := "| injected fault | finds | says | fix |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	t.Logf("%d faults\n%s", len(rows), matrix)
	if made := regexp.MustCompile(`\b[a-z]+-[0-9a-z]{8,}\b`).FindAllString(matrix, -1); slices.ContainsFunc(made, hasDigit) {
		t.Errorf("the matrix has names that this run made up: %q", made)
	}
	if len(rows) == len(all) { // not a part of them, by -run
		documented(t, matrix)
	}
}

// warned checks that nothing failed or stayed unknown, and that the one warning is
// the fault's.
func warned(t *testing.T, facts diagnose.Facts, r diagnose.Report, f fault) diagnose.Finding {
	t.Helper()
	var found []diagnose.Finding
	for _, c := range r.Checks {
		switch {
		case c.Status == diagnose.StatusFail, c.Status == diagnose.StatusUnknown:
			t.Errorf("%s is %s: %s", c.Code, c.Status, c.Message)
		case c.Status == diagnose.StatusWarn && !slices.Contains(f.also, c.Code):
			found = append(found, c)
		}
	}
	if len(found) != 1 || found[0].Code != f.code {
		t.Fatalf("warnings %+v, want %s alone", found, f.code)
	}
	for _, part := range f.says {
		if !strings.Contains(found[0].Message, part) {
			t.Errorf("message %q does not name %q", found[0].Message, part)
		}
	}
	neverShows(t, facts, r)
	return found[0]
}

// one checks that there is exactly the one root cause, that it says what it must,
// and that no value shows anywhere.
func one(t *testing.T, f diagnose.Facts, r diagnose.Report, code string, says []string) {
	t.Helper()
	roots := r.Roots()
	if len(roots) != 1 || roots[0].Code != code {
		for _, c := range r.Checks {
			t.Logf("%-7s %s %s %s", c.Status, c.Code, c.Subject, c.Message)
		}
		t.Fatalf("root causes %v, want %s alone", r.RootCauses, code)
	}
	for _, part := range says {
		if !strings.Contains(roots[0].Message, part) {
			t.Errorf("message %q does not name %q", roots[0].Message, part)
		}
	}
	if roots[0].Fix == "" {
		t.Error("no fix")
	}
	neverShows(t, f, r)
}

func neverShows(t *testing.T, f diagnose.Facts, r diagnose.Report) {
	t.Helper()
	doc, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"report": string(doc), "facts": fmt.Sprintf("%+v", f), "paths": dump(f)} {
		if strings.Contains(text, canary) {
			t.Errorf("the %s shows a value", what)
		}
	}
}

func dump(f diagnose.Facts) string {
	text := fmt.Sprintf("%+v %+v", f.Target.Value, f.Events)
	for _, s := range f.Stores {
		text += fmt.Sprintf("%+v", *s)
	}
	for _, p := range f.Paths {
		text += fmt.Sprintf("%+v", *p)
	}
	return text
}

// row is the fault's line of the matrix, with what a run makes up (names, times) replaced
// by what a reader expects: the same matrix gives the same bytes.
func (s *stack) row(f fault, finding diagnose.Finding) string {
	kind := "root cause"
	if f.warns {
		kind = "warning"
	}
	fix, more, _ := strings.Cut(finding.Fix, "\n")
	if more != "" {
		fix += " …"
	}
	cell := func(text string, length int) string {
		text = strings.NewReplacer(
			"css-"+s.namespace, "vault", s.namespace, "apps", s.mount, "secret", strings.TrimSuffix(s.mount, s.mount[len(s.mount)-1:]), "secre",
			s.VaultAddress(0), "http://127.0.0.1:8200",
		).Replace(text)
		text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:8200")
		text = regexp.MustCompile(`\bpolicy-[0-9a-z]+\b`).ReplaceAllString(text, "app-ro")
		text = regexp.MustCompile(`\b(approle|userpass|jwt|kubernetes|ldap|cert|kv)-[0-9a-z]+\b`).ReplaceAllString(text, "$1")
		text = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(text, "2026-01-02T03:04:05Z")
		text = regexp.MustCompile(`\b\d+[hms](\d+[ms])?\b`).ReplaceAllStringFunc(text, about)
		text = strings.Join(strings.Fields(text), " ")
		if r := []rune(text); len(r) > length {
			text = string(r[:length-1]) + "…"
		}
		return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text)
	}
	return fmt.Sprintf("| %s | %s [%s](runbook.md#%s) | %s | `%s` |", f.name, kind, finding.Code, strings.ToLower(finding.Code), cell(finding.Message, 160), strings.ReplaceAll(cell(fix, 100), "`", "'"))
}

func hasDigit(text string) bool { return strings.ContainsAny(text, "0123456789") }

// about is a duration without what differs from run to run: "9m58s" is "10m".
func about(text string) string {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return text
	case d >= time.Hour:
		d = d.Round(time.Hour)
	default:
		d = d.Round(time.Minute)
	}
	whole := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(whole, zero) {
			whole = strings.TrimSuffix(whole, zero[1:])
		}
	}
	return whole
}

const (
	matrixFile  = "../../docs/faults.md"
	matrixBegin = "<!-- generated by TestFaultMatrix: UPDATE_DOCS=1 go test ./internal/gather -run TestFaultMatrix -->\n"
)

// documented holds docs/faults.md to the matrix: the same faults find the same codes.
// What the messages say may vary from run to run in names and times.
func documented(t *testing.T, matrix string) {
	t.Helper()
	doc, err := os.ReadFile(matrixFile)
	if err != nil {
		t.Fatal(err)
	}
	head, old, found := strings.Cut(string(doc), matrixBegin)
	if !found {
		t.Fatalf("%s has no line %q", matrixFile, matrixBegin)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(matrixFile, []byte(head+matrixBegin+"\n"+matrix), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was, is := columns(old), columns(matrix); !slices.Equal(was, is) {
		t.Errorf("%s is not the matrix of this run:\n%s\nwant\n%s", matrixFile, strings.Join(was, "\n"), strings.Join(is, "\n"))
	}
}

// columns are the first two columns of a table.
func columns(table string) []string {
	var rows []string
	for line := range strings.Lines(table) {
		if cells := strings.SplitN(line, " | ", 3); len(cells) == 3 {
			rows = append(rows, cells[0]+" | "+cells[1])
		}
	}
	return rows
}
