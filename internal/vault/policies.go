package vault

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// PolicyNames lists the ACL policies, sorted; root, which has no text and may do
// everything, is among them. It takes "list" on sys/policies/acl.
func (c *Client) PolicyNames(ctx context.Context) ([]string, error) {
	const path = "sys/policies/acl"
	data, found, err := c.setting(ctx, "listing the policies", path, url.Values{"list": {"true"}})
	if err != nil {
		return nil, err
	}
	names := list(data, "keys")
	if !found || len(names) == 0 {
		return nil, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: "listing the policies: the answer holds none"}
	}
	slices.Sort(names)
	return names, nil
}

// Rule is one path of an ACL policy.
type Rule struct {
	// Path as the policy writes it, with * and +.
	Path         string
	Capabilities []string
}

// ParsePolicy reads the rules of an ACL policy, sorted by path. Old policies name one
// level (policy = "read") in place of capabilities; Vault expands them so.
func ParsePolicy(text string) ([]Rule, error) {
	var file struct {
		Path map[string][]map[string]any `hcl:"path"`
	}
	if err := hcl.Decode(&file, text); err != nil {
		return nil, fmt.Errorf("the policy is no HCL that can be read here")
	}
	old := map[string][]string{
		"deny": {"deny"}, "read": {"read", "list"}, "write": {"create", "read", "update", "delete", "list"},
		"sudo": {"create", "read", "update", "delete", "list", "sudo"},
	}
	var rules []Rule
	for _, path := range slices.Sorted(maps.Keys(file.Path)) {
		rule := Rule{Path: path}
		for _, fields := range file.Path[path] {
			given, _ := fields["capabilities"].([]any)
			for _, one := range given {
				rule.Capabilities = append(rule.Capabilities, fmt.Sprint(one))
			}
			level, _ := fields["policy"].(string)
			rule.Capabilities = append(rule.Capabilities, old[level]...)
		}
		slices.Sort(rule.Capabilities)
		rule.Capabilities = slices.Compact(rule.Capabilities)
		rules = append(rules, rule)
	}
	return rules, nil
}

// Deciding is the rule that decides about a path: the most specific one, by Vault's own
// order (vault.ACL, developer.hashicorp.com/vault/docs/concepts/policies#priority-matching).
// It is nil when no rule is about the path. A rule with identity templates ({{…}}) is
// passed over: for whom it holds depends on who asks.
func Deciding(rules []Rule, path string) *Rule {
	var best *Rule
	for i := range rules {
		if rules[i].covers(path) && (best == nil || moreSpecific(rules[i].Path, best.Path)) {
			best = &rules[i]
		}
	}
	return best
}

// Allows reports whether the rule grants a capability.
func (r *Rule) Allows(capability string) bool {
	return r != nil && !slices.Contains(r.Capabilities, "deny") && slices.Contains(r.Capabilities, capability)
}

// Templated reports whether the rule's path depends on who asks.
func (r Rule) Templated() bool { return strings.Contains(r.Path, "{{") }

// MayCover reports whether a templated rule grants a capability to some of those who
// ask, on a path: what stands before the template fits.
func (r Rule) MayCover(path, capability string) bool {
	before, _, templated := strings.Cut(strings.TrimPrefix(r.Path, "/"), "{{")
	return templated && slices.Contains(r.Capabilities, capability) && (strings.HasPrefix(path, before) || strings.Contains(before, "+"))
}

// covers reports whether a request path falls under the rule: * at the end is any rest,
// + is any one segment.
func (r Rule) covers(path string) bool {
	if r.Templated() {
		return false
	}
	pattern, open := strings.CutSuffix(strings.TrimPrefix(r.Path, "/"), "*")
	if !strings.Contains(pattern, "+") {
		return open && strings.HasPrefix(path, pattern) || path == pattern
	}
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(have) < len(want) || !open && len(have) != len(want) {
		return false
	}
	for i, segment := range want {
		last := open && i == len(want)-1
		if segment != "+" && segment != have[i] && !(last && strings.HasPrefix(have[i], segment)) {
			return false
		}
	}
	return true
}

// moreSpecific orders two rules about one path, as Vault does: the one whose first
// wildcard comes later; without a * at the end; with fewer +; the longer; the later in
// the alphabet.
func moreSpecific(a, b string) bool {
	first := func(p string) int {
		if i := strings.IndexAny(p, "+*"); i >= 0 {
			return i
		}
		return len(p) + 1
	}
	if x, y := first(a), first(b); x != y {
		return x > y
	}
	if x, y := strings.HasSuffix(a, "*"), strings.HasSuffix(b, "*"); x != y {
		return y
	}
	if x, y := strings.Count(a, "+"), strings.Count(b, "+"); x != y {
		return x < y
	}
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}
