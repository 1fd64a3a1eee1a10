package bootstrap

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

func TestInitRefusesAnInitializedVault(t *testing.T) {
	_, all := servers(t)
	_, err := CheckServers(t.Context(), "vault-0", all)
	wants(t, err, ErrInitialized, "vault-0")
}

func TestCheckInit(t *testing.T) {
	for name, c := range map[string]struct {
		request vault.InitRequest
		want    string
	}{
		"five and three":       {vault.InitRequest{Shares: 5, Threshold: 3}, ""},
		"one and one":          {vault.InitRequest{Shares: 1, Threshold: 1}, ""},
		"no shares":            {vault.InitRequest{Threshold: 1}, "0 key shares"},
		"threshold above":      {vault.InitRequest{Shares: 3, Threshold: 4}, "a threshold of 4"},
		"threshold of one":     {vault.InitRequest{Shares: 3, Threshold: 1}, "exactly one share"},
		"too few PGP keys":     {vault.InitRequest{Shares: 3, Threshold: 2, PGPKeys: []string{"a"}}, "1 PGP keys for 3 shares"},
		"more than Vault does": {vault.InitRequest{Shares: 256, Threshold: 2}, "256 key shares"},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckInit(c.request)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// N11: the file is made for its owner only, before Vault is asked, and never over
// another one.
func TestNeverOverwritesOrOpensTheKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	file, err := CreateKeyFile(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600 before anything is written", info.Mode(), err)
	}
	if _, err := CreateKeyFile(path, 2); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("a second file at the same path: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateKeyFile(link, 2); err == nil {
		t.Error("a dangling link was followed")
	}
	answer := vault.InitAnswer{Shares: []redact.Bytes{redact.Bytes("c2hhcmUx"), redact.Bytes("c2hhcmUy")}, RootToken: redact.Bytes("root-token")}
	if err := file.Write(answer, vault.InitRequest{Shares: 2, Threshold: 2}); err != nil {
		t.Fatal(err)
	}
	file.Abandon() // must not remove what holds keys
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shares, err := ReadShares(f)
	if err != nil || len(shares) != 2 || string(shares[1].Reveal()) != "c2hhcmUy" {
		t.Errorf("read back %d shares, %v", len(shares), err)
	}
}

func TestAnUnusedKeyFileGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	file, err := CreateKeyFile(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	file.Abandon()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty file stays: %v", err)
	}
}

func TestReadShares(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"one a line":    {"aa\n\n bb \r\n", 2},
		"init's file":   {`{"unseal_keys_b64":["a","b","c"],"unseal_threshold":2}`, 2},
		"nothing":       {"\n \n", 0},
		"threshold lie": {`{"unseal_keys_b64":["a"],"unseal_threshold":9}`, 1},
		"recovery keys": {`{"unseal_keys_b64":[],"recovery_keys_b64":["a","b","c"],"recovery_keys_threshold":2}`, 2},
		"encrypted":     {`{"unseal_keys_b64":["` + base64.StdEncoding.EncodeToString(append([]byte{0xc1}, make([]byte, 300)...)) + `"],"unseal_threshold":1}`, 0},
		"a PGP message": {"-----BEGIN PGP MESSAGE-----\n\nabc\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			shares, err := ReadShares(strings.NewReader(c.text))
			if len(shares) != c.want || (err != nil) != (c.want == 0) {
				t.Errorf("%d shares, %v; want %d", len(shares), err, c.want)
			}
		})
	}
}

func TestPGPKeysAreTakenOutOfTheirArmor(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	armored := file("a.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nYWJj\nZGVm\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n")
	keys, err := ReadPGPKeys([]string{armored, file("b.gpg", "abcdef")})
	if err != nil || keys[0] != "YWJjZGVm" || keys[1] != keys[0] {
		t.Errorf("got %q, %v", keys, err)
	}
	if _, err := ReadPGPKeys([]string{file("c.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----")}); err == nil {
		t.Error("a private key was taken")
	}
}
