package eso_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestDataHash(t *testing.T) {
	for _, test := range []struct {
		data map[string][]byte
		want string
	}{
		{nil, "74a974446e359fb3e6baff9bd0058950e6edd0f040888d9989b0a11b"},
		{map[string][]byte{"foo": []byte("bar")}, "f2a604b87eb0cf673761e8cfea850f901fe73a3d1b2f338802107f36"},
		{map[string][]byte{"foo": []byte("value1"), "bar": []byte("value2")}, "1bed8bcbcb4547ffe19a19cd47d9078e84aa6598266d86b99f992d64"},
	} {
		if got := eso.DataHash(test.data); got != test.want {
			t.Errorf("DataHash(%d keys) = %s, want %s", len(test.data), got, test.want)
		}
	}
}

func TestSyncedResourceVersion(t *testing.T) {
	for _, test := range []struct {
		meta metav1.ObjectMeta
		want string
	}{
		{metav1.ObjectMeta{Generation: 1}, "1-f47fe3c0b255b6dd8047cdffa772587bb829efe7a1cb70febeda2eb2"},
		{metav1.ObjectMeta{Generation: 3, Labels: map[string]string{"app": "web"}}, "3-2e04591e40c776c3728c23f945498e9ede3af1fb42b72508007b73bb"},
	} {
		if got := eso.SyncedResourceVersion(&test.meta); got != test.want {
			t.Errorf("SyncedResourceVersion = %s, want %s", got, test.want)
		}
	}
}

func TestCreatedBy(t *testing.T) {
	if got, want := eso.CreatedBy("default", "my-es"), "b8464376b5fe3535e690594280bfe59b60be2603cb6cbb6d6c8bcbb4"; got != want {
		t.Errorf("CreatedBy = %s, want %s", got, want)
	}
}

// fixture decodes a list that a real ESO 2.9.0 left behind.
func fixture[T any](t *testing.T, name string) []T {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []T }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 {
		t.Fatalf("%s holds no items", name)
	}
	return list.Items
}

func TestHashesMatchWhatESOWrote(t *testing.T) {
	hashed := 0
	for _, secret := range fixture[corev1.Secret](t, "secrets.json") {
		want, ok := secret.Annotations[eso.AnnotationDataHash]
		if !ok {
			continue
		}
		hashed++
		if got := eso.DataHash(secret.Data); got != want {
			t.Errorf("DataHash of %s = %s, ESO wrote %s", secret.Name, got, want)
		}
	}
	if hashed == 0 {
		t.Error("no Secret in the fixture has a data-hash")
	}
	for _, es := range fixture[eso.ExternalSecret](t, "externalsecrets.json") {
		if es.Status.Ready().Status != metav1.ConditionTrue {
			continue // edited since its last good sync
		}
		if want := es.Status.SyncedResourceVersion; eso.SyncedResourceVersion(&es.ObjectMeta) != want {
			t.Errorf("SyncedResourceVersion of %s = %s, ESO wrote %s", es.Name, eso.SyncedResourceVersion(&es.ObjectMeta), want)
		}
	}
}

func TestFieldManager(t *testing.T) {
	for name, want := range map[string]string{
		"my-es":                       "externalsecrets.external-secrets.io/my-es",
		"a123456789a123456789a123456": "externalsecrets.external-secrets.io/a123456789a123456789a123456",
	} {
		if got := eso.FieldManager(name); got != want {
			t.Errorf("FieldManager(%s) = %s, want %s", name, got, want)
		}
	}
	long := eso.FieldManager("a123456789a123456789a1234567")
	if !bytes.HasPrefix([]byte(long), []byte("externalsecrets.external-secrets.io/sha3/")) || len(long) != 97 {
		t.Errorf("FieldManager of 28 characters = %s, want a hashed one", long)
	}
}

func BenchmarkDataHash(b *testing.B) {
	data := map[string][]byte{"tls.crt": bytes.Repeat([]byte("x"), 4096), "password": []byte("0123456789")}
	b.ReportAllocs()
	for b.Loop() {
		eso.DataHash(data)
	}
}
