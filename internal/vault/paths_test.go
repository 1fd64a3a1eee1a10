package vault_test

import (
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

func TestPaths(t *testing.T) {
	tests := []struct {
		mount   string
		version int
		key     string
		data    string
		meta    string
	}{
		{"secret", 2, "foo/bar", "secret/data/foo/bar", "secret/metadata/foo/bar"},
		{"secret", 2, "secret/foo", "secret/data/foo", "secret/metadata/foo"},
		{"secret", 2, "secret/data/foo", "secret/data/foo", "secret/metadata/foo"},
		{"secret", 2, "secret/data/data/foo", "secret/data/data/foo", "secret/metadata/data/foo"},
		{"secret", 2, "data/foo", "secret/data/data/foo", "secret/metadata/data/foo"},
		{"secret", 2, "/foo", "secret/data/foo", "secret/metadata/foo"},
		{"secret", 2, "/secret/foo", "secret/data/secret/foo", "secret/metadata/secret/foo"},
		{"secret", 2, "secret/secret/foo", "secret/data/secret/foo", "secret/metadata/secret/foo"},
		{"secret", 2, "foo//bar/", "secret/data/foo/bar", "secret/metadata/foo/bar"},
		{"secret", 2, "", "secret/data", "secret/metadata"},
		{"a/b", 2, "x", "a/b/data/x", "a/b/metadata/x"},
		{"a/b", 2, "a/b/x", "a/b/data/x", "a/b/metadata/x"},
		{"secret/", 2, "foo", "secret/data/foo", "secret/metadata/foo"},
		{"secret/", 2, "secret/foo", "secret/data/secret/foo", "secret/metadata/secret/foo"},
		{"secret/data", 2, "foo", "secret/data/data/foo", "secret/data/metadata/foo"},
		{"", 2, "secret/foo/bar", "secret/data/foo/bar", "secret/metadata/foo/bar"},
		{"", 2, "/secret/foo", "secret/data/foo", "secret/metadata/foo"},
		{"", 2, "a/b/foo", "a/data/b/foo", "a/metadata/b/foo"},
		{"", 2, "a/b/data/foo", "a/b/data/foo", "a/b/metadata/foo"},
		{"", 2, "foo", "foo/data", "foo/metadata"},
		{"kv", 1, "foo/bar", "kv/foo/bar", "kv/foo/bar"},
		{"kv", 1, "kv/foo", "kv/foo", "kv/foo"},
		{"kv", 1, "kv/kv/foo", "kv/kv/foo", "kv/kv/foo"},
		{"kv", 1, "data/foo", "kv/data/foo", "kv/data/foo"},
		{"", 1, "kv/foo", "kv/foo", "kv/foo"},
	}
	for _, tt := range tests {
		if got := vault.DataPath(tt.mount, tt.version, tt.key); got != tt.data {
			t.Errorf("DataPath(%q, %d, %q) = %q, want %q", tt.mount, tt.version, tt.key, got, tt.data)
		}
		if got := vault.MetadataPath(tt.mount, tt.version, tt.key); got != tt.meta {
			t.Errorf("MetadataPath(%q, %d, %q) = %q, want %q", tt.mount, tt.version, tt.key, got, tt.meta)
		}
		if got := vault.ListPath(tt.mount, tt.version, tt.key); got != tt.meta {
			t.Errorf("ListPath(%q, %d, %q) = %q, want %q", tt.mount, tt.version, tt.key, got, tt.meta)
		}
	}
}

// A path stays below its mount, and data and metadata never part ways.
func FuzzPaths(f *testing.F) {
	for _, key := range []string{"foo", "secret/foo", "secret/data/foo", "/secret//x", "data/foo", "a b/%2e%2e/c", "./x"} {
		f.Add("secret", key, 2)
		f.Add("a/b", key, 1)
		f.Add("", key, 2)
	}
	f.Fuzz(func(t *testing.T, mount, key string, version int) {
		if vault.Traverses(key) || vault.Traverses(mount) || strings.Trim(mount, "/.") != mount || strings.Contains(mount, "//") || strings.Contains(mount, "/./") {
			return
		}
		version = 1 + version&1
		data, meta := vault.DataPath(mount, version, key), vault.MetadataPath(mount, version, key)
		for _, p := range []string{data, meta} {
			if vault.Traverses(p) || strings.HasPrefix(p, "/") || strings.Contains(p, "//") {
				t.Errorf("mount %q key %q: %q", mount, key, p)
			}
		}
		if mount == "" {
			return
		}
		prefixes := [2]string{mount, mount}
		if version == 2 {
			prefixes = [2]string{mount + "/data", mount + "/metadata"}
		}
		restData, ok := strings.CutPrefix(data, prefixes[0])
		restMeta, ok2 := strings.CutPrefix(meta, prefixes[1])
		if !ok || !ok2 || restData != restMeta {
			t.Errorf("mount %q key %q: data %q, metadata %q", mount, key, data, meta)
		}
	})
}
