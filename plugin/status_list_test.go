package plugin

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// A list of more than one chunk is still one table, worst first: what failed in the
// last chunk comes before what is good in the first.
func TestLongStatusIsOneTable(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	const n = 511 // with the scene's own
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range n - 1 {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("app-%04d", i)}}
			es.Spec = eso.ExternalSecretSpec{SecretStoreRef: &eso.StoreRef{Name: "vault"}, Data: []eso.Data{{SecretKey: "k", RemoteRef: eso.RemoteRef{Key: "k"}}}}
			if _, err := clients.ExternalSecrets(namespace).Create(t.Context(), es, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, name := range []string{"app-0003", "app-0507"} {
		patch := []byte(`{"status":{"conditions":[{"type":"Ready","status":"False","reason":"SecretSyncedErrorOfALongName","message":"m"}]}}`)
		if _, err := clients.ExternalSecrets(namespace).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			t.Fatal(err)
		}
	}
	if names := completes(t, sb, "status", "-n", namespace, "app-05"); len(names) != 10 || names[0] != "app-0500" || names[9] != "app-0509" {
		t.Errorf("completion: %s", names)
	}
	output, code := invoke(t, sb, "status", "-n", namespace)
	if code != ExitBad {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) != n+2 { // the header, and the footer on stderr
		t.Fatalf("%d lines", len(lines))
	}
	if !strings.HasPrefix(lines[1], "app-0003 ") || !strings.HasPrefix(lines[2], "app-0507 ") || !strings.HasPrefix(lines[3], "api-db ") || !strings.HasPrefix(lines[n], "app-0509 ") {
		t.Errorf("not worst first:\n%s\n…\n%s", strings.Join(lines[:4], "\n"), lines[n])
	}
	seen := map[string]bool{}
	for _, line := range lines[1 : n+1] {
		name, _, _ := strings.Cut(line, " ")
		seen[name] = true
		if at, want := strings.Index(line, "SecretStore/vault"), strings.Index(lines[0], "STORE"); at != want {
			t.Fatalf("column STORE is at %d, not at %d:\n%s", at, want, line)
		}
	}
	if len(seen) != n || !strings.Contains(lines[n+1], fmt.Sprintf("%d mappings: %d failing", n, n)) {
		t.Errorf("%d different rows; %s", len(seen), lines[n+1])
	}
}

// In a long list what is not Ready is printed while the rest is still to come.
func TestStatusPrintsTheWorstAtOnce(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	answerAs(t, clients, namespace, kube.Manager, metav1.ConditionFalse, eso.ReasonSyncError, "first")
	es, err := clients.ExternalSecrets(namespace).Get(t.Context(), "api-db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	good := es.DeepCopy()
	good.Name, good.Status.Conditions[0].Status = "good", metav1.ConditionTrue
	var out, errOut screen
	l := statusList{statusing: &statusing{Options: newOptions(streamsTo(&out, &errOut))}, now: time.Now(), people: true}
	l.table = statusTable{now: l.now}
	g := gather.New(gather.Config{Clients: clients, NoLogin: true})
	defer g.Close(context.Background())
	if err := l.take(t.Context(), g, []*eso.ExternalSecret{good, es}, 7); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.HasPrefix(text, "NAME ") || !strings.Contains(text, "api-db") || strings.Contains(text, "good") {
		t.Errorf("after the first chunk:\n%s", text)
	}
	if err := l.finish(found{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Count(text, "api-db  ") != 1 || strings.Index(text, "good") < strings.Index(text, "api-db") || strings.Count(text, "NAME ") != 1 {
		t.Errorf("at the end:\n%s", text)
	}
}
