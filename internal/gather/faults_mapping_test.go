package gather_test

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// mappingFaults are faults of the ExternalSecret and of its Secret.
func mappingFaults() []fault {
	return []fault{
		{name: "Merge target missing", code: "VS209", says: []string{"/api-db does not exist", "creationPolicy Merge"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {creationPolicy: Merge}\n"
		}},
		{name: "Secret owned by another ExternalSecret", code: "VS207", says: []string{"owned by another ExternalSecret, older"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			yes := true
			s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db", OwnerReferences: []metav1.OwnerReference{{
				APIVersion: eso.Group + "/v1", Kind: eso.KindExternalSecret, Name: "older", UID: s.other("older"), Controller: &yes,
			}}}})
			return s.store(), mappingDoc
		}},
		{name: "immutable Secret", code: "VS208", says: []string{"/api-db is immutable"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			yes := true
			s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db"}, Immutable: &yes, Data: map[string][]byte{"password": []byte("old")}})
			return s.store(), mappingDoc
		}},
		{name: "refreshInterval 1d", code: "VS204", says: []string{"spec.refreshInterval", "write 24h"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "1h", "1d", 1)
		}},
		{name: "unknown field", code: "VS205", says: []string{"spec.target.creationPolcy", "creationPolicy"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "{name: api-db}",
				`{name: api-db, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"target":{"creationPolcy":"Merge"}}}'}}`, 1)
		}},
		{name: "forbidden template type", code: "VS210", says: []string{"spec.target.template.type"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {template: {type: kubernetes.io/service-account-token}}\n"
		}},
		{name: "Secret owned by another kind", code: "VS207", says: []string{"owned by ConfigMap other", "creationPolicy Owner"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			yes := true
			owner, err := s.Client().CoreV1().ConfigMaps(s.namespace).Create(s.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, metav1.CreateOptions{})
			if err != nil {
				s.t.Fatal(err)
			}
			s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db", OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "ConfigMap", Name: "other", UID: owner.UID, Controller: &yes,
			}}}})
			return s.store(), mappingDoc
		}},
		{name: "Secret of a type that a mapping never writes", code: "VS210", says: []string{"bootstrap.kubernetes.io/token"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db"}, Type: "bootstrap.kubernetes.io/token", Data: map[string][]byte{"password": []byte("old")}})
			return s.store(), mappingDoc
		}},
		{name: "Secret would be larger than 1 MiB", code: "VS608", says: []string{"1228818 bytes", "at most 1048576"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			for i := range 3 { // Vault takes 1 MiB at once, too
				s.Put(s.t, s.mount, fmt.Sprintf("app/large%d", i), map[string]any{fmt.Sprintf("large%d", i): strings.Repeat("x", 400<<10)})
			}
			return s.store(), head() + "  dataFrom: [{extract: {key: app/large0}}, {extract: {key: app/large1}}, {extract: {key: app/large2}}]\n"
		}},
		{name: "nothing is asked for", code: "VS204", says: []string{"spec"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), head()
		}},
		{name: "ExternalSecret missing", code: "VS201", says: []string{"there is no ExternalSecret api-db"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), ""
		}},
		{name: "namespace missing", code: "VS201", says: []string{"there is no namespace nowhere-"}, do: func(s *stack) (string, string) {
			s.namespace = "nowhere-" + s.namespace
			return "", ""
		}},
	}
}
