package diagnose_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// fault is one thing that is wrong, and the one root cause that must be found.
type fault struct {
	name string
	code string
	// says are parts of the root cause's message: object and field.
	says []string
	fix  string
	do   func(f *diagnose.Facts)
}

func gone[T any](why string) diagnose.Fact[T] { return diagnose.Unknown[T](why) }

func clusterFaults() []fault {
	return []fault{
		{"API server gone", "VS101", []string{"https://127.0.0.1:6443", "connection refused"}, "kubectl cluster-info", func(f *diagnose.Facts) {
			f.Cluster.Unreachable = "connection refused"
		}},
		{"CRDs absent", "VS102", []string{"externalsecrets.external-secrets.io"}, "manifests/crds", func(f *diagnose.Facts) {
			f.Cluster.Served = diagnose.Known(map[string][]string{})
		}},
		{"CRDs of ESO 0.15", "VS102", []string{"v1beta1", "0.16"}, "manifests/crds", func(f *diagnose.Facts) {
			f.Cluster.Served.Value[eso.ExternalSecrets] = []string{"v1beta1"}
		}},
		{"no controller at all", "VS103", []string{"nobody has answered"}, "kubectl apply -k manifests", func(f *diagnose.Facts) {
			f.Cluster.Controllers = diagnose.Known([]diagnose.Controller{})
			f.Mapping.Value.Status = eso.ExternalSecretStatus{}
		}},
		{"controller scaled to nothing", "VS103", []string{"vaultsecret-system/vaultsecret-controller", "no ready Pod"}, "scale deployment", func(f *diagnose.Facts) {
			f.Cluster.Controllers.Value[0].Ready, f.Cluster.Controllers.Value[0].Wanted = 0, 0
			f.Mapping.Value.Status = eso.ExternalSecretStatus{}
		}},
		{"controller serves another namespace", "VS103", []string{"no controller is seen"}, "kubectl apply", func(f *diagnose.Facts) {
			f.Cluster.Controllers.Value[0].Only = "other"
			f.Mapping.Value.Status = eso.ExternalSecretStatus{}
		}},
	}
}

func mappingFaults() []fault {
	return []fault{
		{"mapping misspelt", "VS201", []string{"api-bd", "apps", `did you mean "api-db"`}, "get externalsecrets", func(f *diagnose.Facts) {
			f.Name, f.Mapping, f.OtherMappings = "api-bd", diagnose.Known[*eso.ExternalSecret](nil), []string{"api-db", "web"}
		}},
		{"namespace missing", "VS201", []string{"no namespace apps"}, "get namespaces", func(f *diagnose.Facts) {
			f.Mapping, f.NamespaceExists = diagnose.Known[*eso.ExternalSecret](nil), diagnose.Known(false)
		}},
		{"never answered", "VS202", []string{"no Ready condition"}, "sync-now", func(f *diagnose.Facts) {
			f.Mapping.Value.Status = eso.ExternalSecretStatus{}
		}},
		{"mended, not tried again yet", "VS203", []string{"12 warnings UpdateFailed", "sealed"}, "unseal", func(f *diagnose.Facts) {
			failing(f, "Vault is sealed")
		}},
		{"refreshInterval 1d", "VS204", []string{"apps/api-db", "spec.refreshInterval", "write 24h"}, "edit externalsecret", func(f *diagnose.Facts) {
			spec(f).RefreshInterval = eso.DurationText("1d")
			failing(f, "spec.refreshInterval")
		}},
		{"nothing to read", "VS204", []string{"either data or dataFrom"}, "edit externalsecret", func(f *diagnose.Facts) {
			spec(f).Data = nil
		}},
		{"generator", "VS204", []string{"spec.data[0].sourceRef.generatorRef"}, "edit", func(f *diagnose.Facts) {
			spec(f).Data[0].SourceRef = &eso.SourceRef{GeneratorRef: &eso.GeneratorRef{Kind: "Password", Name: "p"}}
		}},
		{"Delete without Owner", "VS204", []string{"spec.target.deletionPolicy"}, "edit", func(f *diagnose.Facts) {
			spec(f).Target.DeletionPolicy, spec(f).Target.CreationPolicy = eso.DeleteDelete, eso.CreateOrphan
		}},
		{"unknown field", "VS205", []string{"spec.target.creationPolcy", `did you mean "creationPolicy"`}, "edit externalsecret", func(f *diagnose.Facts) {
			f.Mapping.Value.Annotations = map[string]string{eso.AnnotationLastApplied: `{"spec":{"target":{"creationPolcy":"Merge"}}}`}
		}},
		{"owned by another ExternalSecret", "VS207", []string{"Secret apps/api-db", "api-old", "spec.target.name"}, "patch externalsecret", func(f *diagnose.Facts) {
			f.Target.Value.OwnerName = "api-old"
			failing(f, "secret is owned by another ExternalSecret: api-old")
		}},
		{"owned by another kind", "VS207", []string{"Certificate tls", "creationPolicy"}, `"creationPolicy":"Merge"`, func(f *diagnose.Facts) {
			f.Target.Value.OwnerGroup, f.Target.Value.OwnerKind, f.Target.Value.OwnerName = "cert-manager.io", "Certificate", "tls"
		}},
		{"immutable Secret", "VS208", []string{"Secret apps/api-db is immutable"}, "delete secret api-db", func(f *diagnose.Facts) {
			f.Target.Value.Immutable = true
			f.Mapping.Value.Status.SetReady(false, eso.ReasonSyncError, eso.MessageImmutable, ago(time.Minute))
		}},
		{"immutable Secret that should change", "VS208", []string{"immutable"}, "delete secret", func(f *diagnose.Facts) {
			f.Target.Value.Immutable = true
			f.Drift = diagnose.Known(diagnose.Drift{Changed: []string{"password"}})
		}},
		{"Merge target missing", "VS209", []string{"Secret apps/api-db", "spec.target.creationPolicy Merge"}, "create secret generic api-db", func(f *diagnose.Facts) {
			spec(f).Target.CreationPolicy = eso.CreateMerge
			f.Target = diagnose.Known[*diagnose.Target](nil)
			f.Mapping.Value.Status.SetReady(true, eso.ReasonMissing, eso.MessageMissing, ago(time.Minute))
		}},
		{"forbidden template type", "VS210", []string{"spec.target.template.type", eso.TypeServiceAccountToken}, "edit", func(f *diagnose.Facts) {
			spec(f).Target.Template = &eso.Template{Type: eso.TypeServiceAccountToken}
		}},
		{"merging into a token Secret", "VS210", []string{"Secret apps/api-db", eso.TypeServiceAccountToken}, "edit", func(f *diagnose.Facts) {
			f.Target.Value.Type = eso.TypeServiceAccountToken
		}},
	}
}

func storeFaults() []fault {
	missing := diagnose.Known[*eso.Store](nil)
	return []fault{
		{"store missing", "VS301", []string{"ClusterSecretStore/vault", "spec.secretStoreRef", `did you mean "vaultt"`}, "get secretstores", func(f *diagnose.Facts) {
			f.Stores[0].Object, f.Stores[0].Others = missing, []string{"vaultt", "other"}
			failing(f, `could not get ClusterSecretStore "vault", not found`)
		}},
		{"store of the other kind", "VS301", []string{"SecretStore/apps/vault", "spec.secretStoreRef.kind"}, `"kind":"ClusterSecretStore"`, func(f *diagnose.Facts) {
			f.Stores[0].Object, f.Stores[0].OtherKind, f.Stores[0].Ref.Kind = missing, true, eso.KindSecretStore
		}},
		{"store not ready although all works", "VS302", []string{"ClusterSecretStore/vault is not Ready", "unable to create client"}, "describe clustersecretstore vault", func(f *diagnose.Facts) {
			object(f).Status.SetReady(false, eso.ReasonInvalidProviderConfig, eso.MessageNoClient, ago(time.Minute))
			failing(f, `ClusterSecretStore "vault" is not ready`)
		}},
		{"namespace not admitted", "VS304", []string{"spec.conditions of ClusterSecretStore/vault", "apps"}, "patch clustersecretstore vault", func(f *diagnose.Facts) {
			object(f).Spec.Conditions = []eso.StoreCondition{{Namespaces: []string{"prod"}, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}}}
		}},
		{"condition does not compile", "VS308", []string{"spec.conditions[0].namespaceRegexes[0]"}, "edit clustersecretstore", func(f *diagnose.Facts) {
			object(f).Spec.Conditions = []eso.StoreCondition{{NamespaceRegexes: []string{"("}}}
		}},
		{"store of another class", "VS306", []string{"ClusterSecretStore/vault", `"other"`, "spec.controller"}, "--controller-class=other", func(f *diagnose.Facts) {
			object(f).Spec.Controller = "other"
			f.Mapping.Value.Status = eso.ExternalSecretStatus{}
		}},
		{"other provider, nobody serves it", "VS307", []string{"spec.provider.aws"}, "edit clustersecretstore", func(f *diagnose.Facts) {
			object(f).Spec.Provider = eso.Provider{Other: map[string]json.RawMessage{"aws": json.RawMessage("{}")}}
			f.Mapping.Value.Status = eso.ExternalSecretStatus{}
		}},
		{"no auth method", "VS308", []string{"spec.provider.vault.auth"}, "edit clustersecretstore", func(f *diagnose.Facts) {
			provider(f).Auth = &eso.VaultAuth{}
		}},
		{"foreign namespace in a SecretStore", "VS308", []string{"spec.provider.vault.auth.tokenSecretRef.namespace"}, "edit secretstore", func(f *diagnose.Facts) {
			s := &eso.SecretStore{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "vault"}, Spec: *object(f).Spec}
			view := s.View()
			f.Stores[0].Object, f.Stores[0].Ref.Kind = diagnose.Known(&view), eso.KindSecretStore
		}},
	}
}

func vaultFaults() []fault {
	connect := func(f *diagnose.Facts, why string) {
		v := &f.Stores[0].Vault
		v.Connect, v.TLS, v.Seal = diagnose.Known(why), gone[diagnose.TLS]("no connection"), gone[diagnose.Seal]("no connection")
	}
	refused := func(f *diagnose.Facts, t diagnose.TLS) {
		f.Stores[0].Vault.TLS, f.Stores[0].Vault.Seal = diagnose.Known(t), gone[diagnose.Seal]("certificate refused")
	}
	return []fault{
		{"server name misspelt", "VS401", []string{"https://vault.vault.svc:8200", "spec.provider.vault.server", "no such host"}, "get svc", func(f *diagnose.Facts) {
			connect(f, "no such host: vault.vault.svc")
		}},
		{"Vault gone", "VS401", []string{"connection refused", "ClusterSecretStore/vault"}, "get pods", func(f *diagnose.Facts) {
			connect(f, "connection refused")
			failing(f, "connection refused")
			object(f).Status.SetReady(false, eso.ReasonInvalidProviderConfig, eso.MessageNoClient, ago(time.Minute))
		}},
		{"unknown authority", "VS403", []string{"caBundle/caProvider", "unknown authority"}, "caProvider", func(f *diagnose.Facts) {
			refused(f, diagnose.TLS{Refused: "certificate signed by unknown authority", Kind: "authority"})
		}},
		{"certificate expired", "VS403", []string{"out of date"}, "renew", func(f *diagnose.Facts) {
			refused(f, diagnose.TLS{Refused: "certificate has expired", Kind: "expired", NotAfter: now().Add(-time.Hour)})
		}},
		{"certificate for another name", "VS403", []string{"vault.example.com"}, "spec.provider.vault.server", func(f *diagnose.Facts) {
			refused(f, diagnose.TLS{Refused: "not valid for vault.vault.svc", Kind: "name", Names: []string{"vault.example.com"}})
		}},
		{"uninitialized", "VS404", []string{"never initialized", "https://vault.vault.svc:8200"}, "kubectl vaultsecret init", func(f *diagnose.Facts) {
			f.Stores[0].Vault.Seal = diagnose.Known(diagnose.Seal{Sealed: true})
		}},
		{"sealed", "VS402", []string{"https://vault.vault.svc:8200 is sealed", "1 of 3", "vault/vault-0 sealed 1/3"}, "kubectl vaultsecret unseal -n vault", func(f *diagnose.Facts) {
			seal := diagnose.Seal{Initialized: true, Sealed: true, Progress: 1, Threshold: 3, Type: "shamir"}
			f.Stores[0].Vault.Seal = diagnose.Known(seal)
			f.Stores[0].Vault.Pods = diagnose.Known([]diagnose.VaultPod{{Namespace: "vault", Name: "vault-0", Seal: diagnose.Known(seal)}})
			object(f).Status.SetReady(false, eso.ReasonInvalidProviderConfig, eso.MessageNotValidated, ago(time.Minute))
			failing(f, "Vault is sealed")
		}},
		{"sealed, outside the cluster", "VS402", []string{"https://vault.example:8200 is sealed"}, "kubectl vaultsecret unseal --vault-addr https://vault.example:8200", func(f *diagnose.Facts) {
			f.Stores[0].Vault.Address, f.Stores[0].Vault.Via = "https://vault.example:8200", ""
			f.Stores[0].Vault.Seal = diagnose.Known(diagnose.Seal{Initialized: true, Sealed: true, Threshold: 3, Type: "shamir"})
		}},
		{"auto-unseal fails", "VS402", []string{"auto-unseal by awskms"}, "unseal --status", func(f *diagnose.Facts) {
			f.Stores[0].Vault.Seal = diagnose.Known(diagnose.Seal{Initialized: true, Sealed: true, Type: "awskms"})
		}},
	}
}

func credentialFaults() []fault {
	refuse := func(f *diagnose.Facts, method, why string) {
		f.Stores[0].Login = diagnose.Login{Method: method, Result: diagnose.Known(diagnose.LoginResult{Refused: why, Code: 403})}
	}
	return []fault{
		{"token Secret missing", "VS501", []string{"Secret external-secrets/vault-token", "auth.tokenSecretRef"}, "create secret generic vault-token", func(f *diagnose.Facts) {
			f.Stores[0].References[0].Exists = diagnose.Known(false)
		}},
		{"key misspelt", "VS501", []string{`no key "token"`, "auth.tokenSecretRef.key", `did you mean "tokem"`}, "kubectl edit clustersecretstore vault   # spec.provider.vault.auth.tokenSecretRef.key: tokem", func(f *diagnose.Facts) {
			f.Stores[0].References[0].Keys = []string{"tokem"}
		}},
		{"key of another name", "VS501", []string{"it has password"}, "auth.tokenSecretRef.key: password, if that is the credential\n# or give the object the key that is asked for: kubectl -n external-secrets create secret generic vault-token --from-file=token=FILE", func(f *diagnose.Facts) {
			f.Stores[0].References[0].Keys = []string{"password"}
		}},
		{"token with a newline", "VS501", []string{`key "token"`, "newline"}, "create secret generic", func(f *diagnose.Facts) {
			f.Stores[0].References[0].Flaw = "holds a newline inside"
		}},
		{"ServiceAccount missing", "VS501", []string{"ServiceAccount external-secrets/eso"}, "create serviceaccount eso", func(f *diagnose.Facts) {
			r := &f.Stores[0].References[0]
			r.Kind, r.Name, r.Key, r.Field, r.Exists = "ServiceAccount", "eso", "", "auth.kubernetes.serviceAccountRef", diagnose.Known(false)
		}},
		{"wrong token", "VS502", []string{"ClusterSecretStore/vault", "spec.provider.vault.auth.tokenSecretRef", "403"}, "vault token create", func(f *diagnose.Facts) {
			refuse(f, "tokenSecretRef", "invalid token: Code: 403")
		}},
		{"AppRole refused", "VS502", []string{"spec.provider.vault.auth.appRole"}, "auth/approle/role/ROLE/secret-id", func(f *diagnose.Facts) {
			provider(f).Auth = &eso.VaultAuth{AppRole: &eso.AppRoleAuth{Path: "approle", RoleID: "r", SecretRef: eso.SecretKeySelector{Name: "s", Namespace: ptr("external-secrets"), Key: "id"}}}
			refuse(f, "appRole", "invalid secret id")
		}},
		{"kubernetes login refused", "VS502", []string{"spec.provider.vault.auth.kubernetes"}, "vault read auth/kubernetes/role/eso", func(f *diagnose.Facts) {
			provider(f).Auth = &eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Role: "eso", ServiceAccountRef: &eso.ServiceAccountSelector{Name: "eso", Namespace: ptr("external-secrets")}}}
			refuse(f, "kubernetes", "service account name not authorized")
		}},
		{"token without the policy", "VS504", []string{`no "read" on secret/data/app/db`}, "vault policy write app-ro", func(f *diagnose.Facts) {
			f.Paths[0].Capabilities = diagnose.Known([]string{"deny"})
			f.Paths[0].Read = diagnose.Known(diagnose.Read{Kind: kv.Denied, Code: 403})
			failing(f, "Code: 403. Errors: permission denied")
		}},
		{"token with the default policy alone", "VS504", []string{"secret/data/app/db", "cannot tell"}, "vault policy write app-ro - <<", func(f *diagnose.Facts) {
			f.Stores[0].Login.Token.Value.Policies = []string{"default"}
			f.Paths[0].Engine, f.Paths[0].Mounts = diagnose.Known(diagnose.Engine{Hidden: true}), nil
			f.Paths[0].Capabilities = diagnose.Known([]string{"deny"})
			f.Paths[0].Read = gone[diagnose.Read]("403")
			f.Render, f.Drift = gone[string]("not read"), gone[diagnose.Drift]("not read")
		}},
		{"metadata denied for Fetch", "VS505", []string{`no "read" on secret/metadata/app/db`}, "vault policy write app-ro", func(f *diagnose.Facts) {
			f.Paths[0].Ref.Metadata = true
		}},
		{"list denied for find", "VS505", []string{`no "list" on secret/metadata/app`}, `"read", "list"`, func(f *diagnose.Facts) {
			find(f)
			f.Paths[0].MetaCapabilities = diagnose.Known([]string{"read"})
		}},
	}
}

func find(f *diagnose.Facts) {
	p := f.Paths[0]
	p.Find, p.Data, p.Metadata, p.Name = true, "", "secret/metadata/app", "app"
	p.Entries = []diagnose.Entry{{Field: "spec.dataFrom[0].find"}}
	p.MetaCapabilities, p.Matches = diagnose.Known([]string{"list"}), diagnose.Known(2)
}

func pathFaults() []fault {
	read := func(f *diagnose.Facts, r diagnose.Read) {
		f.Paths[0].Read = diagnose.Known(r)
		failing(f, "error processing spec.data[0] (key: app/db), err: Secret does not exist")
	}
	return []fault{
		{"mount missing", "VS601", []string{"no mount secrets", "spec.provider.vault.path of ClusterSecretStore/vault", `did you mean "secret"`}, "vault secrets", func(f *diagnose.Facts) {
			f.Paths[0].Mount, f.Paths[0].Engine = "secrets", diagnose.Known(diagnose.Engine{Missing: true})
		}},
		{"mount missing, as a limited token sees it", "VS601", []string{"no mount kvx"}, "vault secrets enable", func(f *diagnose.Facts) {
			f.Paths[0].Mount, f.Paths[0].Engine = "kvx", diagnose.Known(diagnose.Engine{Hidden: true})
		}},
		{"mount misspelt, nothing allowed under it", "VS601", []string{"sees no mount secrte", `did you mean "secret"`}, "spec.provider.vault.path", func(f *diagnose.Facts) {
			f.Paths[0].Mount, f.Paths[0].Engine = "secrte", diagnose.Known(diagnose.Engine{Hidden: true})
			f.Paths[0].Capabilities = diagnose.Known([]string{"deny"})
		}},
		{"mount of another type", "VS604", []string{"type transit"}, "vault secrets list", func(f *diagnose.Facts) {
			f.Paths[0].Engine = diagnose.Known(diagnose.Engine{Type: "transit", Version: 1})
		}},
		{"KV version mismatch", "VS604", []string{"KV version 1", "spec.provider.vault.version"}, `"version":"v1"`, func(f *diagnose.Facts) {
			f.Paths[0].Engine = diagnose.Known(diagnose.Engine{Type: "kv", Version: 1})
		}},
		{"path missing", "VS602", []string{"secret/data/app/db", "spec.data[0].remoteRef.key", `did you mean "db1"`}, "vault kv list secret/app", func(f *diagnose.Facts) {
			f.Paths[0].Siblings = []string{"db1", "web"}
			read(f, diagnose.Read{Kind: kv.Absent, Code: 404})
		}},
		{"version is no number", "VS602", []string{"spec.data[0].remoteRef.version", `"newest"`}, "edit externalsecret", func(f *diagnose.Facts) {
			f.Paths[0].Ref.Version = "newest"
			read(f, diagnose.Read{Kind: kv.BadRequest, Code: 400, Detail: "invalid version"})
		}},
		{"version destroyed", "VS603", []string{"version 1 of secret/data/app/db is destroyed", "spec.data[0].remoteRef.version"}, "another version", func(f *diagnose.Facts) {
			f.Paths[0].Ref.Version = "1"
			read(f, diagnose.Read{Kind: kv.Absent, Code: 404, Destroyed: true})
		}},
		{"newest version destroyed", "VS603", []string{"newest version", "destroyed"}, "vault kv rollback", func(f *diagnose.Facts) {
			read(f, diagnose.Read{Kind: kv.Absent, Code: 404, Destroyed: true, Version: 3})
		}},
		{"newest version deleted", "VS603", []string{"is deleted"}, "vault kv undelete -versions=3 secret/app/db", func(f *diagnose.Facts) {
			read(f, diagnose.Read{Kind: kv.Absent, Code: 404, Deleted: true, Version: 3})
		}},
		{"property missing", "VS605", []string{"secret/data/app/db", `spec.data[0].remoteRef.property "pasword"`, `did you mean "password"`, "it has password, user"}, "edit externalsecret", func(f *diagnose.Facts) {
			f.Paths[0].Entries[0].Property, f.Paths[0].Entries[0].Found = "pasword", diagnose.Known(false)
			failing(f, `cannot find secret data for key: "pasword"`)
		}},
		{"find matches nothing", "VS606", []string{"spec.dataFrom[0].find", "secret/metadata/app"}, "vault kv list secret/app", func(f *diagnose.Facts) {
			find(f)
			f.Paths[0].Matches = diagnose.Known(0)
		}},
		{"value is not base64", "VS607", []string{"secret/data/app/db", "spec.data[0].remoteRef", "Base64"}, "decodingStrategy", func(f *diagnose.Facts) {
			f.Paths[0].Entries[0].Flaw = "Base64: illegal byte"
			f.Render = diagnose.Known("decoding")
		}},
		{"type cannot change", "VS701", []string{"Secret apps/api-db cannot be written", "type"}, "edit externalsecret", func(f *diagnose.Facts) {
			f.Drift = diagnose.Known(diagnose.Drift{Refused: "the type of a Secret cannot change"})
		}},
		{"template does not render", "VS608", []string{"spec.target.template"}, "edit externalsecret", func(f *diagnose.Facts) {
			f.Render = diagnose.Known(`spec.target.template.data[url]: no entry for key "host"`)
			failing(f, "could not apply template")
		}},
		{"key of a template's source missing", "VS608", []string{"missing key web.conf"}, "\n# or what it names: kubectl -n apps edit configmap tpl", func(f *diagnose.Facts) {
			from := eso.TemplateFrom{ConfigMap: &eso.TemplateRef{Name: "tpl"}}
			spec(f).Target.Template = &eso.Template{TemplateFrom: []eso.TemplateFrom{{Literal: ptr("x: y")}, from}}
			f.Render = diagnose.Known("could not apply template: spec.target.template.templateFrom[1].configMap.items: error in configmap tpl: missing key web.conf")
		}},
	}
}

func allFaults() []fault {
	var all []fault
	for _, group := range [][]fault{clusterFaults(), mappingFaults(), storeFaults(), vaultFaults(), credentialFaults(), pathFaults()} {
		all = append(all, group...)
	}
	return all
}

func TestEveryFaultHasOneRootCause(t *testing.T) {
	if n := len(allFaults()); n < 40 {
		t.Errorf("%d faults, want at least 40", n)
	}
	for _, fault := range allFaults() {
		t.Run(fault.name, func(t *testing.T) {
			f := healthy()
			fault.do(f)
			r := diagnose.Run(*f)
			if diff := cmp.Diff([]string{fault.code}, r.RootCauses); diff != "" {
				t.Fatalf("root causes (-want +got):\n%s\n%v", diff, r.Roots())
			}
			roots := r.Roots()
			if len(roots) != 1 {
				t.Fatalf("%d root findings, want 1: %v", len(roots), roots)
			}
			for _, part := range fault.says {
				if !strings.Contains(roots[0].Message, part) {
					t.Errorf("message %q does not name %q", roots[0].Message, part)
				}
			}
			if !strings.Contains(roots[0].Fix, fault.fix) {
				t.Errorf("fix %q does not hold %q", roots[0].Fix, fault.fix)
			}
			if r.Healthy {
				t.Error("report says healthy")
			}
			wellFormed(t, r)
		})
	}
}

// wellFormed checks what holds for every report.
func wellFormed(t *testing.T, r diagnose.Report) {
	t.Helper()
	for _, c := range r.Checks {
		if c.Status == diagnose.StatusFail && c.Fix == "" {
			t.Errorf("%s fails without a fix: %s", c.Code, c.Message)
		}
		if c.Message == "" {
			t.Errorf("%s (%s) has no message", c.Code, c.Status)
		}
		if c.Root && c.Status != diagnose.StatusFail {
			t.Errorf("%s is a root cause with status %s", c.Code, c.Status)
		}
	}
}
