package plugin

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

func plainMark(s diagnose.Status) string {
	return map[diagnose.Status]string{
		diagnose.StatusOK: "✔", diagnose.StatusWarn: "⚠", diagnose.StatusFail: "✗", diagnose.StatusSkip: "–", diagnose.StatusUnknown: "?",
	}[s]
}

// sample is the report of docs and of ux: a token whose policy lacks the path.
func sample() diagnose.Report {
	check := func(code, group string, status diagnose.Status, message string) diagnose.Finding {
		c, _ := diagnose.Lookup(code)
		return diagnose.Finding{Code: code, Group: group, Title: c.Title, Status: status, Message: message, Requires: c.Requires}
	}
	r := diagnose.Report{
		Namespace: "prod", Name: "api-db", RootCauses: []string{"VS504"},
		Chain: "ExternalSecret prod/api-db → SecretStore/vault → https://vault.vault.svc:8200 (port-forward to vault-0)",
		Checks: []diagnose.Finding{
			check("VS201", diagnose.GroupMapping, diagnose.StatusOK, "ExternalSecret exists; Periodic, every 1h"),
			check("VS203", diagnose.GroupMapping, diagnose.StatusFail, "12 warnings UpdateFailed, last 40s ago: … Code: 403 …"),
			check("VS302", diagnose.GroupStore, diagnose.StatusOK, "SecretStore/vault is Ready"),
			check("VS402", diagnose.GroupVault, diagnose.StatusOK, "reachable, initialized, unsealed, v1.21.0, active"),
			check("VS501", diagnose.GroupAuth, diagnose.StatusOK, `Secret external-secrets/vault-token has key "token"`),
			check("VS502", diagnose.GroupAuth, diagnose.StatusOK, "token is valid, policies [default app-ro], ttl 51m"),
			check("VS504", diagnose.GroupAuth, diagnose.StatusFail, `no "read" on secret/data/app/db`),
			check("VS602", diagnose.GroupPath, diagnose.StatusSkip, "skipped: needs VS504"),
		},
	}
	r.Checks[6].Root = true
	r.Checks[6].Fix = "vault policy write app-ro - <<'EOF'\npath \"secret/data/app/db\" { capabilities = [\"read\"] }\nEOF"
	return r
}

func TestDiagnosisReadsAsSpecified(t *testing.T) {
	var out bytes.Buffer
	diagnosisPrinter{out: &out, mark: plainMark, root: "← root cause"}.report(sample())
	want := `ExternalSecret prod/api-db → SecretStore/vault → https://vault.vault.svc:8200 (port-forward to vault-0)

1 Store and ExternalSecret
✔ VS201 ExternalSecret exists; Periodic, every 1h
✗ VS203 12 warnings UpdateFailed, last 40s ago: … Code: 403 …
✔ VS302 SecretStore/vault is Ready
2 Vault
✔ VS402 reachable, initialized, unsealed, v1.21.0, active
3 Credential
✔ VS501 Secret external-secrets/vault-token has key "token"
✔ VS502 token is valid, policies [default app-ro], ttl 51m
✗ VS504 no "read" on secret/data/app/db                                    ← root cause
    fix: vault policy write app-ro - <<'EOF'
         path "secret/data/app/db" { capabilities = ["read"] }
         EOF
4 Path
– VS602 skipped: needs VS504
8 checks: 5 ok, 0 warnings, 2 failed, 1 skipped. Then: kubectl vaultsecret sync-now api-db -n prod
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestDiagnosisOfManyIsGroupedByCause(t *testing.T) {
	var reports []diagnose.Report
	for _, name := range []string{"a", "b", "c"} {
		r := sample()
		r.Name = name
		reports = append(reports, r)
	}
	reports = append(reports, diagnose.Report{Namespace: "prod", Name: "good", Healthy: true})
	var out bytes.Buffer
	diagnosisPrinter{out: &out, mark: plainMark}.causes(reports)
	for _, want := range []string{"✗ VS504 no \"read\" on secret/data/app/db\n    3 mappings: prod/a, prod/b, prod/c\n", "4 mappings: 1 good, 0 with warnings, 3 failing of 1 root cause\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
}

func TestDiagnosisJSONIsAsDocumented(t *testing.T) {
	doc, err := json.Marshal(diagnosisList([]diagnose.Report{sample()}))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion, Kind string
		Items            []struct {
			Namespace, Name string
			Healthy         *bool
			RootCauses      []string
			Checks          []struct {
				Code, Group, Title, Status, Message, Fix string
				Requires                                 []string
			}
		}
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "vaultsecret.io/v1" || got.Kind != "DiagnosisList" || len(got.Items) != 1 {
		t.Fatalf("%s", doc)
	}
	item := got.Items[0]
	if item.Healthy == nil || *item.Healthy || !cmp.Equal(item.RootCauses, []string{"VS504"}) || item.Checks[6].Code != "VS504" || item.Checks[6].Status != "fail" || item.Checks[6].Fix == "" {
		t.Errorf("%s", doc)
	}
}

func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := writeJUnit(&out, []diagnose.Report{sample()}); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 8 || got.Failures != 2 || got.Suites[0].Skipped != 1 {
		t.Errorf("%d tests, %d failures, %d skipped", got.Tests, got.Failures, got.Suites[0].Skipped)
	}
}

func TestExplainNeedsNoCluster(t *testing.T) {
	for _, c := range diagnose.Checks() {
		text, err := explainCode(strings.ToLower(c.Code))
		if err != nil || !strings.HasPrefix(text, c.Code+" "+c.Title) || !strings.Contains(text, "Fix.") || strings.Contains(text, "###") {
			t.Errorf("%s: %v\n%s", c.Code, err, text)
		}
	}
	if _, err := explainCode("VS999"); err == nil {
		t.Error("VS999 is explained")
	}
}

// Where several stores are checked, every line says which one it is about.
func TestDiagnosisOfSeveralStoresNamesThem(t *testing.T) {
	r := diagnose.Report{Namespace: "prod", Name: "api-db", Checks: []diagnose.Finding{
		{Code: "VS301", Group: diagnose.GroupStore, Subject: "SecretStore/prod/vault", Status: diagnose.StatusOK, Message: "SecretStore/vault exists"},
		{Code: "VS301", Group: diagnose.GroupStore, Subject: "ClusterSecretStore/other", Status: diagnose.StatusOK, Message: "ClusterSecretStore/other exists"},
		{Code: "VS402", Group: diagnose.GroupVault, Subject: "SecretStore/prod/vault", Status: diagnose.StatusOK, Message: "reachable"},
		{Code: "VS402", Group: diagnose.GroupVault, Subject: "ClusterSecretStore/other", Status: diagnose.StatusFail, Message: "Vault is sealed"},
		{Code: "VS504", Group: diagnose.GroupAuth, Subject: "kv/data/db", Status: diagnose.StatusOK, Message: "\"read\" on kv/data/db"},
		{Code: "VS504", Group: diagnose.GroupAuth, Subject: "kv/data/mq", Status: diagnose.StatusSkip, Message: "skipped: needs VS402"},
		{Code: "VS608", Group: diagnose.GroupPath, Status: diagnose.StatusSkip, Message: "skipped: needs VS402"},
	}}
	var out bytes.Buffer
	diagnosisPrinter{out: &out, mark: plainMark}.report(r)
	want := `

1 Store and ExternalSecret
✔ VS301 SecretStore/vault exists
✔ VS301 ClusterSecretStore/other exists
2 Vault
✔ VS402 reachable [SecretStore/prod/vault]
✗ VS402 Vault is sealed [ClusterSecretStore/other]
3 Credential
✔ VS504 "read" on kv/data/db
– VS504 skipped: needs VS402 [kv/data/mq]
4 Path
– VS608 skipped: needs VS402
7 checks: 4 ok, 0 warnings, 1 failed, 2 skipped
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
