package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Versions is what KV v2 remembers about one secret: its metadata, none of its data.
type Versions struct {
	// Path is the request path of the metadata below /v1/, e.g. "secret/metadata/app/db".
	Path string
	// Current is the newest version's number, 0 before the first write. It stays when
	// that version is deleted.
	Current int
	// Oldest is the oldest version that is still kept, 0 when all are.
	Oldest int
	// Max is how many versions the secret keeps, 0 when the mount decides.
	Max int
	// CASRequired says that this secret refuses writes without check-and-set.
	CASRequired bool
	// DeleteAfter is how long a version lives, 0 when the mount decides.
	DeleteAfter time.Duration
	// Created and Updated are when the secret and its metadata were last written.
	Created, Updated time.Time
	// Custom is the secret's custom metadata, in the words of whoever wrote it.
	Custom map[string]string
	// All are the versions that are kept, oldest first.
	All []Version
}

// Version is one version of a KV v2 secret.
type Version struct {
	Number  int
	Created time.Time
	// Deleted is when it is, or will be, deleted; zero for never.
	Deleted   time.Time
	Destroyed bool
	// By is the display name of the token that wrote it, and DeletedBy of the one that
	// deleted it; "" where Vault does not tell (before 1.21, and OpenBao).
	By, DeletedBy string
}

// Gone is kv.ErrDestroyed or kv.ErrDeleted when the version cannot be read at that
// time, else nil.
func (v Version) Gone(now time.Time) error {
	switch {
	case v.Destroyed:
		return kv.ErrDestroyed
	case !v.Deleted.IsZero() && !v.Deleted.After(now):
		return kv.ErrDeleted
	}
	return nil
}

// Version finds a version by its number.
func (v Versions) Version(number int) (Version, bool) {
	i := slices.IndexFunc(v.All, func(one Version) bool { return one.Number == number })
	if i < 0 {
		return Version{}, false
	}
	return v.All[i], true
}

// Versions reads the metadata of a KV v2 secret. mount and key are as in DataPath. The
// token needs "read" on the metadata path, which a token that reads data alone has not:
// that is a Denied error that names it. Absent is proven as for data.
func (c *Client) Versions(ctx context.Context, mount, key string) (Versions, error) {
	if err := checkKey(mount, 2, key); err != nil {
		return Versions{}, err
	}
	path := MetadataPath(mount, 2, key)
	answer, err := c.get(ctx, path, "read", nil)
	if err != nil {
		return Versions{}, err
	}
	if answer.code == http.StatusNotFound {
		return Versions{}, c.absent(ctx, path, 2, "", answer)
	}
	v, err := versionsOf(answer.Data)
	if err != nil {
		if mount, e := c.Mount(ctx, path); e == nil && mount.KV() && mount.Version != 2 {
			return Versions{}, wrongVersion(path, mount, 2, answer.code)
		}
		return Versions{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Code: answer.code, Detail: fmt.Sprintf("reading %s: %s", clean(path), err)}
	}
	v.Path = path
	return v, nil
}

// versionsOf decodes the answer. Errors name the field that is not as Vault writes it.
func versionsOf(data map[string]any) (Versions, error) {
	f := fields{from: data}
	v := Versions{
		Current: f.number("current_version"), Oldest: f.number("oldest_version"), Max: f.number("max_versions"),
		Created: f.time("created_time"), Updated: f.time("updated_time"),
	}
	v.CASRequired, _ = data["cas_required"].(bool)
	if after, _ := data["delete_version_after"].(string); after != "" {
		v.DeleteAfter, _ = time.ParseDuration(after)
	}
	if custom, _ := data["custom_metadata"].(map[string]any); len(custom) > 0 {
		v.Custom = map[string]string{}
		for name, value := range custom {
			v.Custom[clean(name)] = clean(fmt.Sprint(value))
		}
	}
	kept, ok := data["versions"].(map[string]any)
	if !ok {
		return Versions{}, fmt.Errorf("the answer holds no versions")
	}
	for number, one := range kept {
		n, err := strconv.Atoi(number)
		about, ok := one.(map[string]any)
		if err != nil || !ok {
			return Versions{}, fmt.Errorf("the answer holds a version that is none")
		}
		f := fields{from: about, err: f.err}
		made := Version{Number: n, Created: f.time("created_time"), Deleted: f.time("deletion_time"), By: actor(about["created_by"]), DeletedBy: actor(about["deleted_by"])}
		made.Destroyed, _ = about["destroyed"].(bool)
		if f.err != nil {
			return Versions{}, f.err
		}
		v.All = append(v.All, made)
	}
	slices.SortFunc(v.All, func(a, b Version) int { return a.Number - b.Number })
	return v, f.err
}

// fields decodes one by one and keeps the first error.
type fields struct {
	from map[string]any
	err  error
}

func (f *fields) number(name string) int {
	number, ok := f.from[name].(json.Number)
	n, err := strconv.Atoi(number.String())
	if ok && err != nil && f.err == nil {
		f.err = fmt.Errorf("%s is no number", name)
	}
	return n
}

// time reads a time; Vault writes "" for none.
func (f *fields) time(name string) time.Time {
	text, _ := f.from[name].(string)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("%s is no time", name)
	}
	return at
}

// actor is the display name in an attribution.
func actor(attribution any) string {
	about, _ := attribution.(map[string]any)
	name, _ := about["actor"].(string)
	return clean(name)
}
