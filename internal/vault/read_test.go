package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// limited is the walkthrough's token: it reads data and nothing else.
func limited(mount string) string {
	return fmt.Sprintf(`path "%s/data/*" { capabilities = ["read"] }`, mount)
}

func TestReadV2(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	sb.Put(t, mount, "app/db", map[string]any{"user": "u1", "big": json.Number("4503599627370497")})
	sb.Put(t, mount, "app/db", map[string]any{"user": "u2"})
	client := connect(t, sb.VaultAddress(0), sb.VaultToken(t, limited(mount)))
	for _, tt := range []struct {
		ref     kv.Ref
		version int
		user    string
	}{
		{kv.Ref{Key: "app/db"}, 2, "u2"},
		{kv.Ref{Key: mount + "/app/db"}, 2, "u2"},
		{kv.Ref{Key: mount + "/data/app/db", Version: "1"}, 1, "u1"},
	} {
		payload, err := client.Read(t.Context(), mount, 2, tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		if payload.Version != tt.version || payload.Fields()["user"] != tt.user || payload.Path != mount+"/data/app/db" {
			t.Errorf("%+v: %v, user %v", tt.ref, payload, payload.Fields()["user"])
		}
	}
	first, err := client.Read(t.Context(), mount, 2, kv.Ref{Key: "app/db", Version: "1"})
	if err != nil || first.Fields()["big"] != json.Number("4503599627370497") {
		t.Errorf("an integer came as %v, %v", first.Fields()["big"], err)
	}
}

func TestReadV1(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 1)
	if _, err := sb.RootVault(t).Logical().Write(mount+"/app", map[string]any{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	client := connect(t, sb.VaultAddress(0), sb.VaultToken(t, fmt.Sprintf(`path "%s/*" { capabilities = ["read"] }`, mount)))
	payload, err := client.Read(t.Context(), mount, 1, kv.Ref{Key: "app", Version: "7"})
	if err != nil || payload.Fields()["k"] != "v" || payload.Version != 0 {
		t.Errorf("%v, %v", payload, err)
	}
	if _, err := client.Read(t.Context(), mount, 1, kv.Ref{Key: "none"}); kv.KindOf(err) != kv.Absent {
		t.Errorf("a missing v1 secret: %v", err)
	}
	if _, err := client.Read(t.Context(), mount, 1, kv.Ref{Key: "app", Metadata: true}); kv.KindOf(err) != kv.BadRequest || !strings.Contains(err.Error(), "kv version v1") {
		t.Errorf("metadata of v1: %v", err)
	}
}

// What Vault answers and what it means, on the real server.
func TestClassification(t *testing.T) {
	sb := shared.Sandbox(t)
	v2, v1 := sb.KVMount(t, 2), sb.KVMount(t, 1)
	root := sb.RootVault(t)
	sb.Put(t, v2, "deleted", map[string]any{"a": "1"})
	sb.Put(t, v2, "destroyed", map[string]any{"a": "1"})
	sb.Put(t, v2, "there", map[string]any{"a": "1"})
	if _, err := root.Logical().Delete(v2 + "/data/deleted"); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Logical().Write(v2+"/destroy/destroyed", map[string]any{"versions": []int{1}}); err != nil {
		t.Fatal(err)
	}
	asRoot := connect(t, sb.VaultAddress(0), sb.RootToken)
	asLimited := connect(t, sb.VaultAddress(0), sb.VaultToken(t, limited(v2)))
	asNobody := connect(t, sb.VaultAddress(0), "hvs.thistokenwasnevergivenout")
	tests := []struct {
		name    string
		client  *vault.Client
		mount   string
		version int
		ref     kv.Ref
		kind    kv.Kind
		cause   error
		says    string
	}{
		{"no such path", asLimited, v2, 2, kv.Ref{Key: "none"}, kv.Absent, nil, "Secret does not exist"},
		{"no such path, as root", asRoot, v2, 2, kv.Ref{Key: "none"}, kv.Absent, nil, "Secret does not exist"},
		{"a version never written", asLimited, v2, 2, kv.Ref{Key: "there", Version: "9"}, kv.Absent, nil, "version 9"},
		{"a version that is no number", asLimited, v2, 2, kv.Ref{Key: "there", Version: "x"}, kv.BadRequest, nil, "Code: 400"},
		{"deleted", asLimited, v2, 2, kv.Ref{Key: "deleted"}, kv.Absent, kv.ErrDeleted, "deleted"},
		{"destroyed", asLimited, v2, 2, kv.Ref{Key: "destroyed", Version: "1"}, kv.Absent, kv.ErrDestroyed, "destroyed"},
		{"no mount, as root", asRoot, "nomount", 2, kv.Ref{Key: "x"}, kv.NoMount, nil, "no handler for route"},
		{"no mount, limited", asLimited, "nomount", 2, kv.Ref{Key: "x"}, kv.Denied, nil, `must allow "read" on nomount/data/x`},
		{"another path, limited", asLimited, v1, 1, kv.Ref{Key: "x"}, kv.Denied, nil, "Code: 403. Errors: permission denied"},
		{"store says v1, mount is v2", asRoot, v2, 1, kv.Ref{Key: "there"}, kv.WrongVersion, nil, "is KV v2, the store says v1"},
		{"store says v1, key of v2, deleted", asRoot, v2, 1, kv.Ref{Key: "data/deleted"}, kv.WrongVersion, nil, "version: v2"},
		{"store says v2, mount is v1", asRoot, v1, 2, kv.Ref{Key: "there"}, kv.WrongVersion, nil, "is KV v1, the store says v2"},
		{"not a KV mount", asRoot, "sys", 1, kv.Ref{Key: "none"}, kv.NoMount, nil, "of type system, not kv"},
		{"cubbyhole", asRoot, "cubbyhole", 1, kv.Ref{Key: "none"}, kv.NoMount, nil, "of type cubbyhole, not kv"},
		{"unknown token", asNobody, v2, 2, kv.Ref{Key: "there"}, kv.BadCredential, nil, "does not accept the token"},
		{"traversal", asRoot, v2, 2, kv.Ref{Key: "../../sys/mounts"}, kv.BadRequest, nil, "leave the mount"},
		{"empty key", asRoot, v2, 2, kv.Ref{Key: ""}, kv.BadRequest, nil, "names no secret"},
		{"the mount itself", asRoot, v2, 2, kv.Ref{Key: v2 + "/"}, kv.BadRequest, nil, "names no secret"},
		{"no mount in the key", asRoot, "", 2, kv.Ref{Key: "there"}, kv.BadRequest, nil, "spec.provider.vault.path"},
		{"missing metadata never removes", asRoot, v2, 2, kv.Ref{Key: "none", Metadata: true}, kv.BadRequest, nil, "secret not found"},
		{"metadata without the right", asLimited, v2, 2, kv.Ref{Key: "there", Metadata: true}, kv.Denied, nil, "/metadata/there"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, client := range []*vault.Client{tt.client, tt.client.Remembering()} {
				_, err := client.Read(t.Context(), tt.mount, tt.version, tt.ref)
				if kv.KindOf(err) != tt.kind || !errors.Is(err, tt.cause) && tt.cause != nil || !strings.Contains(fmt.Sprint(err), tt.says) {
					t.Errorf("%s: %v, want %s and %q", kv.KindOf(err), err, tt.kind, tt.says)
				}
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	sb.Put(t, mount, "app", map[string]any{"a": "1"})
	if _, err := sb.RootVault(t).Logical().Write(mount+"/metadata/app", map[string]any{"custom_metadata": map[string]any{"team": "blue"}}); err != nil {
		t.Fatal(err)
	}
	client := connect(t, sb.VaultAddress(0), sb.RootToken)
	payload, err := client.Read(t.Context(), mount, 2, kv.Ref{Key: mount + "/app", Metadata: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := payload.Keys(), []string{"created_time", "current_version", "delete_version_after", "team"}; !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	if payload.Fields()["current_version"] != "1" || payload.Fields()["team"] != "blue" {
		t.Errorf("%v %v", payload.Fields()["current_version"], payload.Fields()["team"])
	}
}

func TestListAll(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	for _, name := range []string{"top", "dev/app/db", "dev/app/web", "dev/one", mount + "/same", "prod/x"} {
		sb.Put(t, mount, name, map[string]any{"name": name})
	}
	client := connect(t, sb.VaultAddress(0), sb.RootToken)
	all := []string{"dev/app/db", "dev/app/web", "dev/one", mount + "/same", "prod/x", "top"}
	slices.Sort(all)
	for folder, want := range map[string][]string{
		"": all, "dev": {"dev/app/db", "dev/app/web", "dev/one"}, "dev/app/": {"dev/app/db", "dev/app/web"}, mount + "/dev/app": {"dev/app/db", "dev/app/web"},
	} {
		if got, err := client.ListAll(t.Context(), mount, 2, folder); err != nil || !slices.Equal(got, want) {
			t.Errorf("ListAll(%q) = %v, %v, want %v", folder, got, err, want)
		}
	}
	for _, name := range all {
		if p, err := client.Read(t.Context(), mount, 2, kv.Ref{Key: "/" + name}); err != nil || p.Fields()["name"] != name {
			t.Errorf("a listed name %q cannot be read back: %v", name, err)
		}
	}
	unset, err := client.ListAll(t.Context(), "", 2, mount+"/dev/app")
	if want := []string{mount + "/dev/app/db", mount + "/dev/app/web"}; err != nil || !slices.Equal(unset, want) {
		t.Errorf("without a mount: %v, %v", unset, err)
	}
	for _, name := range unset {
		if _, err := client.Read(t.Context(), "", 2, kv.Ref{Key: "/" + name}); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.ListAll(t.Context(), mount, 2, "none"); kv.KindOf(err) != kv.Absent {
		t.Errorf("a folder that does not exist: %v", err)
	}
	if _, err := client.ListAll(t.Context(), "", 2, ""); kv.KindOf(err) != kv.BadRequest {
		t.Errorf("nothing to start from: %v", err)
	}
	token := sb.VaultToken(t, fmt.Sprintf("path \"%[1]s/metadata/\" { capabilities = [\"list\"] }\npath \"%[1]s/metadata/dev/\" { capabilities = [\"list\"] }", mount))
	_, err = client.WithToken(redact.Bytes(token)).ListAll(t.Context(), mount, 2, "")
	if kv.KindOf(err) != kv.Denied || !strings.Contains(err.Error(), mount+"/metadata/") || !strings.Contains(err.Error(), `"list"`) {
		t.Errorf("a folder without the right: %v", err)
	}
}
