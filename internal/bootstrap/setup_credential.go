package bootstrap

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// credential makes a credential and puts it into its Secret. One that did not get there
// is destroyed at once; should that fail too, the next run finds it by its mark.
func (c *carrying) credential(ctx context.Context) error {
	switch {
	case c.ServerDryRun:
		return c.secret(ctx, redact.Bytes("dry run"), "", "")
	case c.p.renews(c.s):
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
		if err := c.secret(ctx, token.ID, token.Accessor, replaced); err != nil {
			return errors.Join(err, c.Vault.RevokeAccessor(context.WithoutCancel(ctx), token.Accessor))
		}
		return nil
	}
	id, err := c.Vault.NewSecretID(ctx, c.s.AuthPath, c.s.Role, c.s.mark())
	if err != nil {
		return err
	}
	if err = c.opens(ctx, id.Value); err == nil {
		err = c.secret(ctx, id.Value, id.Accessor, "")
	}
	if err != nil {
		return errors.Join(err, c.Vault.DestroySecretID(context.WithoutCancel(ctx), c.s.AuthPath, c.s.Role, id.Accessor))
	}
	return nil
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

func (c *carrying) secret(ctx context.Context, value redact.Bytes, accessor, replaced string) error {
	secret := &corev1.Secret{
		ObjectMeta: c.s.object(c.s.Secret), Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{c.s.credentialKey(): value.Reveal()},
	}
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
		if err := wait(ctx, c.Grace); err != nil {
			return err
		}
	}
	for _, accessor := range ended {
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
	if c.s.Method == MethodToken {
		return c.apply.Unannotate(ctx, c.s.Secret.Namespace, c.s.Secret.Name, AnnotationReplaced)
	}
	return nil
}
