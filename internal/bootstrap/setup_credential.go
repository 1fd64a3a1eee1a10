package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// credential makes a credential and puts it into its Secret. One that did not get there
// is destroyed at once; should that fail too, the next run finds it by its mark.
func (c *carrying) credential(ctx context.Context) error {
	switch {
	case c.ServerDryRun:
		return c.secret(ctx, redact.Bytes("dry run"), "", "")
	case c.p.renews():
		return c.Vault.RenewAccessor(ctx, c.f.Secret.Accessor)
	case c.s.Method == MethodToken:
		token, err := c.Vault.NewPeriodicToken(ctx, []string{c.s.Policy}, c.s.Period, FieldManager, c.s.mark())
		if err != nil {
			return err
		}
		replaced := c.f.Secret.Replaced
		if c.f.Token != nil {
			replaced = c.f.Secret.Accessor
		}
		return c.undone(ctx, c.kept(ctx, token.ID, token.Accessor, replaced), "token", token.Accessor, func(ctx context.Context) error {
			return c.Vault.RevokeAccessor(ctx, token.Accessor)
		})
	}
	id, err := c.Vault.NewSecretID(ctx, c.s.AuthPath, c.s.Role, c.s.mark())
	if err != nil {
		return err
	}
	if err = c.opens(ctx, id.Value); err == nil {
		err = c.kept(ctx, id.Value, id.Accessor, "")
	}
	return c.undone(ctx, err, "secret_id", id.Accessor, func(ctx context.Context) error {
		return c.Vault.DestroySecretID(ctx, c.s.AuthPath, c.s.Role, id.Accessor)
	})
}

// undone ends a new credential that err kept from its Secret. One that may be there all
// the same is left alone: a store may log in with it.
func (c *carrying) undone(ctx context.Context, err error, what, accessor string, end func(context.Context) error) error {
	if err == nil || c.left.known {
		return err
	}
	if problem := end(context.WithoutCancel(ctx)); problem != nil {
		c.left.is(fmt.Sprintf("the new %s (accessor %s) is in no Secret, and whether it lives on is not known", what, accessor))
		return errors.Join(err, problem)
	}
	c.left.is("")
	return err
}

// kept puts a new credential into its Secret. Where the answer is lost, the Secret tells
// whether it is there.
func (c *carrying) kept(ctx context.Context, value redact.Bytes, accessor, replaced string) error {
	err := c.secret(ctx, value, accessor, replaced)
	if err == nil || refused(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	now, problem := c.Clients.Secrets(c.s.Secret.Namespace).Get(ctx, c.s.Secret.Name, metav1.GetOptions{})
	switch {
	case problem == nil && now.Annotations[AnnotationAccessor] == accessor:
		return nil
	case problem != nil && !apierrors.IsNotFound(problem):
		c.left.is(fmt.Sprintf("whether Secret %s holds the new credential (accessor %s) is not known", c.s.Secret, accessor))
	}
	return err
}

// opens logs in with a new secret_id before it takes the place of one that serves, and
// gives the token back.
func (c *carrying) opens(ctx context.Context, secretID redact.Bytes) error {
	if c.s.bound() {
		return nil
	}
	token, err := settled(ctx, func() (vault.Token, error) {
		return c.Vault.Login(ctx, vault.Login{
			Path: "auth/" + c.s.AuthPath + "/login", Namespace: c.s.VaultNamespace,
			Body: map[string]redact.Bytes{"role_id": redact.Bytes(c.f.RoleID), "secret_id": secretID},
		})
	})
	if err != nil {
		return fmt.Errorf("trying the new secret_id: %w", err)
	}
	return c.Vault.WithToken(token.ID).RevokeSelf(ctx)
}

// secret writes the Secret, on condition that it is as it was looked at, or not there.
func (c *carrying) secret(ctx context.Context, value redact.Bytes, accessor, replaced string) error {
	secret := &corev1.Secret{
		ObjectMeta: c.s.object(c.s.Secret), Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{c.s.credentialKey(): value.Reveal()},
	}
	secret.UID, secret.ResourceVersion = types.UID(c.f.Secret.UID), c.f.Secret.ResourceVersion
	for name, value := range map[string]string{AnnotationAccessor: accessor, AnnotationReplaced: replaced} {
		if value != "" {
			secret.Annotations[name] = value
		}
	}
	return c.apply.Secret(ctx, secret)
}

// old ends the credentials that were replaced. A controller may still hold a replaced
// token for a moment; a replaced secret_id only matters to the next login.
func (c *carrying) old(ctx context.Context) error {
	if store, _ := c.p.Step(PartStore); c.LeaveStore && store.Action != Keep {
		return nil // the store still logs in with it; the next run ends it
	}
	ended := c.s.replaced(c.p, *c.f)
	if c.s.Method == MethodToken {
		c.left.is("the replaced token has not ended")
		if err := wait(ctx, c.Grace); err != nil {
			return err
		}
	}
	for i, accessor := range ended {
		if i > 0 {
			c.left.is("not all of the replaced credentials have ended")
		}
		var err error
		if c.s.Method == MethodToken {
			err = c.Vault.RevokeAccessor(ctx, accessor)
		} else {
			err = c.Vault.DestroySecretID(ctx, c.s.AuthPath, c.s.Role, accessor)
		}
		if err != nil {
			return err
		}
	}
	if noted := c.s.noted(c.p.renewed(), *c.f); noted != "" {
		c.left.is("the replaced token has ended, and the Secret still names it")
		return c.apply.Unannotate(ctx, c.s.Secret.Namespace, c.s.Secret.Name, types.UID(c.f.Secret.UID), AnnotationReplaced, noted)
	}
	return nil
}
