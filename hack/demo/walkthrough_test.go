package demo

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var record = flag.Bool("record", false, "write docs/walkthrough.md anew from what the script prints")

const recordingHead = `# The walkthrough, recorded

From three uninitialized servers of Vault, with TLS under a private CA, to a synced Secret under least privilege; then a rotation,
and the restart of one server and of all. This is what ` + "`make walkthrough`" + ` printed on a real etcd, kube-apiserver and Vault. No value
of a secret is in it, for none is printed.
`

// TestThreeServers runs the walkthrough. The script itself compares what is in the
// cluster with what is in Vault; the recording must show the same commands.
func TestThreeServers(t *testing.T) {
	root := built(t)
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "hack", "demo", "walkthrough.sh")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"6 of 6 parts passed", "+ path \"secret/data/authelia\" { capabilities = [\"read\"] }", "Nothing to do.",
		"1 key changed (hmac-secret)", "removed 1 replaced secret_id", "0 warnings, 0 failed, 0 skipped",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the walkthrough never says %q", want)
		}
	}
	now := markdown(string(out), root)
	path := filepath.Join(root, "docs", "walkthrough.md")
	if *record {
		if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := commandsOf(string(recorded)), commandsOf(now); !slices.Equal(a, b) {
		t.Errorf("docs/walkthrough.md shows other commands than the script runs; record it anew with make walkthrough-doc\nrecorded:\n%s\nrun:\n%s",
			strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

func commandsOf(text string) []string {
	var commands []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "$ ") {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

// markdown makes a page of what the script printed: a heading for each step, what it
// says as comments, and no path of the machine that it ran on.
func markdown(out, root string) string {
	out = strings.ReplaceAll(out, root+"/bin/", "")
	out = strings.ReplaceAll(out, root+"/", "")
	out = regexp.MustCompile(`/\S*/tmp\.\w+/`).ReplaceAllString(out, "")
	var page strings.Builder
	page.WriteString(recordingHead)
	open := false
	for line := range strings.Lines(out) {
		title, isTitle := strings.CutPrefix(line, "\x1b[1m── ")
		switch said, isSaid := strings.CutPrefix(line, "\x1b[2m"); {
		case isTitle:
			if open {
				page.WriteString("```\n")
			}
			page.WriteString("\n## " + strings.TrimSuffix(title, "\x1b[0m\n") + "\n\n```console\n")
			open = true
		case isSaid:
			page.WriteString("# " + strings.TrimSuffix(said, "\x1b[0m\n") + "\n")
		case strings.TrimSpace(line) == "" && (!open || strings.HasSuffix(page.String(), "\n\n")):
		default:
			page.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
	return strings.ReplaceAll(page.String(), "\n\n```\n", "\n```\n") + "```\n"
}
