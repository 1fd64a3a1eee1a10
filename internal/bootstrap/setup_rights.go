package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Need is what a request to Vault takes of the caller's token.
type Need struct {
	Path string
	// Rights are capabilities, all of them.
	Rights []string
}

// RightsError says what the caller's token may not do. It comes before anything was
// written.
type RightsError struct{ Missing []Need }

func (e *RightsError) Error() string {
	var parts []string
	for _, n := range e.Missing {
		parts = append(parts, fmt.Sprintf(`"%s" on %s`, strings.Join(n.Rights, `", "`), n.Path))
	}
	return "the Vault token lacks rights: " + strings.Join(parts, "; ")
}

// Allowed asks Vault whether the caller's token may do all of it.
func (g Ground) Allowed(ctx context.Context, needs []Need) error {
	if len(needs) == 0 {
		return nil
	}
	var paths []string
	for _, n := range needs {
		paths = with(paths, n.Path)
	}
	have, err := g.Vault.Capabilities(ctx, paths...)
	if err != nil {
		return err
	}
	var missing []Need
	for _, n := range needs {
		lacks := slices.DeleteFunc(slices.Clone(n.Rights), func(right string) bool {
			return slices.Contains(have[n.Path], right) || slices.Contains(have[n.Path], "root")
		})
		if len(lacks) > 0 {
			missing = append(missing, Need{n.Path, lacks})
		}
	}
	if len(missing) > 0 {
		return &RightsError{missing}
	}
	return nil
}

// readingNeeds is what gathering the facts takes. Audit devices are not among it: who
// may not ask for them is told so, and the rest goes on.
func readingNeeds(s Setup) []Need {
	needs := []Need{{"sys/mounts", []string{"read"}}, {"sys/auth", []string{"read"}}, {"sys/policies/acl/" + s.Policy, []string{"read"}}}
	role := "auth/" + s.AuthPath + "/role/" + s.Role
	switch s.Method {
	case MethodAppRole:
		needs = append(
			needs, Need{role, []string{"read"}}, Need{role + "/role-id", []string{"read"}}, Need{role + "/secret-id", []string{"list"}},
			Need{role + "/secret-id-accessor/lookup", []string{"update"}},
		)
	case MethodKubernetes:
		needs = append(needs, Need{role, []string{"read"}}, Need{"auth/" + s.AuthPath + "/config", []string{"read"}})
	case MethodToken:
		needs = append(needs, Need{"auth/token/lookup-accessor", []string{"update"}})
	}
	return needs
}

// WritingNeeds is what carrying a plan out takes. Vault wants "sudo" for audit devices,
// auth methods and orphan tokens.
func WritingNeeds(p Plan) []Need {
	s := p.Setup
	role := "auth/" + s.AuthPath + "/role/" + s.Role
	var needs []Need
	for _, step := range p.Steps {
		if step.Action == Keep {
			continue
		}
		write := "update"
		if step.Action == Create {
			write = "create"
		}
		switch step.Part {
		case PartMount:
			needs = append(needs, Need{"sys/mounts/" + s.Mount, []string{"update"}})
		case PartPolicy:
			needs = append(needs, Need{"sys/policies/acl/" + s.Policy, []string{"update"}})
		case PartAuth:
			needs = append(needs, Need{"sys/auth/" + s.AuthPath, []string{"sudo", "update"}})
		case PartAuthConfig:
			needs = append(needs, Need{"auth/" + s.AuthPath + "/config", []string{"update"}})
		case PartRole:
			needs = append(needs, Need{role, []string{write}})
		case PartCredential:
			needs = append(needs, s.credentialNeeds(p, role))
		case PartOld:
			needs = append(needs, s.oldNeeds(role))
		}
	}
	return needs
}

func (s Setup) credentialNeeds(p Plan, role string) Need {
	switch {
	case s.Method == MethodAppRole:
		return Need{role + "/secret-id", []string{"update"}}
	case p.renews():
		return Need{"auth/token/renew-accessor", []string{"update"}}
	}
	return Need{"auth/token/create-orphan", []string{"sudo", "update"}}
}

func (s Setup) oldNeeds(role string) Need {
	if s.Method == MethodAppRole {
		return Need{role + "/secret-id-accessor/destroy", []string{"update"}}
	}
	return Need{"auth/token/revoke-accessor", []string{"update"}}
}
