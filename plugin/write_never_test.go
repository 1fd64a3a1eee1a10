package plugin

import (
	"archive/zip"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rotated is a new value that no output may ever hold.
const rotated = "canary-rotated-7c1d-value"

// N6 and N11: neither the new value, nor an old one, nor a token in any output of the
// commands that write, whether they succeed or fail, at -v=9 too.
func TestNeverShowsWhatItWrites(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, token := scene(t, sb)
	t.Setenv("VAULT_ADDR", sb.VaultAddress(0))
	mount := mountOf(t, sb, namespace)
	dir := t.TempDir()
	file := filepath.Join(dir, "value")
	if err := os.WriteFile(file, []byte(rotated+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := sb.VaultToken(t, fmt.Sprintf(`path "%s/*" { capabilities = ["read"] }`, mount))
	if _, err := sb.Client().CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "legacy", Annotations: map[string]string{"note": "kept"}}, Data: map[string][]byte{"password": []byte(canary + "-legacy"), "blob": []byte(canary + "\xff")},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n := 0
	var shown []string
	for _, with := range []struct{ token, says string }{{reader, "must allow"}, {sb.RootToken, "written"}} {
		t.Setenv("VAULT_TOKEN", with.token)
		said := ""
		for _, base := range [][]string{
			{"rotate", "api-db", "--key=password", "--value-file=" + file, "--dry-run=server"},
			{"rotate", "api-db", "--key=password", "--value-file=" + file, "--yes", "--local", "-o", "json"},
			{"rotate", "api-db", "--key=password", "--value-file=" + file, "--yes", "--local"},
			{"rotate", "api-db", "--key=password", "--generate=24", "--yes", "--local", "--restart"},
			{"rollback", "api-db", "--to-version=1", "--yes", "--local", "-o", "yaml"},
			{"rollback", "api-db", "--to-version=1", "--pin", "--yes", "--local", "--dry-run=server"},
			{"mapping", "list", "-o", "wide"},
			{"mapping", "get", "api-db"},
			{"mapping", "export", "--all"},
			{"mapping", "create", "api-db", "--store=vault", "--extract=app/db", "--target=legacy", "--dry-run=server"},
			{"mapping", "import", "legacy", "--store=vault", "--path=app/legacy", "--yes", "--dry-run=server"},
			{"mapping", "import", "legacy", "--store=vault", "--path=app/legacy", "--yes", "--timeout=1s", "-o", "json"},
			{"mapping", "import", "legacy", "--store=vault", "--path=app/db", "--yes"},
			{"audit"},
			{"audit", "-o", "json"},
			{"audit", "-o", "csv"},
			{"audit", "--out"},
		} {
			for _, more := range [][]string{nil, {"-v=9"}, {"--color=always"}} {
				line := append(append(append([]string{}, base...), more...), "-n", namespace)
				if base[len(base)-1] == "--out" {
					n++
					out := filepath.Join(dir, fmt.Sprintf("evidence-%d.zip", n))
					line = append([]string{"audit", "--out=" + out}, append(more, "-n", namespace)...)
					output, _ := invoke(t, sb, line...)
					shown = append(shown, output, unpacked(t, out))
					continue
				}
				output, _ := invoke(t, sb, line...)
				said += output
				shown = append(shown, fmt.Sprint(line)+"\n"+output)
			}
		}
		if !strings.Contains(said, with.says) {
			t.Errorf("nothing said %q", with.says)
		}
	}
	generated, err := sb.RootVault(t).KVv2(mount).GetVersion(t.Context(), "app/db", 3)
	if err != nil {
		t.Fatal(err)
	}
	random, _ := generated.Data["password"].(string)
	for _, secret := range []string{canary, rotated, token, reader, sb.RootToken, random} {
		if len(secret) < 12 {
			t.Fatalf("%q is nothing to look for", secret)
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		for _, form := range []string{secret, encoded[:len(encoded)-4], fmt.Sprintf("%x", secret)} {
			for _, output := range shown {
				if strings.Contains(output, form) {
					t.Errorf("a value shows as %q in %s", form, output)
				}
			}
		}
	}
}

// unpacked is all that a zip file holds.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all strings.Builder
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, in); err != nil {
			t.Fatal(err)
		}
		in.Close()
	}
	if !strings.Contains(all.String(), "AuditReport") {
		t.Errorf("%s holds no report", path)
	}
	return all.String()
}
