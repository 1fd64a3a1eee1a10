package sandbox

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestStopEndsTheChildrenOfADeadPart(t *testing.T) {
	s := &Sandbox{Dir: t.TempDir()}
	if err := s.start("parent", "/bin/sh", nil, "-c", "sleep 1000 & echo $!"); err != nil {
		t.Fatal(err)
	}
	parent, _ := s.process("parent")
	Eventually(t, func() error {
		if parent.alive() {
			return os.ErrExist
		}
		return nil
	})
	raw, err := os.ReadFile(s.path("parent.log"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if startTime(child) == "" {
		t.Fatal("the child does not outlive its parent")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if startTime(child) != "" {
		t.Error("the child still runs")
	}
}

// A PID is handed out again: what has it now is not ours to end.
func TestNeverEndsAProcessThatTookThePID(t *testing.T) {
	s := &Sandbox{Dir: t.TempDir()}
	if err := s.start("neighbour", "/bin/sleep", nil, "1000"); err != nil {
		t.Fatal(err)
	}
	neighbour, _ := s.process("neighbour")
	other := &Sandbox{Dir: t.TempDir()}
	other.state.Processes = []process{{Name: "gone", PID: neighbour.PID, Started: "1", Dir: other.Dir}}
	if err := other.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !neighbour.alive() {
		t.Error("the process that took the PID was ended")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if neighbour.alive() {
		t.Error("Stop did not end its own")
	}
}
