package vault

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// One rule makes every path of a KV engine from a store's path (mount, "" when keys
// start with it themselves), its version, and the key as the user wrote it. It is
// ESO v2.9.0's rule for data, used for metadata and lists alike. A leading slash keeps
// a key from being taken for one that starts with the mount: a name that a list
// returned is read as "/"+name.

// DataPath is the request path of a read, below /v1/.
func DataPath(mount string, version int, key string) string {
	return kvPath(mount, version, key, "data")
}

// MetadataPath is the request path of a secret's metadata (KV v2), and of a KV v1
// secret itself.
func MetadataPath(mount string, version int, key string) string {
	return kvPath(mount, version, key, "metadata")
}

// ListPath is the request path of a folder's list; folder "" is the whole mount.
func ListPath(mount string, version int, folder string) string {
	return kvPath(mount, version, folder, "metadata")
}

func kvPath(mount string, version int, key, kind string) string {
	if version == 1 {
		return tidy(mount + "/" + relative(mount, version, key))
	}
	if mount == "" {
		key = strings.TrimLeft(key, "/")
		if strings.Contains(key, "/data/") {
			return tidy(strings.Replace(key, "/data/", "/"+kind+"/", 1))
		}
		first, rest, _ := strings.Cut(key, "/")
		return tidy(first + "/" + kind + "/" + rest)
	}
	return tidy(mount + "/" + kind + "/" + relative(mount, version, key))
}

// relative drops a leading mount from a key, once, and after it (KV v2) "data/".
func relative(mount string, version int, key string) string {
	if mount == "" {
		return key
	}
	stripped, ok := strings.CutPrefix(key, mount+"/")
	if ok && version == 2 {
		stripped = strings.TrimPrefix(stripped, "data/")
	}
	return stripped
}

// tidy collapses slashes as a client that joins a URL does.
func tidy(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// Traverses reports whether a key holds a ".." segment.
func Traverses(key string) bool { return slices.Contains(strings.Split(key, "/"), "..") }

// checkKey refuses keys that leave the mount, which ESO leaves to Vault's policies, and
// keys that name no secret, whose 404 would look like absence.
func checkKey(mount string, version int, key string) error {
	if Traverses(key) || Traverses(mount) {
		return &kv.Error{Kind: kv.BadRequest, Path: key, Detail: fmt.Sprintf("key %q: \"..\" would leave the mount", clean(key))}
	}
	above, none := DataPath(mount, version, ""), "names no secret below the mount"
	if mount == "" {
		first, _, _ := strings.Cut(tidy(key), "/")
		above, none = DataPath("", version, first), "names no secret below a mount; set spec.provider.vault.path, or start the key with the mount"
	}
	if p := DataPath(mount, version, key); p == above || p == "" {
		return &kv.Error{Kind: kv.BadRequest, Path: p, Detail: fmt.Sprintf("key %q %s", clean(key), none)}
	}
	return nil
}
