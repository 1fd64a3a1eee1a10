package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
)

// The ServiceAccount of manifests/.
const (
	controllerNamespace = "vaultsecret-system"
	controllerAccount   = "vaultsecret-controller"
)

// StartController applies manifests/ and runs bin/vaultsecret-controller on this
// machine with the token of the manifests' own ServiceAccount, so that a missing
// right shows. It returns when the controller is ready.
func (s *Sandbox) StartController(ctx context.Context, args ...string) error {
	apply := exec.CommandContext(ctx, s.Binary("kubectl"), "--kubeconfig="+s.Kubeconfig(), "apply", "-k", filepath.Join(s.root, "manifests"))
	if text, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("applying manifests: %w\n%s", err, text)
	}
	kubeconfig, err := s.ServiceAccountKubeconfig(ctx, controllerNamespace, controllerAccount)
	if err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	args = append([]string{
		"--kubeconfig=" + kubeconfig, "--leader-elect",
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[0]), fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[1]),
	}, args...)
	env := []string{"HTTP_PROXY=" + s.ProxyURL(), "HTTPS_PROXY=" + s.ProxyURL(), "NO_PROXY=127.0.0.1,localhost", "POD_NAMESPACE=" + controllerNamespace}
	if err := s.start("controller", filepath.Join(s.root, "bin", "vaultsecret-controller"), env, args...); err != nil {
		return err
	}
	if err := s.wait(ctx, "controller", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[0]), nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	}); err != nil {
		return err
	}
	return s.save()
}

// StopController ends the controller as a Pod's end would: by SIGTERM.
func (s *Sandbox) StopController() { s.stop("controller") }
