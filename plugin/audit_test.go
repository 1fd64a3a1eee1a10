package plugin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// What audit says of a path is what Vault's own metadata and its audit log say.
func TestAuditReconcilesWithVault(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	mount := mountOf(t, sb, namespace)
	root := sb.RootVault(t)
	log, err := sb.EnableVaultAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Sys().DisableAudit("file"); err != nil {
			t.Error(err)
		}
	})
	for i := range 4 {
		sb.Put(t, mount, "app/db", map[string]any{"user": "app", "password": fmt.Sprint("p", i), "link": "l"})
	}
	t.Setenv("VAULT_TOKEN", sb.RootToken)
	t.Setenv("VAULT_ADDR", sb.VaultAddress(0)) // a token of one's own goes nowhere else
	report := audited(t, sb, namespace)
	metadata, err := root.KVv2(mount).GetMetadata(t.Context(), "app/db")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Items) != 1 || len(report.Items[0].Paths) != 1 {
		t.Fatalf("%+v", report)
	}
	p := report.Items[0].Paths[0]
	newest := metadata.Versions[fmt.Sprint(metadata.CurrentVersion)]
	if p.Newest != metadata.CurrentVersion || p.Kept != len(metadata.Versions) || p.Written == nil || !p.Written.Time.Equal(newest.CreatedTime.Truncate(time.Second)) {
		t.Errorf("audit: %+v, Vault: %d of %d, %s", p, metadata.CurrentVersion, len(metadata.Versions), newest.CreatedTime)
	}
	writes, who := loggedWrites(t, log, mount+"/data/app/db")
	if want := p.Newest - 1; writes != want { // the first was written before the device was on
		t.Errorf("the audit log has %d writes, the report %d", writes, want)
	}
	if p.WrittenBy != who {
		t.Errorf("the audit log says %q wrote, the report %q", who, p.WrittenBy)
	}
	if v := report.Vaults; len(v) != 1 || len(v[0].Devices) != 1 || v[0].Devices[0] != (AuditDevice{Path: "file", Type: "file"}) {
		t.Errorf("audit devices: %+v", v)
	}
	if s := report.Summary; s.NoAudit != 0 || s.Mappings != 1 || s.Paths != 1 || s.Drifted != 1 {
		t.Errorf("%+v: %+v", s, report.Items[0])
	}
	if before := p.Newest; audited(t, sb, namespace).Items[0].Paths[0].Newest != before {
		t.Error("audit wrote a version")
	}
}

func audited(t *testing.T, sb *sandbox.Sandbox, namespace string) AuditReport {
	t.Helper()
	output, code := invoke(t, sb, "audit", "-n", namespace, "-o", "json", "--max-age=90d")
	if code != ExitBad {
		t.Errorf("exit code %d: %s", code, output)
	}
	var report AuditReport
	if err := json.NewDecoder(strings.NewReader(output)).Decode(&report); err != nil { // standard error comes after it
		t.Fatalf("%v in %s", err, output)
	}
	return report
}

// loggedWrites counts the answered writes of a path in Vault's audit log, and tells the
// display name of the last.
func loggedWrites(t *testing.T, log, path string) (writes int, who string) {
	t.Helper()
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct {
			Type, Error string
			Auth        struct {
				Display string `json:"display_name"`
			}
			Request struct{ Path, Operation string }
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Type == "response" && entry.Error == "" && entry.Request.Path == path && (entry.Request.Operation == "update" || entry.Request.Operation == "create") {
			writes, who = writes+1, entry.Auth.Display
		}
	}
	return writes, who
}

// A spreadsheet takes no cell for a formula.
func TestAuditCSVHoldsNoFormula(t *testing.T) {
	days := 3
	doc, err := auditCSV(&AuditReport{Items: []AuditMapping{{
		Namespace: "=1+1", Name: "@x", NotSeen: []string{"-a"},
		Paths: []AuditPath{{Path: "+p", AgeDays: &days}}, Readers: []AuditReader{{Kind: "User", Name: "=cmd"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Split(string(doc), "\n")[1]
	for _, want := range []string{"'=1+1,", ",'@x,", ",'+p,", ",'-a"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "12h": 12 * time.Hour, "1ms": time.Millisecond} {
		if got, err := parseAge(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "old", "-3d", "0d", "0", "-1h", "3 d", "1.5d", "99999999d", "90"} {
		if got, err := parseAge(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}
