package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

var shared = sandbox.Shared{Config: sandbox.Config{CRDs: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// The harness measures what is there, and the controller asks for no more than it must:
// one login, one read for each path and round, no write where nothing changed.
func TestTwentyMappings(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "controller")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/vaultsecret-controller").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w, err := work{Mappings: 20, Paths: 5, Keys: 3, Stores: 1, Namespaces: 2, Auth: byAppRole, Interval: 10 * time.Second}.complete()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRun(t.Context(), w, options{binary: binary, arguments: ownArguments, samples: 1, progress: io.Discard}, shared.Sandbox(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.result.Floor, err = r.floor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.cold(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.controller.stop)
	want(t, "a cold sync, Vault", r.result.Cold.Vault, counts{"login": 1, "lookup-self": 1, "read data": w.Paths}) // the store is looked at once
	kubernetes := r.result.Cold.Kubernetes
	for kind := range kubernetes {
		if strings.HasPrefix(kind, "watch ") || strings.HasPrefix(kind, "list ") { // however often they must
			delete(kubernetes, kind)
		}
	}
	want(t, "a cold sync, Kubernetes", kubernetes, counts{
		"create secrets": w.Mappings, "patch externalsecrets/status": w.Mappings, "create events": w.Mappings + 1,
		"patch clustersecretstores/status": 1, "get secrets": 1,
	})

	if err := r.setInterval(t.Context(), 0, w.Mappings, w.Interval); err != nil {
		t.Fatal(err)
	}
	before := betweenRounds(t, r, 0)
	if _, err := r.count(); err != nil {
		t.Fatal(err)
	}
	betweenRounds(t, r, before+w.Mappings)
	round, err := r.count()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "an unchanged round, Vault", round.Vault, counts{"read data": w.Paths})
	want(t, "an unchanged round, Kubernetes", round.Kubernetes, counts{})

	forced, err := r.forced(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for kind, n := range forced.Kubernetes {
		if strings.HasSuffix(kind, "secrets") && kind != "get secrets" {
			t.Errorf("a forced refresh without change asked for %s, %d times", kind, n)
		}
	}
	if n := forced.Kubernetes["patch externalsecrets/status"]; n != w.Mappings {
		t.Errorf("a forced refresh wrote %d statuses, want %d", n, w.Mappings)
	}
	changed, err := r.changed(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := changed.Kubernetes["update secrets"]; n != 4 || changed.Mappings != 4 {
		t.Errorf("one of five paths changed: %d Secrets of %d mappings were written, want 4 of 4", n, changed.Mappings)
	}
	if r.result.Idle, err = r.latency(t.Context()); err != nil || r.result.Idle.New.Samples != 1 {
		t.Errorf("latency: %+v, %v", r.result.Idle, err)
	}
	if r.result.End, err = r.controller.usage(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, value := range map[string]float64{
		"floor": r.result.Floor.FirstSyncs, "rate": r.result.Cold.PerSecond, "CPU": r.result.End.CPUSeconds, "RSS": r.result.End.PeakRSS,
		"heap": r.result.End.Heap, "open files": float64(r.result.End.Descriptors), "goroutines": float64(r.result.End.Goroutines),
	} {
		if value <= 0 {
			t.Errorf("%s: %g, want what was measured", what, value)
		}
	}
}

// betweenRounds returns the number of syncs once there are at least so many, and no more
// come for a while.
func betweenRounds(t *testing.T, r *run, least int) int {
	t.Helper()
	syncs := 0
	sandbox.Eventually(t, func() error {
		u, err := r.controller.usage(t.Context())
		if err != nil {
			return err
		}
		before := syncs
		if syncs = u.Syncs; syncs < least || syncs != before {
			time.Sleep(2 * time.Second)
			return fmt.Errorf("%d syncs, %d before, want %d", syncs, before, least)
		}
		return nil
	})
	return syncs
}

func want(t *testing.T, what string, got, want counts) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestBadWork(t *testing.T) {
	for name, w := range map[string]work{
		"want at least one of each":          {Keys: 1, Stores: 1, Namespaces: 1, Auth: byToken, Interval: time.Second},
		"no more paths than mappings":        {Mappings: 1, Paths: 2, Keys: 1, Stores: 1, Namespaces: 1, Auth: byToken, Interval: time.Second},
		"--auth=none: want token or approle": {Mappings: 1, Keys: 1, Stores: 1, Namespaces: 1, Auth: "none", Interval: time.Second},
		"want at least a second":             {Mappings: 1, Keys: 1, Stores: 1, Namespaces: 1, Auth: byToken},
	} {
		if _, err := w.complete(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %q", w, err, name)
		}
	}
}
