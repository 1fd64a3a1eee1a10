package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

var shared = sandbox.Shared{Config: sandbox.Config{CRDs: true}}

// TestMain lets scripts run the plugin as a command of its own, in this binary.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"kubectl-vaultsecret": func() {
			streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
			os.Exit(Run(context.Background(), os.Args[1:], streams))
		},
	})
}

type tests struct{ *testing.M }

func (t tests) Run() int { return shared.Main(t.M) }

// stack is the sandbox with the real controller in it.
type stack struct {
	once sync.Once
	err  error
}

var controller stack

// withController starts the controller that manifests/ deploys, once.
func withController(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	sb := shared.Sandbox(t)
	controller.once.Do(func() {
		root, err := sandbox.Root()
		if err != nil {
			controller.err = err
			return
		}
		binary := filepath.Join(root, "bin", "vaultsecret-controller")
		if _, err := os.Stat(binary); err != nil { // make test has built it
			build := exec.Command("go", "build", "-o", binary, "./cmd/vaultsecret-controller")
			build.Dir = root
			if out, err := build.CombinedOutput(); err != nil {
				controller.err = fmt.Errorf("building the controller: %w\n%s", err, out)
				return
			}
		}
		controller.err = sb.StartController(context.Background())
	})
	if controller.err != nil {
		t.Fatal(controller.err)
	}
	return sb
}

// TestScripts runs testdata/script: each script has a namespace $NS and a KV mount
// $MOUNT with app/db in it, a Secret "vault-token" whose token may read all of the
// mount and of the KV v1 mount $MOUNT_V1, a token $DATA_TOKEN that may read the mount's
// data alone, a token $NARROW_TOKEN that may read app/db alone, and the commands below.
// Vault is $VAULT_SERVER, and $VAULT_LOCALHOST by another name, which no store has.
//
//	apply FILE             kubectl apply with $VARIABLES of the file replaced
//	exits CODE COMMAND…    run a command that must end with the code
//	eventually COMMAND…    run a command until it succeeds
//	shows TEXT COMMAND…    run a command until its standard output has the text
func TestScripts(t *testing.T) {
	sb := withController(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			t := env.T().(testing.TB)
			mount := sb.KVMount(t, 2)
			sb.Put(t, mount, "app/db", map[string]any{"user": "app", "password": canary})
			namespace := sb.Namespace(t)
			old := sb.KVMount(t, 1)
			token := sb.VaultToken(t, fmt.Sprintf("path \"%s/*\" { capabilities = [\"read\", \"list\"] }\npath \"%s/*\" { capabilities = [\"read\"] }", mount, old))
			dataToken := sb.VaultToken(t, fmt.Sprintf("path \"%s/data/*\" { capabilities = [\"read\"] }", mount))
			narrow := sb.VaultToken(t, fmt.Sprintf("path \"%s/data/app/db\" { capabilities = [\"read\"] }", mount))
			if _, err := sb.Client().CoreV1().Secrets(namespace).Create(context.Background(), &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "vault-token"}, Data: map[string][]byte{"token": []byte(token)},
			}, metav1.CreateOptions{}); err != nil {
				return err
			}
			for _, pair := range sb.Env() {
				name, value, _ := strings.Cut(pair, "=")
				switch name {
				case "VAULT_ADDR":
					env.Setenv("VAULT_SERVER", value) // the plugin shall go by the store
					env.Setenv("VAULT_LOCALHOST", strings.Replace(value, "127.0.0.1", "localhost", 1))
				case "PATH":
					env.Setenv("PATH", env.Getenv("PATH")+":"+value)
				default:
					env.Setenv(name, value)
				}
			}
			for name, value := range map[string]string{
				"NS": namespace, "MOUNT": mount, "MOUNT_V1": old, "ROOT_TOKEN": sb.RootToken, "DATA_TOKEN": dataToken, "NARROW_TOKEN": narrow, "LANG": "C.UTF-8", "HOME": env.WorkDir,
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"apply": apply, "exits": exits, "eventually": eventually, "shows": shows},
	})
}

func apply(ts *testscript.TestScript, _ bool, args []string) {
	doc := os.Expand(ts.ReadFile(args[0]), func(name string) string { return ts.Getenv(name) })
	file := ts.MkAbs("applied.yaml")
	ts.Check(os.WriteFile(file, []byte(doc), 0o600))
	ts.Check(ts.Exec("kubectl", "apply", "-n", ts.Getenv("NS"), "-f", file))
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exited *exec.ExitError
		if !errors.As(err, &exited) {
			ts.Fatalf("%v", err)
		}
		got = exited.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v", err)
		}
	}
}

func shows(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // what it shows is what counts
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("standard output has no %q", args[0])
		}
	}
}

// canary is the value that no output may ever hold.
const canary = "canary-5e1f-value"
