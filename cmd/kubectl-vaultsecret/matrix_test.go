package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

var update = flag.Bool("update", false, "rewrite the table in docs/unseal.md")

// matrixCase is one thing that happens to people who initialize and unseal. Its words
// and what was observed make one row of docs/unseal.md.
type matrixCase struct {
	name string
	done string
	run  func(*bench) result
	// says matches the line of the output that the row shows.
	says string
	code int
	// left is the state of each server that runs, asked without the plugin.
	left string
}

func matrix() []matrixCase {
	var all []matrixCase
	for _, part := range [][]matrixCase{shareCases(), personCases(), raftCases(), sealCases(), reachCases(), initCases()} {
		all = append(all, part...)
	}
	return all
}

// TestMatrix runs every case on real Vault processes behind Pods, prints the table (-v),
// and holds docs/unseal.md to it.
func TestMatrix(t *testing.T) {
	var rows []string
	cases := matrix()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			got := c.run(b)
			line, left := lineOf(got.text, c.says), b.left()
			if line == "" {
				t.Errorf("no line says %q:\n%s", c.says, got.text)
			}
			if got.code != c.code || left != c.left {
				t.Errorf("exit code %d, left %q; want %d and %q:\n%s", got.code, left, c.code, c.left, got.text)
			}
			for i, share := range b.shares {
				if strings.Contains(got.text, share) {
					t.Errorf("share %d is shown", i+1)
				}
			}
			rows = append(rows, fmt.Sprintf("| %s | %s | `%s` | %d | %s |", c.name, c.done, stable(b, line), got.code, left))
		})
	}
	text := "| Case | What was done | What it says | Exit code | State left |\n|---|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	t.Log("\n" + text)
	if len(rows) == len(cases) && !t.Failed() {
		holdDocument(t, text)
	}
}

// lineOf is the first line that matches.
func lineOf(text, pattern string) string {
	match := regexp.MustCompile(pattern)
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); match.MatchString(line) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// stable takes out of a line what differs from run to run.
func stable(b *bench, line string) string {
	line = strings.ReplaceAll(line, b.dir, "DIR")
	line = strings.ReplaceAll(line, b.sb.Dir, "SANDBOX")
	line = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`).ReplaceAllString(line, "…")
	line = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(line, "127.0.0.1:…")
	line = regexp.MustCompile(`(Vault at \S+): (connection reset|connection refused|the connection ended before the answer did|no answer in time)`).ReplaceAllString(line, "$1: …")
	line = regexp.MustCompile(`(/sys/init.json): (read-only file system|operation not permitted|no such file or directory)`).ReplaceAllString(line, "$1: permission denied")
	line = regexp.MustCompile(` {2,}`).ReplaceAllString(line, " ")
	return strings.ReplaceAll(line, "|", "\\|")
}

// holdDocument compares the table with the one between the marks in docs/unseal.md.
func holdDocument(t *testing.T, want string) {
	t.Helper()
	root, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docs", "unseal.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
	before, rest, found := strings.Cut(string(raw), begin)
	had, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no marks %q and %q", path, begin, end)
	}
	if had == want {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("docs/unseal.md tells another story; look at the difference, and with go test ./cmd/kubectl-vaultsecret -run TestMatrix -update it is rewritten")
}
