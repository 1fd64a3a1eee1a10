package diagnose_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func TestHealthy(t *testing.T) {
	r := diagnose.Run(*healthy())
	if !r.Healthy || len(r.RootCauses) != 0 {
		t.Fatalf("healthy facts give %v", r.RootCauses)
	}
	for _, c := range r.Checks {
		if c.Status != diagnose.StatusOK {
			t.Errorf("%s is %s: %s", c.Code, c.Status, c.Message)
		}
	}
	want := "ExternalSecret apps/api-db → ClusterSecretStore/vault → https://vault.vault.svc:8200 (port-forward to vault-0)"
	if r.Chain != want {
		t.Errorf("chain %q, want %q", r.Chain, want)
	}
}

func TestWarnings(t *testing.T) {
	for _, w := range []struct {
		name, code, says, fix string
		do                    func(f *diagnose.Facts)
	}{
		{"two controllers", "VS103", "2 controllers", "scale deployment", func(f *diagnose.Facts) {
			f.Cluster.Controllers.Value = append(f.Cluster.Controllers.Value, diagnose.Controller{Kind: "external-secrets", Namespace: "external-secrets", Name: "external-secrets", Class: "default", Ready: 1, Wanted: 1})
		}},
		{"no controller seen, yet it was answered", "VS103", "no controller is seen", "kubectl apply", func(f *diagnose.Facts) {
			f.Cluster.Controllers = diagnose.Known([]diagnose.Controller{})
		}},
		{"being deleted", "VS201", "being deleted", "finalizers", func(f *diagnose.Facts) {
			f.Mapping.Value.DeletionTimestamp = ptr(ago(time.Hour))
		}},
		{"edited since", "VS202", "not synced yet", "sync-now", func(f *diagnose.Facts) { f.Mapping.Value.Generation = 2 }},
		{"overdue", "VS202", "overdue by", "sync-now", func(f *diagnose.Facts) { f.Mapping.Value.Status.RefreshTime = ago(5 * time.Hour) }},
		{"created once", "VS206", "spec.refreshPolicy", "Periodic", func(f *diagnose.Facts) { spec(f).RefreshPolicy = eso.RefreshCreatedOnce }},
		{"interval 0", "VS206", "spec.refreshInterval is 0", `"1h"`, func(f *diagnose.Facts) { spec(f).RefreshInterval = eso.DurationText("0") }},
		{"immutable by intent", "VS208", "spec.target.immutable", "delete secret", func(f *diagnose.Facts) {
			spec(f).Target.Immutable, f.Target.Value.Immutable = true, true
		}},
		{"referent", "VS303", "referent", "get secrets", func(f *diagnose.Facts) { provider(f).Auth.TokenSecretRef.Namespace = nil }},
		{"open regex", "VS305", `namespaceRegexes[0] "apps"`, "write ^…$", func(f *diagnose.Facts) {
			object(f).Spec.Conditions = []eso.StoreCondition{{NamespaceRegexes: []string{"apps"}}}
		}},
		{"certificate ends soon", "VS405", "ends in", "renew", func(f *diagnose.Facts) { f.Stores[0].Vault.TLS.Value.NotAfter = now().Add(48 * time.Hour) }},
		{"one of three Pods sealed", "VS406", "vault/vault-2 sealed 0/3", "unseal -n vault", func(f *diagnose.Facts) {
			f.Stores[0].Vault.Pods = diagnose.Known([]diagnose.VaultPod{
				{Namespace: "vault", Name: "vault-0", Seal: diagnose.Known(diagnose.Seal{Initialized: true, Threshold: 3})},
				{Namespace: "vault", Name: "vault-2", Seal: diagnose.Known(diagnose.Seal{Initialized: true, Sealed: true, Threshold: 3})},
			})
		}},
		{"clock skew", "VS407", "off by 2m0s", "chronyc", func(f *diagnose.Facts) { f.Stores[0].Vault.Skew = diagnose.Known(-2 * time.Minute) }},
		{"token ends soon", "VS503", "ends in 30m", "appRole", func(f *diagnose.Facts) { f.Stores[0].Login.Token.Value.TTL = 30 * time.Minute }},
		{"few uses left", "VS503", "3 times", "-use-limit=0", func(f *diagnose.Facts) { f.Stores[0].Login.Token.Value.Uses = 3 }},
		{"root token", "VS506", "root token", "kubectl vaultsecret setup --store ClusterSecretStore/vault", func(f *diagnose.Facts) {
			f.Stores[0].Login.Token = diagnose.Known(diagnose.Token{Root: true, Policies: []string{"root"}})
			f.Paths[0].Capabilities = diagnose.Known([]string{"root"})
		}},
		{"drift", "VS701", "1 to change (password)", "sync-now", func(f *diagnose.Facts) {
			f.Drift = diagnose.Known(diagnose.Drift{Changed: []string{"password"}})
		}},
		{"Secret vanished", "VS701", "is not there", "sync-now", func(f *diagnose.Facts) { f.Target = diagnose.Known[*diagnose.Target](nil) }},
		{"workload started before", "VS702", "deployment api", "rollout restart deployment api", func(f *diagnose.Facts) {
			f.Consumers.Value[0].Started = now().Add(-72 * time.Hour)
		}},
	} {
		t.Run(w.name, func(t *testing.T) {
			f := healthy()
			w.do(f)
			r := diagnose.Run(*f)
			wellFormed(t, r)
			var warned []string
			for _, c := range r.Checks {
				switch c.Status {
				case diagnose.StatusWarn:
					warned = append(warned, c.Code)
					if !strings.Contains(c.Message, w.says) || !strings.Contains(c.Fix, w.fix) {
						t.Errorf("%s says %q with fix %q, want %q and %q", c.Code, c.Message, c.Fix, w.says, w.fix)
					}
				case diagnose.StatusFail, diagnose.StatusUnknown:
					t.Errorf("%s is %s: %s", c.Code, c.Status, c.Message)
				}
			}
			if diff := cmp.Diff([]string{w.code}, warned); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAbsenceThatThePolicyAllowsIsAWarning(t *testing.T) {
	f := healthy()
	spec(f).Target.DeletionPolicy = eso.DeleteDelete
	f.Paths[0].Read = diagnose.Known(diagnose.Read{Kind: kv.Absent, Code: 404})
	r := diagnose.Run(*f)
	if len(r.RootCauses) != 0 {
		t.Fatalf("root causes %v", r.RootCauses)
	}
	for _, code := range []string{"VS211", "VS602"} {
		if got := find1(r, code); got.Status != diagnose.StatusWarn {
			t.Errorf("%s is %s: %s", code, got.Status, got.Message)
		}
	}
}

func find1(r diagnose.Report, code string) diagnose.Finding {
	i := slices.IndexFunc(r.Checks, func(c diagnose.Finding) bool { return c.Code == code })
	if i < 0 {
		return diagnose.Finding{}
	}
	return r.Checks[i]
}

func TestSymptomsFailBesideTheRootCause(t *testing.T) {
	f := healthy()
	failing(f, "Code: 403")
	f.Paths[0].Capabilities = diagnose.Known([]string{"deny"})
	r := diagnose.Run(*f)
	for _, code := range []string{"VS202", "VS203"} {
		if c := find1(r, code); c.Status != diagnose.StatusFail || c.Root {
			t.Errorf("%s is %s, root %t; want a failure that is no root cause", code, c.Status, c.Root)
		}
	}
	if c := find1(r, "VS602"); c.Status != diagnose.StatusSkip || c.Message != "skipped: needs VS504" {
		t.Errorf("VS602 is %s: %s", c.Status, c.Message)
	}
}

// A fact that could not be had is never guessed: with nothing known, nothing is ok
// and nothing fails but what the API server itself refused.
func TestNeverGuessesAnUnknownFact(t *testing.T) {
	f := healthy()
	why := `you may not get secrets in apps`
	blank := diagnose.Facts{
		Now: f.Now, Namespace: "apps", Name: "api-db", Cluster: diagnose.Cluster{Version: "v1.37.2", Denied: []string{"get externalsecrets in apps"}},
		Mapping: gone[*eso.ExternalSecret](why), Stores: []*diagnose.Store{{Ref: f.Stores[0].Ref, Object: gone[*eso.Store](why)}},
	}
	blank.Paths = []*diagnose.Path{{Store: blank.Stores[0], Data: "secret/data/app/db", Mount: "secret"}}
	r := diagnose.Run(blank)
	wellFormed(t, r)
	if r.Healthy || len(r.RootCauses) != 0 {
		t.Errorf("healthy %t, root causes %v", r.Healthy, r.RootCauses)
	}
	for _, c := range r.Checks {
		if c.Status == diagnose.StatusFail || c.Status == diagnose.StatusOK && c.Code != "VS101" {
			t.Errorf("%s is %s without facts: %s", c.Code, c.Status, c.Message)
		}
	}
	if c := find1(r, "VS201"); !strings.Contains(c.Message, why) {
		t.Errorf("VS201 does not give the reason: %s", c.Message)
	}
}

// Every fact of the healthy mapping, taken away alone, makes the report unhealthy
// and fails nothing.
func TestNeverFailsForLackOfOneFact(t *testing.T) {
	for name, forget := range map[string]func(f *diagnose.Facts){
		"served":      func(f *diagnose.Facts) { f.Cluster.Served = gone[map[string][]string]("x") },
		"controllers": func(f *diagnose.Facts) { f.Cluster.Controllers = gone[[]diagnose.Controller]("x") },
		"events":      func(f *diagnose.Facts) { f.Events = gone[[]diagnose.Event]("x") },
		"target":      func(f *diagnose.Facts) { f.Target = gone[*diagnose.Target]("x") },
		"store":       func(f *diagnose.Facts) { f.Stores[0].Object = gone[*eso.Store]("x") },
		"reference":   func(f *diagnose.Facts) { f.Stores[0].References[0].Exists = gone[bool]("x") },
		"connect":     func(f *diagnose.Facts) { f.Stores[0].Vault.Connect = gone[string]("x") },
		"tls":         func(f *diagnose.Facts) { f.Stores[0].Vault.TLS = gone[diagnose.TLS]("x") },
		"seal":        func(f *diagnose.Facts) { f.Stores[0].Vault.Seal = gone[diagnose.Seal]("x") },
		"login":       func(f *diagnose.Facts) { f.Stores[0].Login.Result = gone[diagnose.LoginResult]("x") },
		"token":       func(f *diagnose.Facts) { f.Stores[0].Login.Token = gone[diagnose.Token]("x") },
		"engine":      func(f *diagnose.Facts) { f.Paths[0].Engine = gone[diagnose.Engine]("x") },
		"capabilities": func(f *diagnose.Facts) { // where they are not known, the read tells
			f.Paths[0].Capabilities, f.Paths[0].Read = gone[[]string]("x"), gone[diagnose.Read]("x")
		},
		"read":      func(f *diagnose.Facts) { f.Paths[0].Read = gone[diagnose.Read]("x") },
		"found":     func(f *diagnose.Facts) { f.Paths[0].Entries[0].Found = gone[bool]("x") },
		"render":    func(f *diagnose.Facts) { f.Render = gone[string]("x") },
		"drift":     func(f *diagnose.Facts) { f.Drift = gone[diagnose.Drift]("x") },
		"consumers": func(f *diagnose.Facts) { f.Consumers = gone[[]diagnose.Workload]("x") },
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			forget(f)
			r := diagnose.Run(*f)
			if r.Healthy || len(r.RootCauses) > 0 || r.Count(diagnose.StatusFail) > 0 {
				t.Errorf("healthy %t, failed %d, root causes %v", r.Healthy, r.Count(diagnose.StatusFail), r.RootCauses)
			}
		})
	}
}

func TestNoLoginIsSkippedNotUnknown(t *testing.T) {
	f := healthy()
	f.Stores[0].Login.Result = gone[diagnose.LoginResult](diagnose.NoLogin)
	r := diagnose.Run(*f)
	if !r.Healthy {
		t.Error("what was not asked for counts as unhealthy")
	}
	if c := find1(r, "VS504"); c.Status != diagnose.StatusSkip || c.Message != "skipped: needs VS502" {
		t.Errorf("VS504 is %s: %s", c.Status, c.Message)
	}
}

func TestOneBrokenStoreDoesNotHideTheOther(t *testing.T) {
	f, other := healthy(), healthy()
	other.Stores[0].Ref.Name = "second"
	other.Stores[0].Object = diagnose.Known[*eso.Store](nil)
	f.Stores = append(f.Stores, other.Stores[0])
	f.Paths = append(f.Paths, other.Paths[0])
	f.Paths[0].Capabilities = diagnose.Known([]string{"deny"})
	r := diagnose.Run(*f)
	if diff := cmp.Diff([]string{"VS301", "VS504"}, slices.Sorted(slices.Values(r.RootCauses))); diff != "" {
		t.Errorf("root causes (-want +got):\n%s", diff)
	}
}

func TestForeignProviderIsLeftToESO(t *testing.T) {
	f := healthy()
	object(f).Spec.Provider = eso.Provider{Other: map[string]json.RawMessage{"aws": json.RawMessage("{}")}}
	f.Cluster.Controllers.Value[0].Kind = "external-secrets"
	r := diagnose.Run(*f)
	if len(r.RootCauses) > 0 || find1(r, "VS307").Status != diagnose.StatusSkip || find1(r, "VS502").Status != diagnose.StatusSkip {
		t.Errorf("root causes %v, VS307 %v, VS502 %v", r.RootCauses, find1(r, "VS307"), find1(r, "VS502"))
	}
}

func TestGroupsOneCauseOverManyMappings(t *testing.T) {
	var reports []diagnose.Report
	for i := range 100 {
		f := healthy()
		f.Name = "m" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		f.Stores[0].Vault.Seal = diagnose.Known(diagnose.Seal{Initialized: true, Sealed: true, Threshold: 3})
		reports = append(reports, diagnose.Run(*f))
	}
	causes := diagnose.Group(reports)
	if len(causes) != 1 || causes[0].Code != "VS402" || len(causes[0].Mappings) != 100 {
		t.Fatalf("%d causes, want one VS402 over 100 mappings: %+v", len(causes), causes)
	}
}

func TestPreflightLooksAtTheClusterAlone(t *testing.T) {
	c := healthy().Cluster
	if r := diagnose.Preflight(c); !r.Healthy || len(r.Checks) != 4 {
		t.Errorf("healthy %t, %d checks: %v", r.Healthy, len(r.Checks), r.Checks)
	}
	c.Served = diagnose.Known(map[string][]string{})
	r := diagnose.Preflight(c)
	if diff := cmp.Diff([]string{"VS102"}, r.RootCauses); diff != "" {
		t.Errorf("root causes (-want +got):\n%s", diff)
	}
	c.Controllers, c.Served = diagnose.Known([]diagnose.Controller{}), healthy().Cluster.Served
	if r := diagnose.Preflight(c); len(r.RootCauses) > 0 || find1(r, "VS103").Status != diagnose.StatusWarn {
		t.Errorf("without a controller: %v", r.Checks)
	}
}

func TestCodesAreStable(t *testing.T) {
	checks := diagnose.Checks()
	seen := map[string]bool{}
	for _, c := range checks {
		if seen[c.Code] {
			t.Errorf("%s is there twice", c.Code)
		}
		for _, need := range c.Requires {
			if !seen[need] {
				t.Errorf("%s requires %s, which comes later or not at all", c.Code, need)
			}
		}
		if !slices.Contains(diagnose.Groups(), c.Group) || c.Title == "" {
			t.Errorf("%s: group %q, title %q", c.Code, c.Group, c.Title)
		}
		seen[c.Code] = true
	}
}

func TestRunbookDocumentsEveryCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		code, body, _ := strings.Cut(section, "\n")
		documented = append(documented, code)
		c, known := diagnose.Lookup(code)
		if !known {
			t.Errorf("the runbook has %s, which no check has", code)
			continue
		}
		title, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
		if title != c.Title+"." {
			t.Errorf("%s is titled %q in the runbook, %q in the code", code, title, c.Title)
		}
		for _, part := range []string{"**Means.**", "**Looks like.**", "**Fix.**", "**Prevent.**"} {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %s", code, part)
			}
		}
	}
	for _, c := range diagnose.Checks() {
		if !slices.Contains(documented, c.Code) {
			t.Errorf("%s %s is not in the runbook", c.Code, c.Title)
		}
		row := fmt.Sprintf("| [%s](#%s) | %s | %s |", c.Code, strings.ToLower(c.Code), c.Group, c.Title)
		if !strings.Contains(string(text), row) {
			t.Errorf("the runbook's table lacks %s", row)
		}
	}
}

// A store's condition is joined with an event that tells its cause, and not with one of
// an earlier failure, or one that a good event has overtaken.
func TestStoreIsJoinedWithItsOwnEventOnly(t *testing.T) {
	turned := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	condition := eso.StoreStatusCondition{Type: eso.ConditionReady, Status: metav1.ConditionFalse, Message: "unable to validate store", LastTransitionTime: metav1.NewTime(turned)}
	warning := func(after time.Duration, text string) diagnose.Event {
		return diagnose.Event{Warning: true, Message: text, Last: turned.Add(after)}
	}
	for _, c := range []struct {
		name   string
		events []diagnose.Event
		want   string
	}{
		{"none", nil, ""},
		{"of this failure", []diagnose.Event{warning(time.Second, "invalid token")}, ": invalid token"},
		{"of an earlier failure", []diagnose.Event{warning(-time.Hour, "no such host")}, ""},
		{"the newest", []diagnose.Event{warning(-time.Hour, "no such host"), warning(0, "invalid token")}, ": invalid token"},
		{"overtaken", []diagnose.Event{warning(0, "invalid token"), {Message: "store validated", Last: turned.Add(time.Minute)}}, ""},
		{"told already", []diagnose.Event{warning(0, "validate store")}, ""},
	} {
		f := healthy()
		f.Stores[0].Object.Value.Status.Conditions = []eso.StoreStatusCondition{condition}
		f.Stores[0].Events = diagnose.Known(c.events)
		for _, check := range diagnose.Run(*f).Checks {
			if _, got, _ := strings.Cut(check.Message, condition.Message); check.Code == "VS302" && got != c.want {
				t.Errorf("%s: %q, want %q", c.name, check.Message, c.want)
			}
		}
	}
}
