package bootstrap

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// A full disk shows before Vault is asked, not with the keys in hand: the file takes its
// room when it is made, and gives back what it did not need.
func TestAFullDiskShowsBeforeInit(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := (&KeyFile{file: full, path: "/dev/full"}).reserve(5); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	file, err := CreateKeyFile(path, 5)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() < 5*reserved {
		t.Fatalf("%d bytes are taken beforehand, %v", info.Size(), err)
	}
	answer := vault.InitAnswer{Shares: []redact.Bytes{redact.Bytes("c2hhcmUx")}, RootToken: redact.Bytes("root")}
	if err := file.Write(answer, vault.InitRequest{Shares: 1, Threshold: 1}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) == 0 || raw[len(raw)-1] != '\n' || raw[len(raw)-2] != '}' {
		t.Errorf("the file ends in %q, %v", raw[max(0, len(raw)-20):], err)
	}
}
