package mapping

import (
	"fmt"
	"regexp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Finder says which of the listed names a find selects. Its rules are ESO's: a
// name expression is RE2, not anchored, and sees the full name relative to the
// mount with find.path in it; when there is one, tags are ignored. Without
// either, everything is selected.
type Finder struct {
	name *regexp.Regexp
	tags map[string]string
}

// NewFinder compiles a find. Its error names the expression.
func NewFinder(find *eso.Find) (Finder, error) {
	if find.Name == nil {
		return Finder{tags: find.Tags}, nil
	}
	name, err := regexp.Compile(find.Name.RegExp)
	if err != nil {
		return Finder{}, fmt.Errorf("find.name.regexp: %w", err)
	}
	return Finder{name: name}, nil
}

// NeedsMetadata reports whether Match needs each candidate's metadata payload
// (kv.Ref.Metadata), which KV v1 does not have.
func (f Finder) NeedsMetadata() bool { return len(f.tags) > 0 }

// Match reports whether the name is selected. metadata is looked at only when
// NeedsMetadata says so; a candidate without metadata is then not selected.
func (f Finder) Match(name string, metadata *kv.Payload) bool {
	if f.name != nil {
		return f.name.MatchString(name)
	}
	if len(f.tags) == 0 {
		return true
	}
	if metadata == nil {
		return false
	}
	fields := metadata.Fields()
	for tag, want := range f.tags {
		value, ok := fields[tag]
		if !ok || string(valueBytes(value)) != want {
			return false
		}
	}
	return true
}
