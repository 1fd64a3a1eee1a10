package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestInCluster(t *testing.T) {
	for host, want := range map[string]*clusterName{
		"vault.vault.svc":                         {service: "vault", namespace: "vault"},
		"vault.prod.svc.cluster.local":            {service: "vault", namespace: "prod"},
		"vault.prod.svc.cluster.local.":           {service: "vault", namespace: "prod"},
		"vault-0.vault-internal.prod.svc":         {pod: "vault-0", service: "vault-internal", namespace: "prod"},
		"vault-0.vault-internal.prod.svc.example": {pod: "vault-0", service: "vault-internal", namespace: "prod"},
		"vault.example.com":                       nil,
		"vault":                                   nil,
		"127.0.0.1":                               nil,
		"::1":                                     nil,
		"..svc":                                   nil,
		"":                                        nil,
	} {
		got, ok := inCluster(host)
		if ok != (want != nil) {
			t.Errorf("inCluster(%q): %t", host, ok)
		} else if ok && got != *want {
			t.Errorf("inCluster(%q) = %+v, want %+v", host, got, *want)
		}
	}
}

func TestTargetPort(t *testing.T) {
	pod := corev1.Pod{}
	pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8200}}}}
	service := &corev1.Service{}
	service.Spec.Ports = []corev1.ServicePort{
		{Port: 1}, {Port: 2, TargetPort: intstr.FromInt32(82)}, {Port: 3, TargetPort: intstr.FromString("http")}, {Port: 4, TargetPort: intstr.FromString("none")},
	}
	got := map[int32]int32{}
	for port := range int32(6) {
		if target, err := targetPort(service, pod, port); err == nil {
			got[port] = target
		}
	}
	if diff := cmp.Diff(map[int32]int32{1: 1, 2: 82, 3: 8200}, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsAreTheSameFromTryToTry(t *testing.T) {
	dial := &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 4711}, Addr: &net.TCPAddr{Port: 6443}, Err: syscall.ECONNRESET}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&url.Error{Op: "Get", URL: "https://127.0.0.1/x", Err: dial}, "reading: the API server does not answer: connection reset by peer"},
		{&url.Error{Op: "Get", URL: "https://127.0.0.1/x", Err: io.EOF}, "reading: the API server does not answer: EOF"},
		{errors.New("EOF - error from a previous attempt: read tcp 127.0.0.1:42848->127.0.0.1:36021: read: connection reset by peer"), "reading: the API server does not answer: EOF - error from a previous attempt: read tcp read: connection reset by peer"},
		{&url.Error{Op: "Get", URL: "https://127.0.0.1/x", Err: context.DeadlineExceeded}, "reading: context deadline exceeded"},
		{apierrors.NewServiceUnavailable("apiserver is shutting down"), "reading: apiserver is shutting down"},
		{&url.Error{Op: "Get", URL: "https://127.0.0.1/x", Err: http.ErrHandlerTimeout}, "reading: the API server does not answer: http: Handler timeout"},
	} {
		if got := told("reading", test.err, nil); got.Error() != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// An admission webhook may say anything, also what it was sent.
func TestNeverHandsOnWhatAWebhookQuotes(t *testing.T) {
	sent := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Data: map[string][]byte{"password": []byte("canary-1"), "pin": []byte("42")}}
	denied := apierrors.NewForbidden(corev1.Resource("secrets"), "db", errors.New("denied: canary-1, Y2FuYXJ5LTE= and 42 are weak"))
	err := told("creating Secret prod/db", denied, sent)
	if text := err.Error(); strings.Contains(text, "canary-1") || strings.Contains(text, "Y2FuYXJ5LTE=") || !strings.Contains(text, "are weak") {
		t.Error(text)
	}
	if !apierrors.IsForbidden(err) {
		t.Errorf("%v is no longer known as forbidden", err)
	}
	if strings.Contains(errors.Unwrap(err).Error(), "canary-1") {
		t.Error("the cause still quotes the value")
	}
}

// Which of two values is longer must not decide what is left of the other.
func FuzzWithoutValues(f *testing.F) {
	f.Add("text with secret and secretive", "secret", "secretive")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		sent := &corev1.Secret{Data: map[string][]byte{"a": []byte(a), "b": []byte(b)}}
		got := without(text, sent)
		for _, value := range []string{a, b} {
			if len(value) >= shortest && !strings.Contains(value, "*") && strings.Contains(got, value) {
				t.Errorf("without(%q) = %q still has %q", text, got, value)
			}
		}
	})
}
