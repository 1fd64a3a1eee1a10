package kube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// told names the act that failed, in words that are the same at each try (no
// addresses of connections) and without what the Secret holds: the API server and
// admission webhooks may quote what was sent. What can be branched on is kept:
// API errors (their reason and code) and the context's.
func told(act string, err error, sent *corev1.Secret) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		kept := status.Status()
		return fmt.Errorf("%s: %w", act, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: kept.Status, Code: kept.Code, Reason: kept.Reason,
			Message: without(statusText(kept), sent),
		}})
	}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return fmt.Errorf("%s: %w", act, end)
		}
	}
	return fmt.Errorf("%s: the API server does not answer: %s", act, without(innermost(err), sent))
}

// statusText is the API server's message; of a validation only the fields and what is
// wrong with them, for the message quotes values.
func statusText(s metav1.Status) string {
	if s.Reason != metav1.StatusReasonInvalid {
		return s.Message
	}
	text := "the API server refuses it as invalid"
	if s.Details != nil {
		for _, cause := range s.Details.Causes {
			text += fmt.Sprintf("; %s (%s)", cause.Field, cause.Type)
		}
	}
	return text
}

func innermost(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return varying.ReplaceAllString(err.Error(), "")
}

// varying is a connection's pair of addresses.
var varying = regexp.MustCompile(`\S+:\d+->\S+:\d+:? ?`)

// shortest is the length in bytes from which a value is looked for in a text: shorter
// ones would blot out ordinary words.
const shortest = 4

// without blots out the values of a Secret, also as base64: the longest first, for one
// may hold another.
func without(text string, sent *corev1.Secret) string {
	if sent == nil {
		return text
	}
	values := slices.SortedFunc(maps.Values(sent.Data), func(a, b []byte) int {
		return cmp.Or(len(b)-len(a), bytes.Compare(a, b))
	})
	for _, value := range values {
		if len(value) < shortest {
			break
		}
		text = strings.ReplaceAll(text, string(value), redact.Mask)
		text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString(value), redact.Mask)
	}
	return text
}
