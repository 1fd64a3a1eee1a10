package kube_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

func TestEventsThatRepeatAreCounted(t *testing.T) {
	c, namespace, _ := stack(t)
	events := kube.NewEvents(c, "vaultsecret", quiet())
	of := corev1.ObjectReference{Kind: eso.KindExternalSecret, APIVersion: eso.GroupVersion().String(), Namespace: namespace, Name: "db"}
	for range 3 {
		events.Emit(of, corev1.EventTypeWarning, "UpdateFailed", "permission denied\x1b[2J")
	}
	events.Emit(of, corev1.EventTypeNormal, "Updated", "secret updated")
	long := of
	long.Name = strings.Repeat("a", 253)
	events.Emit(long, corev1.EventTypeNormal, "Created", strings.Repeat("x", 3000))
	events.Close(t.Context())
	events.Emit(of, corev1.EventTypeNormal, "Late", "after the end") // goes nowhere
	list, err := c.Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int32{}
	for _, e := range list.Items {
		counts[e.Reason+" "+e.Source.Component] = e.Count
		if strings.Contains(e.Message, "\x1b") || len(e.Message) > 1024 {
			t.Errorf("the message of %s is not fit to print", e.Reason)
		}
	}
	if len(list.Items) != 3 || counts["UpdateFailed vaultsecret"] != 3 || counts["Updated vaultsecret"] != 1 || counts["Created vaultsecret"] != 1 {
		t.Errorf("%d events with counts %v", len(list.Items), counts)
	}
}

// An event of old that the API server has dropped is made anew.
func TestEventsOutliveTheirObjects(t *testing.T) {
	c, namespace, sent := stack(t)
	events := kube.NewEvents(c, "vaultsecret", quiet())
	of := corev1.ObjectReference{Kind: eso.KindExternalSecret, Namespace: namespace, Name: "db"}
	events.Emit(of, corev1.EventTypeNormal, "Updated", "secret updated")
	awaitEvents(t, c, namespace, 1)
	if err := c.Events(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	events.Emit(of, corev1.EventTypeNormal, "Updated", "secret updated")
	events.Close(t.Context())
	awaitEvents(t, c, namespace, 1)
	if n := sent.count("POST", "/events"); n != 2 {
		t.Errorf("%d events were made, want 2", n)
	}
}

func TestEventsOfWhatHasNoNamespace(t *testing.T) {
	c, namespace, _ := stack(t)
	events := kube.NewEvents(c, "vaultsecret", quiet())
	events.Emit(corev1.ObjectReference{Kind: eso.KindClusterSecretStore, Name: "store-" + namespace}, corev1.EventTypeWarning, "InvalidProviderConfig", "no client")
	events.Close(t.Context())
	list, err := c.Events("default").List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=store-" + namespace})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("%d events, %v; want one in namespace default", len(list.Items), err)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ünïcode":     "plain, ünïcode",
		"\x1b]0;title\a":     "\uFFFD]0;title\uFFFD",
		"a\u202Eb":           "a\uFFFDb",
		"\xff":               "\uFFFD",
		"two\nlines\tand":    "two\nlines\tand",
		"carriage\rreturned": "carriage\uFFFDreturned",
	} {
		if got := kube.Printable(in, 100); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("plain", 10)
	f.Add(strings.Repeat("ü", 100), 33)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 3 + max(limit, -limit)%1000
		got := kube.Printable(text, limit)
		if !utf8.ValidString(got) || len(got) > limit || strings.ContainsAny(got, "\x1b\r\x00") {
			t.Errorf("Printable(%q, %d) = %q", text, limit, got)
		}
	})
}
