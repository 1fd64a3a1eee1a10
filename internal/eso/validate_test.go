package eso_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

const valid = `
metadata: {name: app, namespace: prod}
spec:
  secretStoreRef: {name: vault}
  data: [{secretKey: a, remoteRef: {key: app}}]
`

func decode(t *testing.T, doc string) *eso.ExternalSecret {
	t.Helper()
	es := new(eso.ExternalSecret)
	if err := yaml.Unmarshal([]byte(doc), es); err != nil {
		t.Fatal(err)
	}
	return es
}

func TestValidate(t *testing.T) {
	spec := func(fields string) string {
		return "metadata: {name: app, namespace: prod}\nspec: {secretStoreRef: {name: vault}, " + fields + "}"
	}
	const data = "data: [{secretKey: a, remoteRef: {key: app}}]"
	for name, test := range map[string]struct{ doc, want string }{
		"valid":            {valid, ""},
		"nothing to read":  {spec(""), "spec: Required value: either data or dataFrom should be specified"},
		"days":             {spec("refreshInterval: 1d, " + data), `spec.refreshInterval: Invalid value: "1d": "1d" is no Go duration, which has no days; write 24h`},
		"no unit":          {spec("refreshInterval: '30', " + data), "write 30s for seconds"},
		"delete by orphan": {spec("target: {creationPolicy: Orphan, deletionPolicy: Delete}, " + data), "Please set creationPolicy=Owner"},
		"merge into none":  {spec("target: {creationPolicy: None, deletionPolicy: Merge}, " + data), "There is no Secret to merge with"},
		"manifest":         {spec("target: {manifest: {apiVersion: v1, kind: ConfigMap}}, " + data), "spec.target.manifest: Forbidden"},
		"token type":       {spec("target: {template: {type: kubernetes.io/service-account-token}}, " + data), "spec.target.template.type: Invalid value"},
		"bootstrap type":   {spec("target: {template: {type: bootstrap.kubernetes.io/token}}, " + data), "spec.target.template.type: Invalid value"},
		"template target":  {spec("target: {template: {templateFrom: [{target: Spec, literal: x}]}}, " + data), "spec.target.template.templateFrom[0].target: Unsupported value"},
		"duplicate":        {spec("data: [{secretKey: a, remoteRef: {key: x}}, {secretKey: a, remoteRef: {key: y}}]"), "spec.data[1].secretKey"},
		"traversal":        {spec("data: [{secretKey: a, remoteRef: {key: ../sys/seal}}]"), "spec.data[0].remoteRef.key: Invalid value"},
		"two selections":   {spec("dataFrom: [{extract: {key: a}, find: {}}]"), "cannot be set at the same time"},
		"store alone":      {spec("dataFrom: [{sourceRef: {storeRef: {name: vault}}}]"), "spec.dataFrom[0]: Required value"},
		"generator":        {spec("dataFrom: [{extract: {key: a}, sourceRef: {generatorRef: {kind: Password, name: p}}}]"), "spec.dataFrom[0].sourceRef.generatorRef: Forbidden"},
		"bad regexp":       {spec("dataFrom: [{find: {name: {regexp: '('}}}]"), "spec.dataFrom[0].find.name.regexp"},
		"bad window":       {spec("syncWindows: {kind: allow, windows: [{schedule: '61 * * * *', duration: 1d}]}, " + data), "spec.syncWindows.windows[0].schedule"},
	} {
		t.Run(name, func(t *testing.T) {
			err := eso.Validate(decode(t, test.doc)).ToAggregate()
			switch {
			case test.want == "" && err != nil:
				t.Errorf("Validate: %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("Validate: %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestUnknownFields(t *testing.T) {
	es := decode(t, valid)
	es.Annotations = map[string]string{eso.AnnotationLastApplied: `{"spec":{"target":{"creationPolcy":"Merge"},
		"data":[{"secretKey":"a","remoteRef":{"key":"app","propertty":"x"}}],"refreshInterval":"1h"}}`}
	got := strings.Join(eso.UnknownFields(&es.ObjectMeta, eso.KindExternalSecret), " ")
	if want := "spec.data[].remoteRef.propertty spec.target.creationPolcy"; got != want {
		t.Errorf("UnknownFields = %s, want %s", got, want)
	}
	for _, es := range fixture[eso.ExternalSecret](t, "externalsecrets.json") {
		if unknown := eso.UnknownFields(&es.ObjectMeta, eso.KindExternalSecret); len(unknown) > 0 {
			t.Errorf("%s: %v are ESO's own fields", es.Name, unknown)
		}
	}
}

func store(t *testing.T, doc string) eso.Store {
	t.Helper()
	s := new(eso.SecretStore)
	if err := yaml.Unmarshal([]byte("metadata: {name: vault, namespace: prod}\nspec: {provider: {vault: "+doc+"}}"), s); err != nil {
		t.Fatal(err)
	}
	return s.View()
}

func TestNeverAdmitsAForeignNamespaceInASecretStore(t *testing.T) {
	for _, auth := range []string{
		"tokenSecretRef: {name: a, key: b, namespace: other}",
		"appRole: {roleId: x, path: approle, secretRef: {name: a, key: b, namespace: other}}",
		"appRole: {roleRef: {name: a, key: b, namespace: other}, path: approle, secretRef: {name: a, key: b}}",
		"kubernetes: {role: x, mountPath: kubernetes, serviceAccountRef: {name: a, namespace: other}}",
		"jwt: {path: jwt, kubernetesServiceAccountToken: {serviceAccountRef: {name: a, namespace: other}}}",
		"cert: {clientCert: {name: a, key: b, namespace: other}, secretRef: {name: a, key: c}}",
		"ldap: {path: ldap, username: u, secretRef: {name: a, key: b, namespace: other}}",
		"userPass: {path: userpass, username: u, secretRef: {name: a, key: b, namespace: other}}",
	} {
		err := eso.ValidateStore(store(t, "{server: 'https://v', auth: {"+auth+"}}")).ToAggregate()
		if err == nil || !strings.Contains(err.Error(), ".namespace: Invalid value: \"other\"") {
			t.Errorf("%s: %v, want the namespace refused by field", auth, err)
		}
	}
}

func TestValidateStore(t *testing.T) {
	for name, test := range map[string]struct{ doc, want string }{
		"no auth":      {"{server: 'https://v'}", "no valid auth method specified"},
		"two methods":  {"{server: 'https://v', auth: {tokenSecretRef: {name: a, key: b}, iam: {vaultRole: x}}}", "more than one auth method"},
		"iam":          {"{server: 'https://v', auth: {iam: {vaultRole: x}}}", "spec.provider.vault.auth.iam: Forbidden"},
		"gcp":          {"{server: 'https://v', auth: {gcp: {role: x}}}", "spec.provider.vault.auth.gcp: Forbidden"},
		"no role":      {"{server: 'https://v', auth: {appRole: {path: approle, secretRef: {name: a, key: b}}}}", "neither `roleId` nor `roleRef` was supplied"},
		"file address": {"{server: 'unix:///run/x', auth: {tokenSecretRef: {name: a, key: b}}}", "must start with http:// or https://"},
		"half of tls":  {"{server: 'https://v', tls: {certSecretRef: {name: a}}, auth: {tokenSecretRef: {name: a, key: b}}}", "spec.provider.vault.tls: Invalid value"},
		"valid":        {"{server: 'https://v', auth: {tokenSecretRef: {name: a, key: b}}}", ""},
	} {
		err := eso.ValidateStore(store(t, test.doc)).ToAggregate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestForeignProvidersSurvive(t *testing.T) {
	const doc = `{"spec":{"provider":{"aws":{"service":"SecretsManager"}}}}`
	s := new(eso.SecretStore)
	if err := json.Unmarshal([]byte(doc), s); err != nil {
		t.Fatal(err)
	}
	if s.View().Served("default") {
		t.Error("a store of provider aws counts as ours")
	}
	out, err := json.Marshal(s.Spec.Provider)
	if err != nil || string(out) != `{"aws":{"service":"SecretsManager"}}` {
		t.Errorf("round trip gave %s, %v", out, err)
	}
}

func FuzzDecodeExternalSecret(f *testing.F) {
	for _, seed := range []string{"1d", "", "1h", "-5m", "9999999999999999h", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, interval string) {
		text, err := json.Marshal(interval)
		if err != nil {
			return
		}
		es := new(eso.ExternalSecret)
		if err := json.Unmarshal([]byte(`{"spec":{"refreshInterval":`+string(text)+`}}`), es); err != nil {
			t.Fatalf("%q breaks the list it is in: %v", interval, err)
		}
		_ = eso.Validate(es)
	})
}
