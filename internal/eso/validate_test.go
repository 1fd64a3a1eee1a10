package eso_test

import (
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
		"valid":                 {valid, ""},
		"nothing to read":       {spec(""), "spec: Required value: either data or dataFrom should be specified"},
		"days":                  {spec("refreshInterval: 1d, " + data), `spec.refreshInterval: Invalid value: "1d": "1d" is no Go duration, which has no days; write 24h`},
		"no unit":               {spec("refreshInterval: '30', " + data), "write 30s for seconds"},
		"delete by orphan":      {spec("target: {creationPolicy: Orphan, deletionPolicy: Delete}, " + data), "Please set creationPolicy=Owner"},
		"merge into none":       {spec("target: {creationPolicy: None, deletionPolicy: Merge}, " + data), "There is no Secret to merge with"},
		"manifest":              {spec("target: {manifest: {apiVersion: v1, kind: ConfigMap}}, " + data), "spec.target.manifest: Forbidden"},
		"token type":            {spec("target: {template: {type: kubernetes.io/service-account-token}}, " + data), "spec.target.template.type: Invalid value"},
		"bootstrap type":        {spec("target: {template: {type: bootstrap.kubernetes.io/token}}, " + data), "spec.target.template.type: Invalid value"},
		"template target":       {spec("target: {template: {templateFrom: [{target: Spec, literal: x}]}}, " + data), "spec.target.template.templateFrom[0].target: Unsupported value"},
		"duplicate":             {spec("data: [{secretKey: a, remoteRef: {key: x}}, {secretKey: a, remoteRef: {key: y}}]"), "spec.data[1].secretKey"},
		"traversal":             {spec("data: [{secretKey: a, remoteRef: {key: ../sys/seal}}]"), "spec.data[0].remoteRef.key: Invalid value"},
		"two selections":        {spec("dataFrom: [{extract: {key: a}, find: {}}]"), "cannot be set at the same time"},
		"store alone":           {spec("dataFrom: [{sourceRef: {storeRef: {name: vault}}}]"), "spec.dataFrom[0]: Required value"},
		"generator":             {spec("dataFrom: [{extract: {key: a}, sourceRef: {generatorRef: {kind: Password, name: p}}}]"), "spec.dataFrom[0].sourceRef.generatorRef: Forbidden"},
		"bad regexp":            {spec("dataFrom: [{find: {name: {regexp: '('}}}]"), "spec.dataFrom[0].find.name.regexp"},
		"find leaves the mount": {spec("dataFrom: [{find: {path: a/../../sys}}]"), "spec.dataFrom[0].find.path: Invalid value"},
		"extract leaves":        {spec("dataFrom: [{extract: {key: ..}}]"), "spec.dataFrom[0].extract.key: Invalid value"},
		"dots in a name":        {spec("data: [{secretKey: a, remoteRef: {key: a..b/...}}]"), ""},
		"bad rewrite":           {spec("dataFrom: [{extract: {key: a}, rewrite: [{regexp: {source: '[', target: x}}]}]"), "spec.dataFrom[0].rewrite[0].regexp.source"},
		"merge into nothing":    {spec("dataFrom: [{extract: {key: a}, rewrite: [{merge: {strategy: JSON}}]}]"), "spec.dataFrom[0].rewrite[0].merge.into: Required value"},
		"merge":                 {spec("dataFrom: [{extract: {key: a}, rewrite: [{merge: {}}]}]"), ""},
		"generator alone":       {spec("dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: p}}}]"), "spec.dataFrom[0].sourceRef.generatorRef: Forbidden"},
		"generator beside find": {spec("dataFrom: [{find: {}, sourceRef: {generatorRef: {kind: Password, name: p}}}]"), "cannot be set at the same time"},
		"empty source":          {spec("dataFrom: [{extract: {key: a}, sourceRef: {}}]"), "spec.dataFrom[0].sourceRef: Required value: generatorRef or storeRef must be set"},
		"source without name":   {spec("data: [{secretKey: a, remoteRef: {key: x}, sourceRef: {storeRef: {kind: SecretStore}}}]"), "spec.data[0].sourceRef.storeRef.name: Required value"},
		"delete, merged":        {spec("target: {creationPolicy: Merge, deletionPolicy: Delete}, " + data), "spec.target.deletionPolicy: Invalid value"},
		"delete, owned":         {spec("target: {deletionPolicy: Delete}, " + data), ""},
		"last one wins":         {spec("target: {deletionPolicy: Delete}, data: [{secretKey: a, remoteRef: {key: x}}, {secretKey: a, remoteRef: {key: y}}]"), ""},
		"annotations":           {spec("target: {template: {templateFrom: [{target: annotations, literal: x}]}}, " + data), ""},
		"zone":                  {spec("syncWindows: {kind: allow, windows: [{schedule: 'TZ=UTC', duration: 1h}]}, " + data), "windows are in UTC"},
		"descriptor":            {spec("syncWindows: {kind: allow, windows: [{schedule: '@every 6h', duration: 1h}]}, " + data), ""},
		"window of days":        {spec("syncWindows: {kind: allow, windows: [{schedule: '@daily', duration: 1d}]}, " + data), `spec.syncWindows.windows[0].duration: Invalid value: "1d"`},
		"bad window":            {spec("syncWindows: {kind: allow, windows: [{schedule: '61 * * * *', duration: 1d}]}, " + data), "spec.syncWindows.windows[0].schedule"},
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

func store(t *testing.T, doc string) eso.Store {
	t.Helper()
	s := new(eso.SecretStore)
	if err := yaml.Unmarshal([]byte("metadata: {name: vault, namespace: prod}\nspec: {provider: {vault: "+doc+"}}"), s); err != nil {
		t.Fatal(err)
	}
	if s.Spec.Provider.Undecoded != nil {
		t.Fatalf("%s does not decode", doc)
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

// A store that nothing names is said once, not once an entry.
func TestAMissingStoreIsSaidOnce(t *testing.T) {
	es := decode(t, "spec: {data: [{secretKey: a, remoteRef: {key: x}}, {secretKey: b, remoteRef: {key: y}}], dataFrom: [{extract: {key: z}}]}")
	errs := eso.Validate(es)
	if len(errs) != 1 || errs[0].Field != "spec.secretStoreRef.name" {
		t.Errorf("%v, want one error of spec.secretStoreRef.name", errs)
	}
}
