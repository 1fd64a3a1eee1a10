package vault

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// AuditDevice is an audit device that is enabled.
type AuditDevice struct {
	// Path has no trailing slash. Type is file, socket or syslog.
	Path, Type, Description string
	// Options are the device's own, e.g. file_path.
	Options map[string]string
}

// AuditDevices lists the audit devices by path. It takes "read" and "sudo" on sys/audit.
func (c *Client) AuditDevices(ctx context.Context) ([]AuditDevice, error) {
	data, _, err := c.setting(ctx, "listing the audit devices", "sys/audit", nil)
	if err != nil {
		return nil, err
	}
	var devices []AuditDevice
	for path, value := range data {
		fields, ok := value.(map[string]any)
		if !ok || text(fields, "type") == "" {
			continue
		}
		d := AuditDevice{
			Path: strings.Trim(path, "/"), Type: text(fields, "type"), Description: text(fields, "description"),
			Options: map[string]string{},
		}
		options, _ := fields["options"].(map[string]any)
		for name := range options {
			d.Options[name] = text(options, name)
		}
		devices = append(devices, d)
	}
	slices.SortFunc(devices, func(a, b AuditDevice) int { return cmp.Compare(a.Path, b.Path) })
	return devices, nil
}

// EnableFileAudit enables a file audit device. file is a path on each server's own disk,
// or "stdout". Vault tries to write there and refuses the device when it cannot.
func (c *Client) EnableFileAudit(ctx context.Context, path, file, description string) error {
	if err := checkName("audit device", path); err != nil {
		return err
	}
	_, err := c.set(ctx, "enabling an audit device", "sys/audit/"+path, map[string]any{
		"type": "file", "description": description, "options": map[string]string{"file_path": file},
	})
	return err
}

// DisableAudit disables an audit device. What it wrote stays.
func (c *Client) DisableAudit(ctx context.Context, path string) error {
	if err := checkName("audit device", path); err != nil {
		return err
	}
	return c.unset(ctx, "disabling an audit device", "sys/audit/"+path)
}
