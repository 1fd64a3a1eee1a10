package redact_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

const canary = "canary-7f3a"

type holder struct {
	Name  string
	Value redact.Bytes
	Map   map[string]redact.Bytes
}

func TestNeverPrintsASecret(t *testing.T) {
	secret := redact.Bytes(canary)
	h := holder{Name: "db", Value: secret, Map: map[string]redact.Bytes{"k": secret}}
	var out bytes.Buffer
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%x", "%X", "%q", "%d", "%c", "%U", "%o", "%08b", "% x"} {
		fmt.Fprintf(&out, verb+"\n", secret)
		fmt.Fprintf(&out, verb+"\n", &secret)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", []redact.Bytes{secret})
	}
	fmt.Fprintln(&out, errors.New(fmt.Sprint("reading: ", secret)))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("read", "value", secret, "holder", h)
	}
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	doc, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(doc)
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), "Y2FuYXJ5LTdmM2E", "99 97 110"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("output shows the secret as %q:\n%s", form, out.String())
		}
	}
	if got := string(secret.Reveal()); got != canary {
		t.Errorf("Reveal() = %q, want the value", got)
	}
}
