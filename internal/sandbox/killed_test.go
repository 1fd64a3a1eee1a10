package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// killMe names, in the environment of this test's binary run anew, the directory in
// which it starts a sandbox that nobody stops.
const killMe = "SANDBOX_TEST_DIR"

func waitToBeKilled(dir string) int {
	if _, err := Start(context.Background(), Config{Dir: dir, Vault: VaultNone}); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	select {}
}

// A killed test leaves no process, by the parent-death signal or by the next
// sandbox's sweep, and then no directory.
func TestKilledTestLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killMe+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		t.Fatalf("the sandbox says %q (%v)", line, err)
	}
	left, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	running := slices.Clone(left.state.Processes)
	sweep(t.Context())
	for _, p := range running {
		if !p.alive() {
			t.Errorf("%s does not run, though its owner does", p.Name)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	sweep(t.Context())
	for _, p := range running {
		if p.alive() {
			t.Errorf("%s outlives the process that started it", p.Name)
		}
	}
	if entries, err := os.ReadDir(temp); err != nil || len(entries) > 0 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}
