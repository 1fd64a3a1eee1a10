package plugin

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// viewer is a user who may read mappings and stores in a namespace, what else is named of
// the core group, and nothing else.
func viewer(t *testing.T, sb *sandbox.Sandbox, namespace string, core ...string) string {
	t.Helper()
	name := "viewer-" + namespace
	for _, resource := range []string{eso.ExternalSecrets, eso.SecretStores} {
		may(t, sb, namespace, name, eso.Group, resource, "get", "list", "watch")
	}
	for _, resource := range core {
		may(t, sb, namespace, name, "", resource, "get", "list", "watch")
	}
	return name
}

// may gives a user a right in the namespace.
func may(t *testing.T, sb *sandbox.Sandbox, namespace, user, group, resource string, verbs ...string) {
	t.Helper()
	rbac, name := sb.Client().RbacV1(), user+"-"+resource
	if _, err := rbac.Roles(namespace).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// says checks an invocation's exit code and parts of what it prints.
func says(t *testing.T, sb *sandbox.Sandbox, line string, want int, parts ...string) string {
	t.Helper()
	output, code := invoke(t, sb, strings.Fields(line)...)
	if code != want {
		t.Errorf("%s: exit code %d, want %d:\n%s", line, code, want, output)
	}
	for _, part := range parts {
		if !strings.Contains(output, part) {
			t.Errorf("%s does not say %q:\n%s", line, part, output)
		}
	}
	return output
}

// completes is what kubectl gets for the words of a command line, the last of which is
// begun.
func completes(t *testing.T, sb *sandbox.Sandbox, words ...string) []string {
	t.Helper()
	var out, errOut screen
	if code := Complete(t.Context(), append([]string{"--kubeconfig=" + sb.Kubeconfig()}, words...), streamsTo(&out, &errOut)); code != ExitOK {
		t.Errorf("completion: exit code %d:\n%s%s", code, out.String(), errOut.String())
	}
	names, ended := strings.CutSuffix(out.String(), ":4\n") // and no files
	if !ended {
		t.Errorf("completion:\n%s%s", out.String(), errOut.String())
	}
	return strings.Fields(names)
}

// Who may read mappings and not Secrets: what is not seen is unknown, never good and
// never missing.
func TestWithoutTheRightToSecrets(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	answerAs(t, clients, namespace, "external-secrets", metav1.ConditionTrue, eso.ReasonSynced, "secret synced")
	as := " -n " + namespace + " --as=" + viewer(t, sb, namespace)
	says(t, sb, "status"+as, ExitOK, "api-db (?)", "True")
	output := says(t, sb, "status -o wide"+as, ExitOK, "CONSUMERS")
	if row := strings.Fields(strings.Split(output, "\n")[1]); !slices.Equal(row[len(row)-5:len(row)-3], []string{"?", "?"}) {
		t.Errorf("keys and consumers are not \"?\": %q", row)
	}
	output = says(t, sb, "status -o json"+as, ExitOK, `"name": "api-db"`, `"error": "you may not get secrets in `+namespace, `"consumersError": "you may not list workloads in `+namespace)
	if strings.Contains(output, `"exists"`) {
		t.Error("it says whether the Secret exists")
	}
	output = says(t, sb, "diagnose api-db"+as, ExitFailed, "you may not", "get secrets in "+namespace, "? VS207", "? VS501")
	for _, wrong := range []string{"✗", "root cause", "✔ VS501", "✔ VS207", "✔ VS502"} {
		if strings.Contains(output, wrong) {
			t.Errorf("diagnose says %q:\n%s", wrong, output)
		}
	}
	says(t, sb, "diagnose api-db --short"+as, ExitFailed, "nothing failed", "unknown")
	if names := completes(t, sb, append(strings.Fields("status"+as), "api")...); len(names) != 1 || names[0] != "api-db" {
		t.Errorf("completion: %s", names)
	}
	says(t, sb, "tree api-db"+as, ExitOK, "Secret api-db", "you may not get secrets in "+namespace)
	says(t, sb, "diff api-db"+as, 2, "nothing to compare with")
	says(t, sb, "history api-db"+as, ExitFailed, "error: "+namespace+"/api-db")
	says(t, sb, "events api-db"+as, ExitFailed, "you may not list events in "+namespace)
}

// Without any right every command says so; nothing is called absent or good.
func TestWithoutAnyRight(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := idle(t, sb)
	as := " -n " + namespace + " --as=nobody"
	for _, line := range []string{"status", "events", "diff --all", "tree --all", "history --all", "diagnose --all", "sync-now --all"} {
		want := ExitFailed
		if strings.HasPrefix(line, "diff") {
			want = 2
		}
		says(t, sb, line+as, want, "error: ", "forbidden", "hint: ")
	}
	output := says(t, sb, "diagnose api-db"+as, ExitFailed, "you may not")
	if strings.Contains(output, "✗") || strings.Contains(output, "there is no ExternalSecret") {
		t.Errorf("diagnose guesses:\n%s", output)
	}
}

func TestWithoutCRDs(t *testing.T) {
	bare, err := sandbox.Start(t.Context(), sandbox.Config{Dir: t.TempDir(), Vault: sandbox.VaultNone})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bare.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	says(t, bare, "status -A", ExitFailed, "error: listing ExternalSecrets: the cluster does not serve external-secrets.io/v1", "hint: kubectl apply -k manifests/crds")
	says(t, bare, "diagnose api-db", ExitBad, "✗ VS102", "← root cause", "kubectl apply -k manifests/crds")
	says(t, bare, "diagnose --preflight", ExitBad, "✗ VS102")
	says(t, bare, "diff --all", 2, "does not serve external-secrets.io/v1")
	if names := completes(t, bare, "status", "api"); len(names) > 0 {
		t.Errorf("completion: %s", names)
	}
}

// relay passes connections on to an address, each direction slowed down by what
// delay does before every piece. It returns where it listens.
func relay(t *testing.T, target string, delay func()) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			if err != nil {
				_ = from.Close()
				continue
			}
			go slowly(to, from, delay)
			go slowly(from, to, delay)
		}
	}()
	return listener.Addr().String()
}

func slowly(to, from net.Conn, delay func()) {
	defer to.Close()
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		delay()
		if _, writeErr := to.Write(piece[:n]); writeErr != nil || err != nil {
			return
		}
	}
}

// A slow API server only takes longer; what it says is believed.
func TestSlowAPIServer(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := idle(t, sb)
	address := relay(t, strings.TrimPrefix(sb.RESTConfig().Host, "https://"), func() { time.Sleep(50 * time.Millisecond) })
	at := " -n " + namespace + " --server=https://" + address
	says(t, sb, "status"+at, ExitBad, "api-db")
	says(t, sb, "diagnose api-db"+at, ExitBad, "✔ VS101", "✗ VS306")
	says(t, sb, "events"+at, ExitOK, "evil")
}

// One that takes connections and says nothing is unknown, within --request-timeout;
// one that is gone is said to be gone.
func TestAPIServerThatDoesNotAnswer(t *testing.T) {
	sb := shared.Sandbox(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	at := " -n default --request-timeout=1s --server=http://" + listener.Addr().String()
	says(t, sb, "status"+at, ExitFailed, "error: listing ExternalSecrets: ")
	says(t, sb, "diagnose api-db"+at, ExitFailed, "✗ VS101", "no answer in time", "← root cause")
	says(t, sb, "events"+at, ExitFailed, "error: ")
	gone := " -n default --server=http://127.0.0.1:1"
	says(t, sb, "status"+gone, ExitFailed, "error: listing ExternalSecrets: ", "connection refused")
	says(t, sb, "diagnose api-db"+gone, ExitFailed, "✗ VS101", "connection refused")
}

// Without --request-timeout a server that says nothing is given up all the same, by
// name, with the flag that changes it.
func TestSilentAPIServerIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server := "http://" + listener.Addr().String()
	for _, line := range []string{"status -A", "status api-db", "diff api-db", "tree --all", "history --all", "mapping list", "events --all"} {
		var out, errOut screen
		o := newOptions(streamsTo(&out, &errOut))
		o.patience = 50 * time.Millisecond
		root := newRoot(o)
		root.SetArgs(append(strings.Fields(line), "--server="+server))
		err := root.ExecuteContext(t.Context())
		if code := finish(err, "kubectl vaultsecret", &errOut); code == ExitOK {
			t.Errorf("%s: exit code %d", line, code)
		}
		for _, want := range []string{"error: ", ": no answer in time: nothing came from " + server + " for 50ms\n", "hint: ", "--request-timeout"} {
			if !strings.Contains(errOut.String(), want) {
				t.Errorf("%s does not say %q:\n%s%s", line, want, out.String(), errOut.String())
			}
		}
		if strings.Contains(errOut.String(), "/apis/") {
			t.Errorf("%s speaks of paths:\n%s", line, errOut.String())
		}
	}
}

// Completion from a server that says nothing ends by itself, without a word.
func TestCompletionFromASilentAPIServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, line := range []string{"status api", "mapping create x --store v", "status --namespace a", "unseal --pod v"} {
		var out, errOut screen
		args := append([]string{"--server=http://" + listener.Addr().String()}, strings.Fields(line)...)
		if code := Complete(t.Context(), args, streamsTo(&out, &errOut)); code != ExitOK || strings.Contains(out.String()+errOut.String(), "error") {
			t.Errorf("%s: exit code %d:\n%s%s", line, code, out.String(), errOut.String())
		}
		if text := out.String(); text != ":4\n" { // no files either
			t.Errorf("%s: %q", line, text)
		}
	}
}
