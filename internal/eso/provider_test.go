package eso_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestProvidersSurvive(t *testing.T) {
	for name, c := range map[string]struct {
		doc    string
		served bool
		others []string
	}{
		"another":                {`{"aws":{"service":"SecretsManager","n":12345678901234567890}}`, false, []string{"aws"}},
		"two":                    {`{"aws":{},"fake":{}}`, false, []string{"aws", "fake"}},
		"vault":                  {`{"vault":{"server":"https://v"}}`, true, nil},
		"not quite":              {`{"Vault":{"server":"https://v"}}`, false, []string{"Vault"}},
		"none":                   {`{}`, false, nil},
		"vault of another shape": {`{"vault":{"server":7,"caBundle":"no base64"}}`, true, nil},
	} {
		s := new(eso.SecretStore)
		if err := json.Unmarshal([]byte(`{"spec":{"provider":`+c.doc+`}}`), s); err != nil {
			t.Errorf("%s breaks its list: %v", name, err)
			continue
		}
		if s.View().Served("default") != c.served {
			t.Errorf("%s: served is %t", name, !c.served)
		}
		if diff := cmp.Diff(c.others, s.Spec.Provider.Others()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if out, err := json.Marshal(s.DeepCopy().Spec.Provider); err != nil || string(out) != c.doc {
			t.Errorf("%s came back as %s, %v", name, out, err)
		}
	}
}
