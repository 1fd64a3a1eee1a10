package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

func TestVersions(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	root := sb.RootVault(t)
	for i := range 4 {
		sb.Put(t, mount, "app/db", map[string]any{"n": fmt.Sprint(i)})
	}
	for path, body := range map[string]map[string]any{
		"metadata/app/db": {"custom_metadata": map[string]any{"owner": "blue\x1b[31m"[:4]}, "cas_required": true, "max_versions": 7, "delete_version_after": "72h"},
		"delete/app/db":   {"versions": []int{2}},
		"destroy/app/db":  {"versions": []int{1}},
	} {
		if _, err := root.Logical().WriteWithContext(t.Context(), mount+"/"+path, body); err != nil {
			t.Fatal(err)
		}
	}
	client := connect(t, sb.VaultAddress(0), sb.RootToken)
	v, err := client.Versions(t.Context(), mount, "app/db")
	if err != nil {
		t.Fatal(err)
	}
	if v.Path != mount+"/metadata/app/db" || v.Current != 4 || v.Max != 7 || !v.CASRequired || v.DeleteAfter != 72*time.Hour || v.Custom["owner"] != "blue" {
		t.Errorf("%+v", v)
	}
	now := time.Now()
	var gone []error
	for i, one := range v.All {
		if one.Number != i+1 || now.Sub(one.Created).Abs() > time.Hour || one.By != "root" {
			t.Errorf("version %d: %+v", i+1, one)
		}
		gone = append(gone, one.Gone(now))
	}
	if want := []error{kv.ErrDestroyed, kv.ErrDeleted, nil, nil}; !slices.Equal(gone, want) {
		t.Errorf("gone: %v, want %v", gone, want)
	}
	if one, ok := v.Version(2); !ok || one.DeletedBy != "root" {
		t.Errorf("version 2: %+v", one)
	}
	if _, ok := v.Version(9); ok {
		t.Error("version 9 was found")
	}
}

// Nothing is known where Vault does not say so: the same words as for reads.
func TestVersionsUnknown(t *testing.T) {
	sb := shared.Sandbox(t)
	mount, v1 := sb.KVMount(t, 2), sb.KVMount(t, 1)
	sb.Put(t, mount, "app/db", map[string]any{"a": "1"})
	if _, err := sb.RootVault(t).Logical().Write(v1+"/metadata/app", map[string]any{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	asRoot := connect(t, sb.VaultAddress(0), sb.RootToken)
	for _, tt := range []struct {
		name       string
		client     *vault.Client
		mount, key string
		kind       kv.Kind
		says       string
	}{
		{"no such path", asRoot, mount, "none", kv.Absent, "does not exist"},
		{"data alone may be read", connect(t, sb.VaultAddress(0), sb.VaultToken(t, limited(mount))), mount, "app/db", kv.Denied, `must allow "read" on ` + mount + "/metadata/app/db"},
		{"no such mount", asRoot, "nomount", "x", kv.NoMount, "no handler for route"},
		{"a v1 mount", asRoot, v1, "none", kv.WrongVersion, "is KV v1"},
		{"a v1 mount that answers", asRoot, v1, "app", kv.WrongVersion, "is KV v1"},
		{"an unknown token", connect(t, sb.VaultAddress(0), "hvs.thistokenwasnevergivenout"), mount, "app/db", kv.BadCredential, "does not accept the token"},
		{"no Vault", connect(t, "http://127.0.0.1:1", "t"), mount, "app/db", kv.Unreachable, "connection refused"},
	} {
		if _, err := tt.client.Versions(t.Context(), tt.mount, tt.key); kv.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%s: %s: %v, want %s and %q", tt.name, kv.KindOf(err), err, tt.kind, tt.says)
		}
	}
}

func TestChangeKeepsTheRest(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	client := connect(t, sb.VaultAddress(0), sb.RootToken)
	first := map[string]any{
		"big": json.Number("12345678901234567890"), "small": json.Number("1.50"), "sci": json.Number("1e3"), "html": "<a>&",
		"nested": map[string]any{"list": []any{json.Number("1.0"), true, nil, "x"}}, "password": "old",
	}
	if _, err := client.Write(t.Context(), mount, "app/db", first, 0); err != nil {
		t.Fatal(err)
	}
	before, err := client.Read(t.Context(), mount, 2, kv.Ref{Key: "app/db"})
	if err != nil {
		t.Fatal(err)
	}
	fields := before.Copy()
	fields["password"] = "new"
	made, err := client.Write(t.Context(), mount, "app/db", fields, before.Version)
	if err != nil || made.Number != 2 || time.Since(made.Created).Abs() > time.Hour {
		t.Fatalf("%+v, %v", made, err)
	}
	got, err := client.Read(t.Context(), mount, 2, kv.Ref{Key: "app/db"})
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(before.Fields()) // numbers as Vault keeps them, which is not always as they were sent
	want["password"] = "new"
	if before.Fields()["password"] != "old" || !reflect.DeepEqual(got.Fields(), want) {
		t.Errorf("got %v, want %v", got.Fields(), want)
	}
}

// A write never takes another's away, and says what right it misses.
func TestNeverWritesOver(t *testing.T) {
	sb := shared.Sandbox(t)
	mount, v1 := sb.KVMount(t, 2), sb.KVMount(t, 1)
	sb.Put(t, mount, "app/db", map[string]any{"a": "1"})
	sb.Put(t, mount, "app/db", map[string]any{"a": "2"})
	asRoot := connect(t, sb.VaultAddress(0), sb.RootToken)
	asReader := connect(t, sb.VaultAddress(0), sb.VaultToken(t, limited(mount)))
	data := map[string]any{"a": "canary-short", "b": "1"}
	for _, tt := range []struct {
		name       string
		client     *vault.Client
		mount, key string
		data       map[string]any
		cas        int
		kind       kv.Kind
		cause      error
		says       string
	}{
		{"an older version", asRoot, mount, "app/db", data, 1, kv.BadRequest, vault.ErrConflict, "nothing was overwritten"},
		{"it exists", asRoot, mount, "app/db", data, 0, kv.BadRequest, vault.ErrConflict, "nothing was overwritten"},
		{"a newer version than there is", asRoot, mount, "app/db", data, 9, kv.BadRequest, vault.ErrConflict, ""},
		{"a reader", asReader, mount, "app/db", data, 2, kv.Denied, nil, `must allow "update" on ` + mount + "/data/app/db"},
		{"a reader, a new path", asReader, mount, "new", data, 0, kv.Denied, nil, `must allow "create" on ` + mount + "/data/new"},
		{"no such mount, a reader", asReader, "nomount", "x", data, 0, kv.Denied, nil, "there is no such mount"},
		{"a v1 mount", asRoot, v1, "app", data, 0, kv.WrongVersion, nil, "keeps no versions"},
		{"not kv", asRoot, "cubbyhole", "app", data, 0, kv.WrongVersion, nil, "of type cubbyhole, not kv"},
		{"not UTF-8", asRoot, mount, "app/db", map[string]any{"x": map[string]any{"y": []any{"\xff\xfe"}}}, 2, kv.BadRequest, nil, `the value of "x.y" is not UTF-8`},
		{"leaves the mount", asRoot, mount, "../sys/x", data, 0, kv.BadRequest, nil, "leave the mount"},
	} {
		_, err := tt.client.Write(t.Context(), tt.mount, tt.key, tt.data, tt.cas)
		if kv.KindOf(err) != tt.kind || tt.cause != nil && !errors.Is(err, tt.cause) || !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%s: %s: %v, want %s and %q", tt.name, kv.KindOf(err), err, tt.kind, tt.says)
		}
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: a value shows: %v", tt.name, err)
		}
	}
	if got, err := asRoot.Read(t.Context(), mount, 2, kv.Ref{Key: "app/db"}); err != nil || got.Version != 2 || got.Fields()["a"] != "2" {
		t.Errorf("%v, %v", got, err)
	}
	if names, err := asRoot.List(t.Context(), v1, 1, ""); kv.KindOf(err) != kv.Absent {
		t.Errorf("the v1 mount was written: %v, %v", names, err)
	}
}

// The answer of a write that took effect is lost: a look back tells, and no second
// write is sent.
func TestWriteWhoseAnswerIsLost(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	sb.Put(t, mount, "app/db", map[string]any{"a": "1"})
	target, err := url.Parse(sb.VaultAddress(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name           string
		passes, deaf   bool
		before         func()
		version, sends int
		cause          error
		says           string
	}{
		{"it took effect", true, false, func() {}, 2, 1, nil, ""},
		{"it did not", false, false, func() {}, 0, 1, nil, "it was not written"},
		{"somebody else wrote", false, false, func() { sb.Put(t, mount, "app/db", map[string]any{"a": "theirs"}) }, 0, 1, vault.ErrConflict, ""},
		{"Vault is gone", true, true, func() {}, 0, 1, vault.ErrUnsure, "not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			writes, gone := 0, false
			proxy := httputil.NewSingleHostReverseProxy(target)
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if gone {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				if r.Method != http.MethodPut {
					proxy.ServeHTTP(w, r)
					return
				}
				writes++
				if tt.passes {
					r.RequestURI, r.URL.Scheme, r.URL.Host = "", target.Scheme, target.Host
					resp, err := http.DefaultTransport.RoundTrip(r)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				gone = tt.deaf
				w.WriteHeader(http.StatusGatewayTimeout)
			})
			client, err := vault.New(vault.Config{Address: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client = client.WithToken(redact.Bytes(sb.RootToken))
			now, err := client.Read(t.Context(), mount, 2, kv.Ref{Key: "app/db"})
			if err != nil {
				t.Fatal(err)
			}
			tt.before()
			v, err := client.Write(t.Context(), mount, "app/db", map[string]any{"a": tt.name}, now.Version)
			if v.Number != tt.version || writes != tt.sends || tt.cause != nil && !errors.Is(err, tt.cause) || tt.says != "" && !strings.Contains(fmt.Sprint(err), tt.says) || err == nil != (tt.version > 0) {
				t.Errorf("version %d after %d writes, %v", v.Number, writes, err)
			}
		})
	}
}
