package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// The ServiceAccount that manifests/ makes for the controller.
const (
	controllerNamespace = "vaultsecret-system"
	controllerAccount   = "vaultsecret-controller"
)

// StartController applies manifests/ and runs bin/vaultsecret-controller on this
// machine with a token of the manifests' own ServiceAccount, so that a missing
// right shows. It reaches Vault's Services through the proxy. It returns when the
// controller is ready; further flags may be given. Its log is DIR/controller.log.
func (s *Sandbox) StartController(ctx context.Context, flags ...string) error {
	binary := filepath.Join(s.root, "bin", "vaultsecret-controller")
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("the controller is not built: %w", err)
	}
	if err := s.kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(s.root, "manifests")); err != nil {
		return err
	}
	kubeconfig, err := s.ServiceAccountKubeconfig(ctx, controllerNamespace, controllerAccount)
	if err != nil {
		return err
	}
	health := local(s.state.Ports.Health)
	flags = append([]string{ // as in the Deployment, but for --port-forward: the proxy is its DNS
		"--kubeconfig=" + kubeconfig, "--leader-elect", "--port-forward=never",
		"--health-probe-bind-address=" + health, "--metrics-bind-address=" + local(s.state.Ports.Metrics),
	}, flags...)
	env := []string{"HTTP_PROXY=" + s.ProxyURL(), "HTTPS_PROXY=" + s.ProxyURL(), "NO_PROXY=127.0.0.1,localhost", "POD_NAMESPACE=" + controllerNamespace}
	if err := s.start("controller", binary, env, flags...); err != nil {
		return err
	}
	return s.await(ctx, "controller", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := new(http.Transport).RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	})
}

// StartProgram runs another program under a name of its own, until StopProgram or the
// sandbox's end; it inherits only PATH, HOME and TMPDIR. Its log is DIR/NAME.log.
func (s *Sandbox) StartProgram(name, binary string, env []string, args ...string) (pid int, err error) {
	if err := s.start(name, binary, env, args...); err != nil {
		return 0, err
	}
	p, _ := s.process(name)
	return p.PID, nil
}

// StopProgram ends a program that StartProgram started: by SIGTERM, then by SIGKILL.
func (s *Sandbox) StopProgram(name string) { s.stop(name) }

// MetricsURL is the page of the controller's metrics, while it runs.
func (s *Sandbox) MetricsURL() string { return "http://" + local(s.state.Ports.Metrics) + "/metrics" }

// StopController ends the controller as a Pod's end would: by SIGTERM.
func (s *Sandbox) StopController() { s.stop("controller") }
