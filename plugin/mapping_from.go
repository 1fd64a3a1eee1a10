package plugin

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// parseFrom reads PATH#PROPERTY=KEY: a path of Vault, the property of its secret, and
// the key of the Kubernetes Secret. Without =KEY the key is named as the property;
// without #PROPERTY the key holds the whole secret as JSON, and =KEY is needed. The
// last # and the last = count.
func parseFrom(text string) (eso.Data, error) {
	refuse := func(format string, args ...any) (eso.Data, error) {
		return eso.Data{}, usage("--from=%s: %s; write PATH#PROPERTY=KEY, e.g. secret/app/db#password=DB_PASSWORD", text, fmt.Sprintf(format, args...))
	}
	rest, key := text, ""
	if i := strings.LastIndex(text, "="); i >= 0 && i > strings.LastIndex(text, "#") {
		rest, key = text[:i], text[i+1:]
		if key == "" {
			return refuse("there is no key after =")
		}
	}
	path, property := rest, ""
	if i := strings.LastIndex(rest, "#"); i >= 0 {
		path, property = rest[:i], rest[i+1:]
		if property == "" {
			return refuse("there is no property after #")
		}
	}
	switch {
	case strings.Trim(path, "/") == "":
		return refuse("there is no path")
	case key == "" && property == "":
		return refuse("there is neither a property nor a key")
	case key == "":
		key = property
	}
	if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
		return refuse("%q is no key of a Secret: %s", key, problems[0])
	}
	return eso.Data{SecretKey: key, RemoteRef: eso.RemoteRef{Key: path, Property: property}}, nil
}
