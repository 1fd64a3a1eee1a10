package controller_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

var shared = sandbox.Shared{Config: sandbox.Config{CRDs: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// stage is one test's namespace and mount on the shared sandbox, with the
// administrator's clients.
type stage struct {
	testing.TB
	sb        *sandbox.Sandbox
	clients   *kube.Clients
	namespace string
	mount     string
	// admin: the controller runs as administrator, and manifests/ is not applied.
	admin bool
	// passwords of the take-over's Secrets, as ESO left them.
	passwords map[string]string
}

func newStage(t testing.TB) *stage {
	t.Helper()
	sb := shared.Sandbox(t)
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return &stage{TB: t, sb: sb, clients: clients, namespace: sb.Namespace(t), mount: sb.KVMount(t, 2)}
}

// running is one controller of a test.
type running struct {
	log     *buffer
	address string
	stop    func() error
}

// buffer is a bytes.Buffer for many writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// account applies manifests/ and returns a kubeconfig of its ServiceAccount, so that a
// missing right shows in every test.
func (s *stage) account() string {
	s.Helper()
	if s.admin {
		return s.sb.Kubeconfig()
	}
	root, err := sandbox.Root()
	if err != nil {
		s.Fatal(err)
	}
	s.kubectl("apply", "--server-side", "-k", filepath.Join(root, "manifests"))
	path, err := s.sb.ServiceAccountKubeconfig(s.Context(), "vaultsecret-system", "vaultsecret-controller")
	if err != nil {
		s.Fatal(err)
	}
	return path
}

func (s *stage) kubectl(args ...string) string {
	s.Helper()
	command := exec.CommandContext(s.Context(), s.sb.Binary("kubectl"), append([]string{"--kubeconfig=" + s.sb.Kubeconfig()}, args...)...)
	out, err := command.CombinedOutput()
	if err != nil {
		s.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// config is a controller for the stage's namespace, under the manifests' ServiceAccount.
func (s *stage) config(change ...func(*controller.Config)) controller.Config {
	c := controller.Default()
	c.Kubeconfig, c.Namespace, c.LogLevel = s.account(), s.namespace, "debug"
	c.HealthAddress, c.MetricsAddress = "0", freeAddress(s)
	for _, f := range change {
		f(&c)
	}
	return c
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run starts a controller; it is stopped, and must end well, when the test ends.
func (s *stage) run(change ...func(*controller.Config)) *running {
	s.Helper()
	config := s.config(change...)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{log: new(buffer), address: config.MetricsAddress}
	ended := make(chan error, 1)
	go func() { ended <- controller.Run(ctx, config, r.log) }()
	var once sync.Once
	var err error
	r.stop = func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	s.Cleanup(func() {
		if err := r.stop(); err != nil {
			s.Errorf("the controller ended with: %v", err)
		}
		if s.Failed() {
			s.Logf("the controller's log:\n%s", r.log.String())
		}
	})
	return r
}

func (r *running) scrape(t testing.TB) string {
	resp, err := http.Get("http://" + r.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// token stores a Vault token in Secret name, key token.
func (s *stage) token(name, token string) {
	s.Helper()
	secrets := s.clients.Secrets(s.namespace)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"token": token}}
	_, err := secrets.Create(s.Context(), secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = secrets.Update(s.Context(), secret, metav1.UpdateOptions{})
	}
	if err != nil {
		s.Fatal(err)
	}
}

// readToken is a token that may read the stage's mount.
func (s *stage) readToken() string {
	return s.sb.VaultToken(s, fmt.Sprintf("path \"%s/*\" { capabilities = [\"read\", \"list\"] }", s.mount))
}

// store creates SecretStore "vault" over the stage's mount and Secret "vault-token".
func (s *stage) store(change ...func(*eso.SecretStore)) *eso.SecretStore {
	s.Helper()
	store := &eso.SecretStore{
		TypeMeta:   metav1.TypeMeta{APIVersion: eso.GroupVersion().String(), Kind: eso.KindSecretStore},
		ObjectMeta: metav1.ObjectMeta{Name: "vault", Namespace: s.namespace},
		Spec: eso.StoreSpec{Provider: eso.Provider{Vault: &eso.VaultProvider{
			Server: s.sb.VaultAddress(0), Path: &s.mount,
			Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Key: "token"}},
		}}},
	}
	for _, f := range change {
		f(store)
	}
	created, err := s.clients.SecretStores(s.namespace).Create(s.Context(), store, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return created
}

// ready is a stage with a secret app/db, a token that may read it, and a store.
func ready(t testing.TB) *stage {
	t.Helper()
	s := newStage(t)
	s.sb.Put(t, s.mount, "app/db", map[string]any{"user": "app", "password": "s3cr3t"})
	s.token("vault-token", s.readToken())
	s.store()
	return s
}

// mapping creates an ExternalSecret of app/db.
func (s *stage) mapping(name string, change ...func(*eso.ExternalSecret)) *eso.ExternalSecret {
	s.Helper()
	es := &eso.ExternalSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: eso.GroupVersion().String(), Kind: eso.KindExternalSecret},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec: eso.ExternalSecretSpec{
			RefreshInterval: eso.NewDuration(time.Hour), SecretStoreRef: &eso.StoreRef{Name: "vault"},
			Data: []eso.Data{{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}}},
		},
	}
	for _, f := range change {
		f(es)
	}
	created, err := s.clients.ExternalSecrets(s.namespace).Create(s.Context(), es, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return created
}

// edit changes an ExternalSecret.
func (s *stage) edit(name string, change func(*eso.ExternalSecret)) {
	s.Helper()
	sandbox.Eventually(s, func() error {
		es, err := s.clients.ExternalSecrets(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(es)
		_, err = s.clients.ExternalSecrets(s.namespace).Update(s.Context(), es, metav1.UpdateOptions{})
		return err
	})
}

// wait returns once the mapping's Ready condition has the status and reason, and its
// message holds each part.
func (s *stage) wait(name, status, reason string, parts ...string) *eso.ExternalSecret {
	s.Helper()
	var es *eso.ExternalSecret
	sandbox.Eventually(s, func() (err error) {
		if es, err = s.clients.ExternalSecrets(s.namespace).Get(s.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		c := es.Status.Ready()
		if c == nil {
			return fmt.Errorf("%s has no condition yet", name)
		}
		if string(c.Status) != status || c.Reason != reason {
			return fmt.Errorf("%s is %s, %s: %s; want %s, %s", name, c.Status, c.Reason, c.Message, status, reason)
		}
		for _, part := range parts {
			if !strings.Contains(c.Message, part) {
				return fmt.Errorf("the message of %s does not hold %q: %s", name, part, c.Message)
			}
		}
		return nil
	})
	return es
}

// warning returns once a Warning event on the mapping holds each part.
func (s *stage) warning(name string, parts ...string) {
	s.Helper()
	sandbox.Eventually(s, func() error {
		events, err := s.clients.Events(s.namespace).List(s.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		texts := []string{}
		for _, e := range events.Items {
			if e.InvolvedObject.Name != name || e.Type != corev1.EventTypeWarning || e.Reason != eso.EventUpdateFailed {
				continue
			}
			texts = append(texts, e.Message)
			missing := false
			for _, part := range parts {
				missing = missing || !strings.Contains(e.Message, part)
			}
			if !missing {
				return nil
			}
		}
		return fmt.Errorf("no UpdateFailed event on %s holds %q: %q", name, parts, texts)
	})
}

// secret reads a Secret, nil when it does not exist.
func (s *stage) secret(name string) *corev1.Secret {
	s.Helper()
	secret, err := s.clients.Secrets(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.Fatal(err)
	}
	return secret
}

// holds returns once a Secret's key has the value.
func (s *stage) holds(name, key, value string) {
	s.Helper()
	sandbox.Eventually(s, func() error {
		secret := s.secret(name)
		switch {
		case secret == nil:
			return fmt.Errorf("secret %s does not exist", name)
		case string(secret.Data[key]) != value:
			return fmt.Errorf("secret %s holds another value under %s", name, key)
		}
		return nil
	})
}

// audit is Vault's audit log, enabled by the first test that asks.
func (s *stage) audit() string {
	s.Helper()
	devices, err := s.sb.RootVault(s).Sys().ListAudit()
	if err != nil {
		s.Fatal(err)
	}
	for _, device := range devices {
		if path := device.Options["file_path"]; path != "" {
			return path
		}
	}
	path, err := s.sb.EnableVaultAudit(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return path
}
