package vault

import "context"

// KubernetesConfig says how a Kubernetes auth method asks for the review of a token.
type KubernetesConfig struct {
	// Host is the URL of the Kubernetes API, as Vault reaches it.
	Host string
	// CA are PEM certificates of the API; "" takes those of Vault's own Pod.
	CA string
	// OwnPod takes the reviewer's token, and without a CA that too, from Vault's own
	// Pod, where Kubernetes renews them. Without it each login is reviewed with the
	// token that logs in.
	OwnPod bool
	// HasReviewer says that somebody gave the method a reviewer's token.
	HasReviewer bool
}

// KubernetesConfig reads the configuration of a Kubernetes auth method; nil when it has
// none yet.
func (c *Client) KubernetesConfig(ctx context.Context, mount string) (*KubernetesConfig, error) {
	if err := checkName("auth method", mount); err != nil {
		return nil, err
	}
	data, found, err := c.setting(ctx, "reading the configuration of an auth method", "auth/"+mount+"/config", nil)
	if err != nil || !found || text(data, "kubernetes_host") == "" {
		return nil, err
	}
	return &KubernetesConfig{
		Host: text(data, "kubernetes_host"), CA: text(data, "kubernetes_ca_cert"),
		OwnPod: !flag(data, "disable_local_ca_jwt"), HasReviewer: flag(data, "token_reviewer_jwt_set"),
	}, nil
}

// WriteKubernetesConfig configures a Kubernetes auth method. HasReviewer is not written.
func (c *Client) WriteKubernetesConfig(ctx context.Context, mount string, config KubernetesConfig) error {
	if err := checkName("auth method", mount); err != nil {
		return err
	}
	_, err := c.set(ctx, "configuring an auth method", "auth/"+mount+"/config", map[string]any{
		"kubernetes_host": config.Host, "kubernetes_ca_cert": config.CA, "disable_local_ca_jwt": !config.OwnPod,
	})
	return err
}

// KubernetesRole is a role of a Kubernetes auth method.
type KubernetesRole struct {
	TokenSettings
	// ServiceAccounts may log in that have one of these names in one of Namespaces.
	ServiceAccounts, Namespaces []string
	// Audience that a token must have; "" takes any.
	Audience string
}

// KubernetesRole reads a role; nil when there is none of the name.
func (c *Client) KubernetesRole(ctx context.Context, mount, role string) (*KubernetesRole, error) {
	path, err := rolePath(mount, role)
	if err != nil {
		return nil, err
	}
	data, found, err := c.setting(ctx, "reading a role", path, nil)
	if err != nil || !found {
		return nil, err
	}
	return &KubernetesRole{
		TokenSettings: tokenSettings(data), Audience: text(data, "audience"),
		ServiceAccounts: list(data, "bound_service_account_names"), Namespaces: list(data, "bound_service_account_namespaces"),
	}, nil
}

// WriteKubernetesRole creates a role or sets these fields of it.
func (c *Client) WriteKubernetesRole(ctx context.Context, mount, role string, settings KubernetesRole) error {
	path, err := rolePath(mount, role)
	if err != nil {
		return err
	}
	body := settings.body()
	body["audience"], body["alias_name_source"] = settings.Audience, "serviceaccount_uid"
	body["bound_service_account_names"], body["bound_service_account_namespaces"] = settings.ServiceAccounts, settings.Namespaces
	_, err = c.set(ctx, "writing a role", path, body)
	return err
}
