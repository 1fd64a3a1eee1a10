package eso_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestValidateStore(t *testing.T) {
	const token = "tokenSecretRef: {name: a, key: b}"
	auth := func(a string) string { return "{server: 'https://v', auth: {" + a + "}}" }
	with := func(fields string) string { return "{server: 'https://v', auth: {" + token + "}, " + fields + "}" }
	const vault = "spec.provider.vault."
	for name, test := range map[string]struct {
		doc  string
		want []string
	}{
		"valid":           {auth(token), nil},
		"no auth":         {"{server: 'https://v'}", []string{vault + "auth: Required value: cannot initialize Vault client: no valid auth method specified"}},
		"empty auth":      {auth(""), []string{"no valid auth method specified"}},
		"two methods":     {auth(token + ", iam: {vaultRole: x}"), []string{`"tokenSecretRef, iam": more than one auth method is set; keep one`, vault + "auth.iam: Forbidden"}},
		"iam":             {auth("iam: {vaultRole: x}"), []string{vault + "auth.iam: Forbidden"}},
		"gcp":             {auth("gcp: {role: x}"), []string{vault + "auth.gcp: Forbidden"}},
		"no role":         {auth("appRole: {path: approle, secretRef: {name: a, key: b}}"), []string{"invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied"}},
		"no jwt":          {auth("jwt: {path: jwt}"), []string{vault + "auth.jwt: Required value: neither `secretRef` nor `kubernetesServiceAccountToken` was supplied"}},
		"pod's own token": {auth("kubernetes: {role: x, mountPath: kubernetes}"), []string{vault + "auth.kubernetes: Required value: set serviceAccountRef or secretRef"}},
		"default key":     {auth("kubernetes: {role: x, mountPath: kubernetes, secretRef: {name: a}}"), nil},
		"no key":          {auth("tokenSecretRef: {name: a}"), []string{vault + "auth.tokenSecretRef.key: Required value: name the key of the Secret"}},
		"no password":     {auth("ldap: {path: ldap, username: u}"), []string{vault + "auth.ldap.secretRef.name", vault + "auth.ldap.secretRef.key"}},
		"login elsewhere": {auth("appRole: {path: ../sys, roleId: r, secretRef: {name: a, key: b}}"), []string{vault + "auth.appRole.path: Invalid value"}},
		"user elsewhere":  {auth("userPass: {path: userpass, username: ../x, secretRef: {name: a, key: b}}"), []string{vault + "auth.userPass.username: Invalid value"}},
		"file address":    {"{server: 'unix:///run/x', auth: {" + token + "}}", []string{vault + "server: Invalid value: \"unix:///run/x\": must start with http:// or https://"}},
		"no host":         {"{server: 'https://', auth: {" + token + "}}", []string{"name a host"}},
		"mount":           {with("path: kv/../sys"), []string{vault + "path: Invalid value"}},
		"half of tls":     {with("tls: {certSecretRef: {name: a}}"), []string{vault + "tls: Invalid value: certSecretRef and keySecretRef must both be set"}},
		"default tls":     {with("tls: {certSecretRef: {name: a}, keySecretRef: {name: a}}"), nil},
		"cas on v1":       {with("version: v1, checkAndSet: {required: true}"), []string{vault + "checkAndSet: Invalid value"}},
		"ca without key":  {with("caProvider: {type: ConfigMap, name: ca}"), []string{vault + "caProvider.key: Required value: name the key of the ConfigMap"}},
		"ca elsewhere":    {with("caProvider: {type: Secret, name: ca, key: c, namespace: other}"), []string{vault + "caProvider.namespace: Invalid value: \"other\""}},
	} {
		check(t, name, store(t, test.doc), test.want)
	}
}

func check(t *testing.T, name string, s eso.Store, want []string) {
	t.Helper()
	err := eso.ValidateStore(s).ToAggregate()
	if len(want) == 0 && err != nil {
		t.Errorf("%s: %v, want none", name, err)
	}
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", name, err, part)
		}
	}
}

func TestValidateStoreSpec(t *testing.T) {
	for name, test := range map[string]struct {
		spec string
		want []string
	}{
		"seconds":       {"refreshInterval: 30", nil},
		"duration":      {"refreshInterval: 5m", nil},
		"negative":      {"refreshInterval: -5", []string{"spec.refreshInterval: Invalid value: \"-5\": must not be negative"}},
		"days":          {"refreshInterval: 1d", []string{"spec.refreshInterval", "write 24h"}},
		"bad retries":   {"retrySettings: {retryInterval: soon}", []string{"spec.retrySettings.retryInterval"}},
		"bad regexp":    {"conditions: [{}, {namespaceRegexes: ['ok', '(']}]", []string{"spec.conditions[1].namespaceRegexes[1]"}},
		"bad selector":  {"conditions: [{namespaceSelector: {matchExpressions: [{key: a, operator: Near}]}}]", []string{"spec.conditions[0].namespaceSelector"}},
		"good selector": {"conditions: [{namespaceSelector: {matchLabels: {a: b}}}]", nil},
		"no provider":   {"provider: {}", []string{"spec.provider: Required value"}},
		"another's":     {"provider: {aws: {service: SecretsManager}}", nil},
		"broken":        {"provider: {vault: {server: https://v, path: [1], auth: {tokenSecretRef: {name: a, key: b}}}}", []string{"spec.provider.vault: Invalid value: json: cannot unmarshal array"}},
		"ca of no one":  {"provider: {vault: {server: https://v, caProvider: {type: Secret, name: a, key: b}, auth: {tokenSecretRef: {name: a, key: b}}}}", []string{"missing namespace on caProvider secret"}},
	} {
		spec := test.spec
		if !strings.Contains(spec, "provider:") {
			spec += "\nprovider: {vault: {server: https://v, auth: {tokenSecretRef: {name: a, key: b}}}}"
		}
		s := new(eso.ClusterSecretStore)
		if err := yaml.Unmarshal([]byte("metadata: {name: vault}\nspec:\n  "+strings.ReplaceAll(spec, "\n", "\n  ")), s); err != nil {
			t.Fatal(err)
		}
		check(t, name, s.View(), test.want)
	}
}

// N6: an address may hold a password.
func TestNeverRepeatsAPasswordInAnAddress(t *testing.T) {
	for _, server := range []string{"ftp://u:canary@v", "https://u:canary@v:port", "u:canary@v"} {
		err := eso.ValidateStore(store(t, "{server: '"+server+"', auth: {tokenSecretRef: {name: a, key: b}}}")).ToAggregate()
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v, want an error without the password", err)
		}
	}
}

func TestReferences(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want []string
	}{
		"token":           {"tokenSecretRef: {name: a, key: b}", []string{"auth.tokenSecretRef Secret a b"}},
		"inline role":     {"appRole: {roleId: r, roleRef: {name: x}, secretRef: {name: a, key: b}}", []string{"auth.appRole.secretRef Secret a b"}},
		"role":            {"appRole: {roleRef: {name: x, key: z}, secretRef: {name: a, key: b}}", []string{"auth.appRole.roleRef Secret x z", "auth.appRole.secretRef Secret a b"}},
		"account":         {"kubernetes: {serviceAccountRef: {name: s}, secretRef: {name: a}}", []string{"auth.kubernetes.serviceAccountRef ServiceAccount s "}},
		"account's token": {"kubernetes: {secretRef: {name: a}}", []string{"auth.kubernetes.secretRef Secret a token"}},
		"the first one":   {"cert: {clientCert: {name: c, key: d}, secretRef: {name: a, key: b}}, gcp: {role: r}", []string{"auth.cert.clientCert Secret c d", "auth.cert.secretRef Secret a b"}},
		"jwt":             {"jwt: {kubernetesServiceAccountToken: {serviceAccountRef: {name: s}}}", []string{"auth.jwt.kubernetesServiceAccountToken.serviceAccountRef ServiceAccount s "}},
		"tls and ca": {
			"}, tls: {certSecretRef: {name: c}, keySecretRef: {name: k}}, caProvider: {type: ConfigMap, name: ca, key: crt",
			[]string{"tls.certSecretRef Secret c tls.crt", "tls.keySecretRef Secret k tls.key", "caProvider ConfigMap ca crt"},
		},
		"ca in place": {"}, caBundle: QQ==, caProvider: {type: ConfigMap, name: ca, key: crt", nil},
	} {
		var got []string
		for _, ref := range store(t, "{auth: {"+c.doc+"}}").Spec.Provider.Vault.References() {
			got = append(got, strings.Join([]string{ref.Field, ref.Kind, ref.Name, ref.Key}, " "))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
