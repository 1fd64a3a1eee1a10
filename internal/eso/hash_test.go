package eso_test

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
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

// Whatever the sizes, the hash is of what Go's %+v prints; only the way there differs.
func TestHashesAreOfWhatGoPrints(t *testing.T) {
	printed := func(value any) string {
		sum := sha3.Sum224(fmt.Appendf(nil, "%+v", value))
		return hex.EncodeToString(sum[:])
	}
	random := rand.New(rand.NewPCG(1, 2))
	text := func(most int) string {
		b := make([]byte, random.IntN(most))
		for i := range b {
			b[i] = byte(random.IntN(256))
		}
		return string(b)
	}
	for _, most := range []int{1, 10, 600, 5000} {
		data, words := map[string][]byte{}, map[string]string{}
		for range random.IntN(20) {
			data[text(2000)+"k"] = []byte(text(most))
			words[text(3000)+"k"] = text(most)
		}
		if got, want := eso.DataHash(data), printed(data); got != want {
			t.Errorf("up to %d bytes: DataHash = %s, want %s", most, got, want)
		}
		meta := struct{ annotations, labels map[string]string }{words, nil}
		if got, want := eso.SyncedResourceVersion(&metav1.ObjectMeta{Annotations: words, Generation: 7}), "7-"+printed(meta); got != want {
			t.Errorf("up to %d bytes: SyncedResourceVersion = %s, want %s", most, got, want)
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
func fixture[T any](t testing.TB, name string) []T {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/eso-2.9.0/" + name)
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
		// In the fixture each ExternalSecret has the name of its Secret.
		if got, ok := secret.Labels[eso.LabelCreatedBy]; ok && got != eso.CreatedBy(secret.Namespace, secret.Name) {
			t.Errorf("CreatedBy of %s = %s, ESO wrote %s", secret.Name, eso.CreatedBy(secret.Namespace, secret.Name), got)
		}
		if !slices.ContainsFunc(secret.ManagedFields, func(m metav1.ManagedFieldsEntry) bool { return m.Manager == eso.FieldManager(secret.Name) }) {
			t.Errorf("%s is not among the field managers of %s", eso.FieldManager(secret.Name), secret.Name)
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
	const long = "a123456789a123456789a1234567"
	sum := sha3.Sum224([]byte(long))
	if got, want := eso.FieldManager(long), "externalsecrets.external-secrets.io/sha3/"+hex.EncodeToString(sum[:]); got != want {
		t.Errorf("FieldManager of 28 characters = %s, want %s", got, want)
	}
}

func BenchmarkDataHash(b *testing.B) {
	data := map[string][]byte{"tls.crt": bytes.Repeat([]byte("x"), 4096), "password": []byte("0123456789")}
	b.ReportAllocs()
	for b.Loop() {
		eso.DataHash(data)
	}
}
