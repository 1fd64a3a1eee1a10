package vault

import (
	"path"
	"strings"
)

// One rule makes every path of a KV engine from a store's path (mount, "" when keys
// start with it themselves), its version, and the key as the user wrote it. It is
// ESO v2.9.0's rule for data, used for metadata and lists alike.

// DataPath is the request path of a read, below /v1/.
func DataPath(mount string, version int, key string) string {
	return kvPath(mount, version, key, "data")
}

// MetadataPath is the request path of a secret's metadata (KV v2).
func MetadataPath(mount string, version int, key string) string {
	return kvPath(mount, version, key, "metadata")
}

func kvPath(mount string, version int, key, kind string) string {
	if version == 1 {
		if mount == "" {
			return tidy(key)
		}
		return tidy(mount + "/" + strings.TrimPrefix(key, mount+"/"))
	}
	if mount == "" {
		if strings.Contains(key, "/data/") {
			return tidy(strings.Replace(key, "/data/", "/"+kind+"/", 1))
		}
		first, rest, _ := strings.Cut(key, "/")
		return tidy(first + "/" + kind + "/" + rest)
	}
	if stripped, ok := strings.CutPrefix(key, mount+"/"); ok {
		key = strings.TrimPrefix(stripped, "data/")
	}
	return tidy(mount + "/" + kind + "/" + key)
}

// tidy collapses slashes as the client library does when it joins a URL.
func tidy(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// Traverses reports whether a key holds a ".." segment.
func Traverses(key string) bool {
	for _, segment := range strings.Split(key, "/") {
		if segment == ".." {
			return true
		}
	}
	return false
}
