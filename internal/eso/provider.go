package eso

import (
	stdjson "encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/json"
)

// Provider holds the one provider of a store. Providers other than vault are kept
// as they are and never looked into.
type Provider struct {
	Vault *VaultProvider `json:"vault,omitempty"`

	// Other holds providers other than vault, by name, as they were read.
	Other map[string]stdjson.RawMessage `json:"-"`

	// Undecoded is vault as it was read when not all of it could be decoded, nil
	// otherwise. Vault then holds the rest, and ValidateStore refuses the store.
	Undecoded stdjson.RawMessage `json:"-"`
}

// Others returns the names of providers other than vault, sorted.
func (p Provider) Others() []string { return slices.Sorted(maps.Keys(p.Other)) }

// UnmarshalJSON decodes vault and keeps the rest verbatim. Whatever an object
// holds decodes, so that one store never breaks the list it is in.
func (p *Provider) UnmarshalJSON(raw []byte) error {
	*p = Provider{}
	var all map[string]stdjson.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("decoding provider: %w", err)
	}
	if vault, ok := all["vault"]; ok && string(vault) != "null" {
		p.Vault = new(VaultProvider)
		if err := json.Unmarshal(vault, p.Vault); err != nil {
			p.Undecoded = slices.Clone(vault)
		}
	}
	delete(all, "vault")
	if len(all) > 0 {
		p.Other = all
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON read.
func (p Provider) MarshalJSON() ([]byte, error) {
	all := make(map[string]any, len(p.Other)+1)
	for name, raw := range p.Other {
		all[name] = raw
	}
	switch {
	case p.Undecoded != nil:
		all["vault"] = p.Undecoded
	case p.Vault != nil:
		all["vault"] = p.Vault
	}
	return stdjson.Marshal(all)
}

// undecodable tells what in vault could not be decoded, nil when all could. Its
// text names types and fields and quotes no text of the object.
func (p Provider) undecodable() error {
	if p.Undecoded == nil {
		return nil
	}
	return json.Unmarshal(p.Undecoded, new(VaultProvider))
}
