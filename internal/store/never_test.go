package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func ref(namespace *string) eso.SecretKeySelector {
	return eso.SecretKeySelector{Name: "n", Key: "k", Namespace: namespace}
}

// everyReference is a provider for each field that may name an object of Kubernetes.
func everyReference(namespace *string) map[string]eso.VaultProvider {
	selector := ref(namespace)
	own := eso.SecretKeySelector{Name: "n", Key: "k"}
	account := eso.ServiceAccountSelector{Name: "n", Namespace: namespace}
	auths := map[string]eso.VaultAuth{
		"auth.tokenSecretRef":                                      {TokenSecretRef: &selector},
		"auth.appRole.secretRef":                                   {AppRole: &eso.AppRoleAuth{RoleID: "r", SecretRef: selector}},
		"auth.appRole.roleRef":                                     {AppRole: &eso.AppRoleAuth{RoleRef: &selector, SecretRef: own}},
		"auth.kubernetes.secretRef":                                {Kubernetes: &eso.KubernetesAuth{Role: "r", SecretRef: &selector}},
		"auth.kubernetes.serviceAccountRef":                        {Kubernetes: &eso.KubernetesAuth{Role: "r", ServiceAccountRef: &account}},
		"auth.ldap.secretRef":                                      {LDAP: &eso.PasswordAuth{Username: "u", SecretRef: selector}},
		"auth.userPass.secretRef":                                  {UserPass: &eso.UserPassAuth{Username: "u", SecretRef: selector}},
		"auth.jwt.secretRef":                                       {JWT: &eso.JWTAuth{Role: "r", SecretRef: &selector}},
		"auth.jwt.kubernetesServiceAccountToken.serviceAccountRef": {JWT: &eso.JWTAuth{Role: "r", KubernetesServiceAccountToken: &eso.KubernetesServiceAccountToken{ServiceAccountRef: account}}},
		"auth.cert.clientCert":                                     {Cert: &eso.CertAuth{ClientCert: selector, SecretRef: own}},
		"auth.cert.secretRef":                                      {Cert: &eso.CertAuth{ClientCert: own, SecretRef: selector}},
	}
	out := map[string]eso.VaultProvider{}
	for field, auth := range auths {
		out[field] = eso.VaultProvider{Server: "https://vault.invalid", Auth: &auth}
	}
	fine := eso.VaultAuth{TokenSecretRef: &own}
	out["caProvider"] = eso.VaultProvider{Server: "https://vault.invalid", Auth: &fine, CAProvider: &eso.CAProvider{Type: "ConfigMap", Name: "n", Key: "k", Namespace: namespace}}
	out["tls.certSecretRef"] = eso.VaultProvider{Server: "https://vault.invalid", Auth: &fine, ClientTLS: eso.ClientTLS{CertSecretRef: &selector, KeySecretRef: &own}}
	out["tls.keySecretRef"] = eso.VaultProvider{Server: "https://vault.invalid", Auth: &fine, ClientTLS: eso.ClientTLS{CertSecretRef: &own, KeySecretRef: &selector}}
	return out
}

func full(namespaces ...string) *memory {
	m := newMemory()
	for _, namespace := range namespaces {
		m.put(namespace, "n", map[string]string{"k": "v"})
		m.configMaps[namespace+"/n"] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "n"}, Data: map[string]string{"k": "v"}}
	}
	return m
}

// N1: no field of a SecretStore reaches another namespace, and a foreign one is refused
// by name before anything is read.
func TestNeverReadsAnotherNamespace(t *testing.T) {
	foreign, own := "kube-system", "apps"
	for field, provider := range everyReference(&foreign) {
		m := full(foreign, own)
		store := m.add(eso.KindSecretStore, "vault", provider)
		_, err := Resolver{Cluster: m}.resolve(t.Context(), scope{store, own})
		if kv.KindOf(err) != kv.BadConfig || !strings.Contains(err.Error(), "spec.provider.vault."+field+".namespace") {
			t.Errorf("%s: %v", field, err)
		}
		for _, asked := range m.asked {
			if strings.Contains(asked, foreign) {
				t.Errorf("%s: %s was read", field, asked)
			}
		}
		// The rule holds where references are resolved, too, not only in validation.
		for _, r := range provider.References() {
			if r.Namespace == nil {
				continue
			}
			if _, err := (scope{store, own}).target(r); kv.KindOf(err) != kv.BadConfig {
				t.Errorf("%s: target: %v", field, err)
			}
		}
	}
	for _, namespace := range []*string{nil, &own} {
		for field, provider := range everyReference(namespace) {
			m := full(foreign, own)
			if _, err := (Resolver{Cluster: m}).resolve(t.Context(), scope{m.add(eso.KindSecretStore, "vault", provider), foreign}); err != nil {
				t.Errorf("%s: %v", field, err)
			}
			for _, asked := range m.asked {
				if !strings.Contains(asked, " apps/") {
					t.Errorf("%s: %s was read", field, asked)
				}
			}
		}
	}
}

// N1: in a ClusterSecretStore an absent namespace is the mapping's, a given one counts.
func TestNeverConfusesReferentNamespaces(t *testing.T) {
	infra := "infra"
	for _, given := range []*string{nil, &infra} {
		want := "team-a"
		if given != nil {
			want = infra
		}
		for field, provider := range everyReference(given) {
			m := full("team-a", "team-b", infra)
			_, err := Resolver{Cluster: m}.resolve(t.Context(), scope{m.add(eso.KindClusterSecretStore, "vault", provider), "team-a"})
			if field == "caProvider" && given == nil {
				if kv.KindOf(err) != kv.BadConfig || !strings.Contains(err.Error(), "missing namespace on caProvider secret") {
					t.Errorf("%s: %v", field, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", field, err)
			}
			i := slices.IndexFunc(m.asked, func(asked string) bool { return strings.Contains(asked, " "+want+"/") })
			if i < 0 && !strings.Contains(strings.ToLower(field), "serviceaccount") {
				t.Errorf("%s: %v, want one of %s", field, m.asked, want)
			}
			for _, asked := range m.asked {
				if strings.Contains(asked, "team-b") {
					t.Errorf("%s: %s was read", field, asked)
				}
			}
		}
	}
}

// N1: a SecretStore of another namespace is not opened, whatever the lookup returns.
func TestNeverOpensAnotherNamespacesStore(t *testing.T) {
	m := full("apps")
	store := m.add(eso.KindSecretStore, "vault", everyReference(nil)["auth.tokenSecretRef"])
	m.stores["SecretStore intruder/vault"] = store
	_, err := (&Pass{Sessions: &Sessions{Resolver: Resolver{Cluster: m}}, Objects: m}).Open(t.Context(), vaultRef, "intruder")
	if kv.KindOf(err) != kv.BadConfig || len(m.asked) != 0 {
		t.Errorf("%v, read %v", err, m.asked)
	}
}

// N8: every input of an identity is in the key.
func TestNeverSharesALogin(t *testing.T) {
	infra := "infra"
	keys := map[string]string{}
	note := func(what string, m *memory, store eso.Store, namespace string) {
		t.Helper()
		s := scope{store, namespace}
		material, err := Resolver{Cluster: m}.resolve(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		k := key(s, material)
		if other, taken := keys[k]; taken {
			t.Errorf("%q shares a key with %q", what, other)
		}
		keys[k] = what
	}
	provider := func(change func(*eso.VaultProvider)) eso.VaultProvider {
		p := eso.VaultProvider{Server: "https://vault.invalid", Auth: &eso.VaultAuth{AppRole: &eso.AppRoleAuth{RoleID: "r", SecretRef: ref(nil)}}}
		change(&p)
		return p
	}
	m := full("apps", "team-a", "team-b", "infra")
	note("base", m, m.add(eso.KindSecretStore, "vault", provider(func(*eso.VaultProvider) {})), "apps")
	note("cluster store", m, m.add(eso.KindClusterSecretStore, "vault", provider(func(*eso.VaultProvider) {})), "apps")
	note("other store", m, m.add(eso.KindSecretStore, "vault2", provider(func(*eso.VaultProvider) {})), "apps")
	for what, change := range map[string]func(*eso.VaultProvider){
		"server":          func(p *eso.VaultProvider) { p.Server = "https://other.invalid" },
		"vault namespace": func(p *eso.VaultProvider) { p.Namespace = &infra },
		"login namespace": func(p *eso.VaultProvider) { p.Auth.Namespace = &infra },
		"role":            func(p *eso.VaultProvider) { p.Auth.AppRole.RoleID = "s" },
		"auth path":       func(p *eso.VaultProvider) { p.Auth.AppRole.Path = "elsewhere" },
		"method":          func(p *eso.VaultProvider) { p.Auth = everyReference(nil)["auth.tokenSecretRef"].Auth },
		"headers":         func(p *eso.VaultProvider) { p.Headers = map[string]string{"a": "b"} },
		"ca":              func(p *eso.VaultProvider) { p.CABundle = []byte("x") },
	} {
		note(what, m, m.add(eso.KindSecretStore, "vault", provider(change)), "apps")
	}
	again := m.add(eso.KindSecretStore, "vault", provider(func(*eso.VaultProvider) {}))
	again.Meta.Generation = 2
	note("generation", m, again, "apps")
	again = m.add(eso.KindSecretStore, "vault", provider(func(*eso.VaultProvider) {}))
	again.Meta.UID = "recreated"
	note("store uid", m, again, "apps")
	m.put("apps", "n", map[string]string{"k": "v"})
	note("resourceVersion", m, m.add(eso.KindSecretStore, "vault", provider(func(*eso.VaultProvider) {})), "apps")
	m.secrets["apps/n"].UID = "recreated"
	note("secret uid", m, m.add(eso.KindSecretStore, "vault", provider(func(*eso.VaultProvider) {})), "apps")
	for field, p := range everyReference(nil) {
		if field == "caProvider" {
			continue
		}
		store := m.add(eso.KindClusterSecretStore, "referent-"+strings.ToLower(field), p)
		note(field+" in team-a", m, store, "team-a")
		note(field+" in team-b", m, store, "team-b")
	}
}

// N9: the controller's own token is not lent, and no file is named by a store.
func TestNeverLendsTheControllersToken(t *testing.T) {
	for _, kind := range []string{eso.KindSecretStore, eso.KindClusterSecretStore} {
		for field, auth := range map[string]eso.VaultAuth{
			"spec.provider.vault.auth.kubernetes": {Kubernetes: &eso.KubernetesAuth{Role: "r"}},
			"spec.provider.vault.auth.iam":        {IAM: &eso.IAMAuth{VaultRole: "r"}},
			"spec.provider.vault.auth.gcp":        {GCP: &eso.GCPAuth{Role: "r"}},
			"spec.provider.vault.auth":            {},
		} {
			m := newMemory()
			store := m.add(kind, "vault", eso.VaultProvider{Server: "https://vault.invalid", Auth: &auth})
			_, err := Resolver{Cluster: m}.resolve(t.Context(), scope{store, "apps"})
			var e *kv.Error
			if !errors.As(err, &e) || e.Kind != kv.BadConfig || e.Field != field || len(m.asked) != 0 {
				t.Errorf("%s: %v", field, err)
			}
		}
		m := full("apps")
		own := ref(nil)
		store := m.add(kind, "vault", eso.VaultProvider{Server: "unix:///var/run/vault.sock", Auth: &eso.VaultAuth{TokenSecretRef: &own}})
		if _, err := (Resolver{Cluster: m}).resolve(t.Context(), scope{store, "apps"}); kv.KindOf(err) != kv.BadConfig {
			t.Errorf("a unix socket: %v", err)
		}
	}
}

// N6: no error and no struct of this room shows a value.
func TestNeverShowsASecret(t *testing.T) {
	b := newBench(t)
	var out bytes.Buffer
	show := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&out, "%v %+v %#v\n", v, v, v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		}
	}
	auth := b.appRole(nil)
	b.mem.put("apps", "canaries", map[string]string{"k": "canary-credential"})
	canary := eso.SecretKeySelector{Name: "canaries", Key: "k"}
	store := b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	reader, err := b.pass().Open(t.Context(), vaultRef, "apps")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := reader.Read(t.Context(), kv.Ref{Key: "app/db"})
	show(payload, err, reader, b.sessions)
	for _, s := range b.sessions.live {
		show(s)
		out.WriteString(strings.ReplaceAll(fmt.Sprint(s.token), s.token.Accessor, ""))
	}
	m, err := b.sessions.Resolver.resolve(t.Context(), scope{store, "apps"})
	show(m, &m, err)
	login, err := m.login(t.Context())
	show(login, err)
	_, err = reader.Read(t.Context(), kv.Ref{Key: "denied/../canary"})
	show(err)
	for i, auth := range []eso.VaultAuth{
		{TokenSecretRef: &canary},
		{AppRole: &eso.AppRoleAuth{Path: auth.AppRole.Path, RoleID: "x", SecretRef: canary}},
		{AppRole: &eso.AppRoleAuth{Path: auth.AppRole.Path, RoleRef: &canary, SecretRef: canary}},
		{LDAP: &eso.PasswordAuth{Username: "u", SecretRef: canary}},
		{UserPass: &eso.UserPassAuth{Path: b.auth("userpass"), Username: "u", SecretRef: canary}},
		{JWT: &eso.JWTAuth{Path: b.auth("jwt"), Role: "r", SecretRef: &canary}},
		{Cert: &eso.CertAuth{ClientCert: canary, SecretRef: canary}},
	} {
		name := fmt.Sprintf("canary-%d", i)
		b.mem.add(eso.KindSecretStore, name, b.provider(auth)).Spec.RetrySettings = &eso.RetrySettings{}
		_, err := b.read(name, "app/db")
		if err == nil {
			t.Errorf("%d: a canary logs in", i)
		}
		show(err)
	}
	bad := b.provider(auth)
	bad.CABundle, bad.CAProvider = nil, &eso.CAProvider{Type: "Secret", Name: "canaries", Key: "k"}
	b.mem.add(eso.KindSecretStore, "ca", bad)
	_, err = b.read("ca", "app/db")
	show(err)
	for _, secret := range []string{"canary-credential", "canary-value", string(b.mem.secrets["apps/approle"].Data["secret-id"]), b.sb.RootToken} {
		if at := strings.Index(out.String(), secret); at >= 0 {
			t.Fatalf("a secret shows: …%s…", out.String()[max(0, at-300):at+40])
		}
	}
	if strings.Contains(out.String(), "hvs.") {
		t.Error("a token shows")
	}
}

// N14: an outage of the API server gives a text without ports that vary.
func TestNeverVaries(t *testing.T) {
	m := full("apps")
	store := m.add(eso.KindSecretStore, "vault", everyReference(nil)["auth.tokenSecretRef"])
	texts := map[string]bool{}
	for i := range 3 {
		m.fail = fmt.Errorf("Get \"https://10.96.0.1:443/api\": read tcp 10.1.1.1:%d->10.96.0.1:443: i/o timeout", 40000+i)
		_, err := Resolver{Cluster: m}.resolve(t.Context(), scope{store, "apps"})
		if kv.KindOf(err) != kv.Unreachable {
			t.Errorf("unknown is not missing: %v", err)
		}
		texts[fmt.Sprint(err)] = true
	}
	if len(texts) != 1 {
		t.Errorf("%v", texts)
	}
}

// A template's source is read in the mapping's namespace by the same resolver.
func TestSource(t *testing.T) {
	m := full("apps")
	m.configMaps["apps/n"].BinaryData = map[string][]byte{"bin": {0}}
	r := Resolver{Cluster: m}
	for _, kind := range []string{"Secret", "ConfigMap"} {
		data, err := r.Source(t.Context(), "apps", kind, "n")
		if err != nil || string(data["k"].Reveal()) != "v" || len(data) != 1 {
			t.Errorf("%s: %v, %v", kind, data, err)
		}
		if _, err := r.Source(t.Context(), "other", kind, "n"); err == nil || !strings.Contains(err.Error(), kind+" other/n does not exist") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
