package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// node is a piece of a CRD.
type node = map[string]any

// at goes down by names; "[]" goes to the items of a list.
func at(n node, path ...string) node {
	for _, name := range path {
		if name == "[]" {
			n = n["items"].(node)
		} else {
			n = n["properties"].(node)[name].(node)
		}
	}
	return n
}

// eso29 makes of one of our CRDs the one that ESO 2.9.0 installs: v1 alone.
func eso29(crd node) {
	spec := crd["spec"].(node)
	spec["versions"] = spec["versions"].([]any)[:1]
}

// eso016 makes of one of our CRDs the one that ESO 0.16 installs: v1 and v1beta1, without
// the fields that came later, and with the strategies' defaults put into each object.
func eso016(crd node) {
	for _, v := range crd["spec"].(node)["versions"].([]any) {
		version := v.(node)
		delete(version, "selectableFields")
		schema := version["schema"].(node)["openAPIV3Schema"].(node)
		spec := at(schema, "spec")
		if crd["metadata"].(node)["name"] != "externalsecrets.external-secrets.io" {
			spec["properties"].(node)["refreshInterval"] = node{"type": "integer"}
			vault := at(spec, "provider", "vault")
			without(vault, "checkAndSet")
			without(at(vault, "auth"), "gcp")
			without(at(vault, "auth", "cert"), "path", "vaultRole")
			continue
		}
		without(spec, "syncWindows")
		without(at(spec, "target"), "manifest")
		at(spec, "target", "creationPolicy")["enum"] = []any{"Owner", "Orphan", "Merge", "None"}
		without(at(spec, "target", "template", "metadata"), "finalizers")
		at(spec, "target", "template", "templateFrom", "[]", "target")["enum"] = []any{"Data", "Annotations", "Labels"}
		without(at(spec, "dataFrom", "[]", "rewrite", "[]"), "merge")
		for _, remote := range []node{at(spec, "data", "[]", "remoteRef"), at(spec, "dataFrom", "[]", "extract"), at(spec, "dataFrom", "[]", "find")} {
			without(remote, "nullBytePolicy")
			for field, value := range map[string]string{"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"} {
				if properties := remote["properties"].(node); properties[field] != nil {
					properties[field].(node)["default"] = value
				}
			}
		}
		if version["name"] == "v1beta1" {
			delete(at(schema, "status", "conditions", "[]", "type"), "enum")
		}
	}
}

func without(n node, fields ...string) {
	for _, field := range fields {
		delete(n["properties"].(node), field)
	}
}

// install applies our CRDs, changed.
func (s *stage) install(change func(node)) {
	s.Helper()
	root, err := sandbox.Root()
	if err != nil {
		s.Fatal(err)
	}
	for _, plural := range []string{"externalsecrets", "secretstores", "clustersecretstores"} {
		raw, err := os.ReadFile(filepath.Join(root, "manifests", "crds", plural+".yaml"))
		if err != nil {
			s.Fatal(err)
		}
		var crd node
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			s.Fatal(err)
		}
		change(crd)
		text, err := json.Marshal(crd)
		if err != nil {
			s.Fatal(err)
		}
		file := filepath.Join(s.TempDir(), plural+".json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			s.Fatal(err)
		}
		s.kubectl("apply", "--server-side", "-f", file)
		s.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/"+plural+"."+eso.Group)
	}
}

// On the CRDs that ESO installed the controller does what it does on its own.
func TestCRDsOfESO(t *testing.T) {
	sb, err := sandbox.Start(t.Context(), sandbox.Config{Dir: t.TempDir(), Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, version string
		crds          func(node)
	}{
		{"2.9.0", "v1", eso29},
		{"0.16 by v1", "v1", eso016},
		{"0.16 by v1beta1", "v1beta1", eso016},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &stage{TB: t, sb: sb, clients: clients, namespace: sb.Namespace(t), mount: sb.KVMount(t, 2), admin: true}
			s.install(c.crds)
			s.sb.Put(t, s.mount, "app/db", map[string]any{"user": "app", "password": "s3cr3t"})
			s.token("vault-token", s.readToken())
			s.apply(c.version)
			r := s.run()
			s.wait("db", "True", eso.ReasonSynced)
			s.holds("db", "url", "app:s3cr3t")
			s.holds("db", "user", "app")
			s.change("app/db", "second") // and asked for:
			s.forceSync("db")
			s.holds("db", "url", "app:second")
			es := s.wait("db", "True", eso.ReasonSynced)
			if es.Status.Binding == nil || es.Status.Binding.Name != "db" || es.Status.RefreshTime.IsZero() {
				t.Errorf("status: %+v", es.Status)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			// Nothing that the schema drops or adds makes it write again.
			if err := s.ended(func(c *controller.Config) { c.Once = true }); err != nil {
				t.Fatal(err)
			}
			after, err := s.clients.ExternalSecrets(s.namespace).Get(t.Context(), "db", metav1.GetOptions{})
			if err != nil || after.ResourceVersion != es.ResourceVersion {
				t.Errorf("the mapping was written again: %v, then %v (%v)", es.Status, after.Status, err)
			}
			if strings.Contains(r.log.String(), "two controllers on one class") {
				t.Error("its own status looks like another's")
			}
		})
	}
}

// apply creates a store and a mapping as people have them in Git.
func (s *stage) apply(version string) {
	s.Helper()
	file := filepath.Join(s.TempDir(), "mapping.yaml")
	text := fmt.Sprintf(`apiVersion: external-secrets.io/%[1]s
kind: SecretStore
metadata: {name: vault, namespace: %[2]s}
spec:
  refreshInterval: 300
  provider:
    vault:
      server: %[3]s
      path: %[4]s
      version: v2
      auth: {tokenSecretRef: {name: vault-token, key: token}}
---
apiVersion: external-secrets.io/%[1]s
kind: ExternalSecret
metadata: {name: db, namespace: %[2]s}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault, kind: SecretStore}
  target:
    template:
      mergePolicy: Merge
      data: {url: "{{ .user }}:{{ .password }}"}
  data:
    - secretKey: password
      remoteRef: {key: app/db, property: password}
  dataFrom:
    - extract: {key: app/db}
`, version, s.namespace, s.sb.VaultAddress(0), s.mount)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	s.kubectl("apply", "-f", file)
}
