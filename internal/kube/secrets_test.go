package kube_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

func desired(pairs ...string) mapping.Desired {
	d := mapping.Desired{Data: map[string]redact.Bytes{}}
	for i := 0; i < len(pairs); i += 2 {
		d.Data[pairs[i]] = redact.Bytes(pairs[i+1])
	}
	return d
}

// sync plans against what is there and carries it out.
func sync1(t *testing.T, s kube.Secrets, es *eso.ExternalSecret, want mapping.Desired) (plan.Change, *corev1.Secret) {
	t.Helper()
	current, err := s.Current(t.Context(), es.Namespace, es.TargetName())
	if err != nil {
		t.Fatal(err)
	}
	change := plan.Decide(es, want, current)
	stored, err := s.Apply(t.Context(), change, eso.FieldManager(es.Name))
	if err != nil {
		t.Fatal(err)
	}
	return change, stored
}

func policy(creation eso.CreationPolicy, deletion eso.DeletionPolicy) func(*eso.ExternalSecret) {
	return func(es *eso.ExternalSecret) {
		es.Spec.Target.CreationPolicy, es.Spec.Target.DeletionPolicy = creation, deletion
	}
}

// Whatever the policy and whatever was there, what was applied is as it should be,
// also in the API server's eyes: with its defaults and managedFields.
func TestApplyThenNone(t *testing.T) {
	c, namespace, _ := stack(t)
	s := kube.Secrets{Clients: c}
	for _, creation := range []eso.CreationPolicy{eso.CreateOwner, eso.CreateOrphan, eso.CreateMerge, eso.CreateOrMerge, eso.CreateNone} {
		for _, existed := range []bool{false, true} {
			name := strings.ToLower(fmt.Sprintf("%s-%t", creation, existed))
			es := mapping1(t, c, namespace, name, policy(creation, ""))
			if existed {
				foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"theirs": "1"}}, Data: map[string][]byte{"foreign": []byte("f")}}
				if _, err := c.Secrets(namespace).Create(t.Context(), foreign, metav1.CreateOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range []mapping.Desired{desired("a", "1", "b", "2"), desired("a", "3"), desired("c", "4")} {
				want.Labels, want.Annotations = map[string]string{"app": "web"}, map[string]string{"note": "x"}
				want.Sources = []mapping.Provenance{{Path: "secret/data/app", Version: 3}}
				sync1(t, s, es, want)
				if change, _ := sync1(t, s, es, want); change.Action != plan.None {
					t.Errorf("%s: planned again: %s (+%v ~%v -%v), want None", name, change.Action, change.Added, change.Changed, change.Removed)
				}
			}
			current, err := s.Current(t.Context(), namespace, name)
			if err != nil {
				t.Fatal(err)
			}
			if current == nil {
				if creation != eso.CreateMerge && creation != eso.CreateNone {
					t.Errorf("%s: no Secret was made", name)
				}
				continue
			}
			_, foreign := current.Data["foreign"]
			_, dropped := current.Data["b"]
			merges := creation == eso.CreateMerge || creation == eso.CreateOrMerge || creation == eso.CreateNone
			if dropped || foreign != (existed && merges) {
				t.Errorf("%s: keys b=%t foreign=%t", name, dropped, foreign)
			}
			if existed && current.Labels["theirs"] != "1" {
				t.Errorf("%s: a foreign label was removed", name)
			}
		}
	}
}

// ESO forgets labels that are no longer wanted when the mapping's name has 28 to 63
// characters.
func TestStaleMetadataOfLongNames(t *testing.T) {
	c, namespace, _ := stack(t)
	s := kube.Secrets{Clients: c}
	for _, name := range []string{"short", "a-name-of-a-mapping-that-is-longer-than-28"} {
		es := mapping1(t, c, namespace, name, nil)
		want := desired("a", "1")
		want.Labels, want.Annotations = map[string]string{"old": "1", "kept": "1"}, map[string]string{"old": "1"}
		sync1(t, s, es, want)
		want.Labels, want.Annotations = map[string]string{"kept": "1"}, nil
		_, stored := sync1(t, s, es, want)
		if _, stale := stored.Labels["old"]; stale || stored.Labels["kept"] != "1" {
			t.Errorf("%s: labels %v", name, stored.Labels)
		}
		if _, stale := stored.Annotations["old"]; stale {
			t.Errorf("%s: annotations %v", name, stored.Annotations)
		}
	}
}

func TestFieldManagersAreESOs(t *testing.T) {
	c, namespace, _ := stack(t)
	_, stored := sync1(t, kube.Secrets{Clients: c}, mapping1(t, c, namespace, "db", nil), desired("a", "1"))
	if len(stored.ManagedFields) != 1 || stored.ManagedFields[0].Manager != "externalsecrets.external-secrets.io/db" ||
		stored.ManagedFields[0].Operation != metav1.ManagedFieldsOperationUpdate {
		t.Errorf("managedFields = %+v, want one Update by externalsecrets.external-secrets.io/db", stored.ManagedFields)
	}
}

func TestApplyToAChangedSecretIsStale(t *testing.T) {
	c, namespace, _ := stack(t)
	s := kube.Secrets{Clients: c}
	es := mapping1(t, c, namespace, "db", policy(eso.CreateOwner, eso.DeleteDelete))
	create := plan.Decide(es, desired("a", "1"), nil)
	if _, err := s.Apply(t.Context(), create, "m"); err != nil {
		t.Fatal(err)
	}
	seen, err := s.Current(t.Context(), namespace, "db")
	if err != nil {
		t.Fatal(err)
	}
	changed := seen.DeepCopy()
	changed.Labels["else"] = "1"
	if _, err := c.Secrets(namespace).Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]plan.Change{
		"create": create,
		"update": plan.Decide(es, desired("a", "2"), seen),
		"delete": plan.Decide(es, mapping.Desired{Absent: true, Proven: true}, seen),
	} {
		if string(change.Action) != strings.ToUpper(name[:1])+name[1:] {
			t.Fatalf("%s: planned %s", name, change.Action)
		}
		if _, err := s.Apply(t.Context(), change, "m"); !errors.Is(err, plan.ErrStale) {
			t.Errorf("%s of a Secret that changed: %v, want ErrStale", name, err)
		}
	}
	if still, err := s.Current(t.Context(), namespace, "db"); err != nil || still == nil || string(still.Data["a"]) != "1" {
		t.Errorf("the Secret did not stay as it was: %v", err)
	}
}

func TestNeverDeletesANamesake(t *testing.T) {
	c, namespace, _ := stack(t)
	s := kube.Secrets{Clients: c}
	es := mapping1(t, c, namespace, "db", policy(eso.CreateOwner, eso.DeleteDelete))
	_, old := sync1(t, s, es, desired("a", "1"))
	if err := c.Secrets(namespace).Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	namesake := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db"}}
	if _, err := c.Secrets(namespace).Create(t.Context(), namesake, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), plan.Decide(es, mapping.Desired{Absent: true, Proven: true}, old), "m"); !errors.Is(err, plan.ErrStale) {
		t.Errorf("deleting: %v, want ErrStale", err)
	}
	if still, err := s.Current(t.Context(), namespace, "db"); err != nil || still == nil {
		t.Errorf("the namesake is gone (%v)", err)
	}
}

func TestDeleteWhatItControls(t *testing.T) {
	c, namespace, _ := stack(t)
	s := kube.Secrets{Clients: c}
	es := mapping1(t, c, namespace, "db", policy(eso.CreateOwner, eso.DeleteDelete))
	sync1(t, s, es, desired("a", "1"))
	change, _ := sync1(t, s, es, mapping.Desired{Absent: true, Proven: true})
	if gone, err := s.Current(t.Context(), namespace, "db"); change.Action != plan.Delete || err != nil || gone != nil {
		t.Errorf("%s, then %v, %v: want the Secret gone", change.Action, gone, err)
	}
}

func TestForbiddenIsAnErrorAndNeverAnAbsence(t *testing.T) {
	_, namespace, _ := stack(t)
	c := stranger(t)
	if secret, err := (kube.Secrets{Clients: c}).Current(t.Context(), namespace, "db"); secret != nil || !apierrors.IsForbidden(err) {
		t.Errorf("Current = %v, %v; want a forbidden error", secret, err)
	}
	cluster := &kube.Cluster{Clients: c}
	if _, err := cluster.Secret(t.Context(), namespace, "db"); !apierrors.IsForbidden(err) {
		t.Errorf("Cluster.Secret: %v, want a forbidden error", err)
	}
	if _, err := cluster.ConfigMap(t.Context(), namespace, "db"); !apierrors.IsForbidden(err) {
		t.Errorf("Cluster.ConfigMap: %v, want a forbidden error", err)
	}
	if _, err := cluster.ServiceAccountToken(t.Context(), namespace, "default", nil, 0); !apierrors.IsForbidden(err) {
		t.Errorf("Cluster.ServiceAccountToken: %v, want a forbidden error", err)
	}
	if _, found, err := (kube.Objects{Clients: c}).Store(t.Context(), eso.StoreRef{Name: "vault"}, namespace); found || !apierrors.IsForbidden(err) {
		t.Errorf("Objects.Store: %t, %v; want a forbidden error", found, err)
	}
}

// The API server quotes labels and more when it refuses an object.
func TestNeverQuotesAValue(t *testing.T) {
	c, namespace, _ := stack(t)
	const canary = "canary value!"
	s := kube.Secrets{Clients: c}
	es := mapping1(t, c, namespace, "db", nil)
	for name, spoil := range map[string]func(*corev1.Secret){
		"label":     func(s *corev1.Secret) { s.Labels["x"] = canary },
		"finalizer": func(s *corev1.Secret) { s.Finalizers = []string{canary} },
		"dockerconfig": func(s *corev1.Secret) {
			s.Type = corev1.SecretTypeDockerConfigJson
			s.Data[".dockerconfigjson"] = []byte(canary)
		},
		"annotation": func(s *corev1.Secret) { s.Annotations[canary] = canary },
	} {
		change := plan.Decide(es, desired("password", canary), nil)
		spoil(change.Secret)
		_, err := s.Apply(t.Context(), change, "m")
		if !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v, want an invalid error", name, err)
			continue
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error quotes the value: %v", name, err)
		}
		if !strings.Contains(err.Error(), "creating Secret "+namespace+"/db") {
			t.Errorf("%s: %v does not name the object", name, err)
		}
	}
}

func TestAnAPIServerThatIsDownIsToldInTheSameWords(t *testing.T) {
	config := shared.Sandbox(t).RESTConfig()
	config.Host = "https://127.0.0.1:1"
	s := kube.Secrets{Clients: connect(t, config)}
	_, err := s.Current(t.Context(), "prod", "db")
	if want := "reading Secret prod/db: the API server does not answer: connect: connection refused"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
