package vault

import "context"

// Policy returns an ACL policy's text; found is false when there is none of the name.
func (c *Client) Policy(ctx context.Context, name string) (rules string, found bool, err error) {
	if err := checkName("policy", name); err != nil {
		return "", false, err
	}
	data, found, err := c.setting(ctx, "reading a policy", "sys/policies/acl/"+name, nil)
	return text(data, "policy"), found, err
}

// WritePolicy creates or replaces an ACL policy. Tokens that have it are bound by the
// new text at once.
func (c *Client) WritePolicy(ctx context.Context, name, rules string) error {
	if err := checkName("policy", name); err != nil {
		return err
	}
	_, err := c.set(ctx, "writing a policy", "sys/policies/acl/"+name, map[string]string{"policy": rules})
	return err
}

// DeletePolicy deletes an ACL policy.
func (c *Client) DeletePolicy(ctx context.Context, name string) error {
	if err := checkName("policy", name); err != nil {
		return err
	}
	return c.unset(ctx, "deleting a policy", "sys/policies/acl/"+name)
}
