package gather

import (
	"context"
	"errors"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// secretList is what metadata says of the Secrets of one namespace, listed as far as it
// was asked for: the API server lists by name, and so do those who ask for the Secrets of
// many mappings. The first rows of a long list wait for the first page, not for the last.
type secretList struct {
	mu    sync.Mutex
	found map[string]SecretOverview
	// last is the last name that was listed; next goes on after it.
	last, next string
	whole      bool
	// err ended the listing.
	err error
}

// get returns what is known of a Secret; one that does not exist is the zero value.
func (l *secretList) get(name string, list func(next string) (*metav1.PartialObjectMetadataList, error)) (SecretOverview, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.whole && l.err == nil && name > l.last {
		page, err := list(l.next)
		if err != nil {
			l.err = err
			break
		}
		l.add(page)
	}
	if seen, ok := l.found[name]; ok || l.whole || name <= l.last {
		return seen, nil
	}
	return SecretOverview{}, l.err
}

func (l *secretList) add(page *metav1.PartialObjectMetadataList) {
	if l.found == nil {
		l.found = map[string]SecretOverview{}
	}
	for i := range page.Items {
		l.found[page.Items[i].Name] = secretOf(&page.Items[i])
		l.last = page.Items[i].Name
	}
	l.next = page.Continue
	l.whole = l.next == ""
}

// secretPage lists one page of the Secrets of a namespace by metadata. A list that took
// so long that its beginning is forgotten goes on with what is there now.
func secretPage(ctx context.Context, clients *kube.Clients, namespace, next string) (*metav1.PartialObjectMetadataList, error) {
	for {
		page, err := clients.Metadata.Resource(secrets()).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: chunk, Continue: next})
		var expired *apierrors.StatusError
		if !apierrors.IsResourceExpired(err) || !errors.As(err, &expired) || expired.ErrStatus.Continue == "" || next == "" {
			return page, err
		}
		next = expired.ErrStatus.Continue
	}
}
