package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// running is a command line that goes on until it is interrupted.
type running struct {
	t         *testing.T
	out, err  screen
	interrupt context.CancelFunc
	code      chan int
}

func launch(t *testing.T, sb *sandbox.Sandbox, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{t: t, interrupt: cancel, code: make(chan int, 1)}
	go func() { r.code <- Run(ctx, append(args, "--kubeconfig="+sb.Kubeconfig()), streamsTo(&r.out, &r.err)) }()
	t.Cleanup(cancel)
	return r
}

// streamsTo are streams into two screens, with nothing to read.
func streamsTo(out, errOut *screen) genericiooptions.IOStreams {
	return genericiooptions.IOStreams{In: new(bytes.Reader), Out: out, ErrOut: errOut}
}

// shows waits until a stream has a text.
func (r *running) shows(stream *screen, text string) {
	r.t.Helper()
	sandbox.Eventually(r.t, func() error {
		if !strings.Contains(stream.String(), text) {
			return fmt.Errorf("no %q in:\n%s%s", text, r.out.String(), r.err.String())
		}
		return nil
	})
}

// stop interrupts the command, as Ctrl-C does, and returns its exit code.
func (r *running) stop() int {
	r.interrupt()
	return <-r.code
}

// idle is the scene with a store of a class that no controller serves, so that
// nobody but the test acts.
func idle(t *testing.T, sb *sandbox.Sandbox) (string, *kube.Clients) {
	t.Helper()
	namespace, _ := sceneOf(t, sb, "nobody")
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return namespace, clients
}

// answer writes a Ready condition as a controller does, named by its field manager.
func answerAs(t *testing.T, clients *kube.Clients, namespace, manager string, status metav1.ConditionStatus, reason, message string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"refreshTime": time.Now().UTC().Format(time.RFC3339), "syncedResourceVersion": "1-x",
		"conditions": []map[string]any{{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = clients.ExternalSecrets(namespace).Patch(t.Context(), "api-db", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager}, "status")
	if err != nil {
		t.Fatal(err)
	}
}

func TestStatusWatchPrintsWhatChanges(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	r := launch(t, sb, "status", "-w", "-n", namespace)
	r.shows(&r.out, "api-db")
	answerAs(t, clients, namespace, kube.Manager, metav1.ConditionFalse, "SecretSyncedError", "first")
	r.shows(&r.out, "SecretSyncedError")
	answerAs(t, clients, namespace, kube.Manager, metav1.ConditionTrue, "SecretSynced", "second")
	r.shows(&r.out, "SecretSynced ")
	if code := r.stop(); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(r.out.String(), "NAME "); n != 1 {
		t.Errorf("%d headers:\n%s", n, r.out.String())
	}
	if line, _, _ := strings.Cut(r.out.String()[strings.LastIndex(strings.TrimSpace(r.out.String()), "\n")+1:], "\n"); !strings.Contains(line, "True") {
		t.Errorf("the last line is %q", line)
	}
}

func TestEventsWatchPrintsWhatHappens(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := idle(t, sb)
	r := launch(t, sb, "events", "-w", "-n", namespace)
	r.shows(&r.out, "evil")
	event := func(kind, name, message string) {
		t.Helper()
		_, err := sb.Client().CoreV1().Events(namespace).Create(t.Context(), &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{GenerateName: name + "."},
			InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: namespace, Name: name},
			Type:           corev1.EventTypeNormal, Reason: "Told", Message: message, LastTimestamp: metav1.Now(), Count: 1,
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	event("Pod", "api-db", "of a Pod that has the same name")
	event("Secret", "api-db", "of the Secret \x1b[31mred")
	r.shows(&r.out, "of the Secret")
	event(eso.KindSecretStore, "vault", "of the store")
	r.shows(&r.out, "of the store")
	if code := r.stop(); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	out := r.out.String()
	if strings.Contains(out, "of a Pod") || strings.ContainsRune(out, '\x1b') || strings.Count(out, "evil") != 1 {
		t.Errorf("printed:\n%q", out)
	}
}

// Ctrl-C says what state was left: what was asked for stays asked for.
func TestSyncNowInterrupted(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	r := launch(t, sb, "sync-now", "api-db", "-n", namespace)
	sandbox.Eventually(t, func() error {
		es, err := clients.ExternalSecrets(namespace).Get(t.Context(), "api-db", metav1.GetOptions{})
		if err == nil && es.Annotations[eso.AnnotationForceSync] == "" {
			err = fmt.Errorf("not asked for yet")
		}
		return err
	})
	if code := r.stop(); code == ExitOK {
		t.Error("exit code 0, though nobody has answered")
	}
	if text := r.err.String(); !strings.Contains(text, "interrupted: what was asked for stays asked for") {
		t.Errorf("it says %q", text)
	}
}

// ESO passes over a force-sync when the interval is 0 and the mapping was synced
// once; saying "asked for" would be a lie.
func TestSyncNowRefusesWhatESOIgnores(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	patch := []byte(`{"spec":{"refreshInterval":"0"}}`)
	if _, err := clients.ExternalSecrets(namespace).Patch(t.Context(), "api-db", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	answerAs(t, clients, namespace, "external-secrets", metav1.ConditionTrue, eso.ReasonSynced, "secret synced")
	output, code := invoke(t, sb, "sync-now", "api-db", "-n", namespace)
	if code != ExitBad || !strings.Contains(output, "refused: ") || !strings.Contains(output, "sync-now --local -n "+namespace+" api-db") {
		t.Errorf("exit code %d: %s", code, output)
	}
	es, err := clients.ExternalSecrets(namespace).Get(t.Context(), "api-db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, asked := es.Annotations[eso.AnnotationForceSync]; asked {
		t.Error("it was annotated all the same")
	}
}

// Whoever replaces the stores' server is told where their credentials go, once.
func TestWarnsBeforeCredentialsGoElsewhere(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := idle(t, sb)
	const warning = "the stores' credentials are sent there"
	at := []string{"-n", namespace, "--vault-addr=" + sb.VaultAddress(0)}
	for _, line := range [][]string{{"diagnose", "api-db"}, {"diff", "api-db"}, {"history", "api-db"}, {"status", "--drift"}} {
		var out, errOut screen
		Run(t.Context(), append(append(line, "--kubeconfig="+sb.Kubeconfig()), at...), streamsTo(&out, &errOut))
		if n := strings.Count(errOut.String(), warning); n != 1 || strings.Contains(out.String(), warning) {
			t.Errorf("%v warns %d times on stderr: %s", line, n, errOut.String())
		}
	}
	for _, line := range [][]string{{"status"}, {"tree", "api-db"}, {"events"}, {"diagnose", "api-db", "--no-login"}} {
		if output, _ := invoke(t, sb, append(line, at...)...); strings.Contains(output, warning) {
			t.Errorf("%v warns, though it sends none", line)
		}
	}
}
