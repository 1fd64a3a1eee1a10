package bootstrap

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Carry says how a plan is carried out.
type Carry struct {
	// ServerDryRun lets the API server judge the Kubernetes objects and writes nothing;
	// Vault knows no dry run and is not asked.
	ServerDryRun bool
	// LeaveStore does all but the store, which the caller shows for Git.
	LeaveStore bool
	// Say is told of each step that was done, and of what went wrong with one that setup
	// can do without.
	Say func(step Step, trouble error)
	// Notice is told what a person should know.
	Notice func(text string)
}

// carrying is a plan that is being carried out.
type carrying struct {
	Ground
	Carry
	s     Setup
	p     Plan
	f     *Facts
	apply kube.Applier
	// left is what the step that is being done leaves if it fails now.
	left leaving
}

// Apply carries a plan out, in its order. When it fails in between, what was done stays
// and is used by the next run, which plans what is left: the store is changed by the
// last write but one, after its new login was seen to work, and the credential that was
// replaced ends after that. It returns the store as it should be; its errors are
// *StoppedError.
func (g Ground) Apply(ctx context.Context, p Plan, f Facts, how Carry) (eso.Store, error) {
	s := p.Setup
	c := &carrying{
		Ground: g, Carry: how, s: s, p: p, f: &f,
		apply: kube.Applier{Clients: g.Clients, Manager: FieldManager, DryRun: how.ServerDryRun},
	}
	for _, step := range p.Steps {
		if step.Action == Keep || how.ServerDryRun && !step.inKubernetes() {
			continue
		}
		c.left = leaving{}
		err := c.do(ctx, step)
		if err != nil && step.Part != PartAudit {
			return eso.Store{}, stopped(step, err, c.left)
		}
		how.Say(step, err)
	}
	return WantedStore(s, *c.f), nil
}

func (s Step) inKubernetes() bool {
	switch s.Part {
	case PartAccount, PartBinding, PartCredential, PartStore:
		return true
	}
	return false
}

func (c *carrying) do(ctx context.Context, step Step) error {
	s := c.s
	switch step.Part {
	case PartMount:
		return c.mount(ctx)
	case PartAudit:
		return c.Vault.EnableFileAudit(ctx, "file", s.AuditFile, madeBySetup)
	case PartPolicy:
		return c.Vault.WritePolicy(ctx, s.Policy, c.p.policy)
	case PartAuth:
		return c.auth(ctx)
	case PartAuthConfig:
		want := s.kubernetesConfig()
		c.f.KubernetesConfig = &want
		return c.Vault.WriteKubernetesConfig(ctx, s.AuthPath, want)
	case PartRole:
		return c.role(ctx)
	case PartAccount:
		return c.apply.NewServiceAccount(ctx, &corev1.ServiceAccount{ObjectMeta: c.s.object(s.Account)})
	case PartBinding:
		return c.binding(ctx)
	case PartCredential:
		return c.credential(ctx)
	case PartVerify:
		return c.verify(ctx)
	case PartStore:
		return c.store(ctx, step)
	case PartOld:
		return c.old(ctx)
	}
	return fmt.Errorf("nobody knows how to do %q", step.Part)
}

// object is the metadata of what holds a credential, or is one.
func (s Setup) object(p Place) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: s.labels(), Annotations: s.annotations()}
	m.Annotations[AnnotationPolicy] = s.Policy
	if s.Method != MethodToken {
		m.Annotations[AnnotationRole] = s.AuthPath + "/" + s.Role
	}
	return m
}

// mount makes the KV mount and waits until it serves: it prepares itself for a moment.
func (c *carrying) mount(ctx context.Context) error {
	if err := c.Vault.EnableKV(ctx, c.s.Mount, madeBySetup); err != nil {
		return err
	}
	c.left.is("the mount is made")
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := c.Vault.KVReady(ctx, c.s.Mount)
		if kv.KindOf(err) != kv.BadRequest {
			return nil // it serves, or the caller may not ask
		}
		if wait(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// wait sleeps, and returns early with an error when the context ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (c *carrying) auth(ctx context.Context) error {
	err := c.Vault.EnableAuth(ctx, c.s.AuthPath, c.s.Method, madeBySetup)
	if err != nil && strings.Contains(err.Error(), "plugin not found in the catalog") {
		return &ConflictError{
			What: "this Vault has no auth method of type " + c.s.Method + ": it is a build without it, and no plugin is registered",
			Fix:  "register its plugin (vault plugin register auth " + c.s.Method + "), or choose another method with --auth",
		}
	}
	return err
}

func (c *carrying) role(ctx context.Context) (err error) {
	if c.s.Method == MethodKubernetes {
		return c.Vault.WriteKubernetesRole(ctx, c.s.AuthPath, c.s.Role, c.s.kubernetesRole())
	}
	if err := c.Vault.WriteAppRole(ctx, c.s.AuthPath, c.s.Role, c.s.appRole()); err != nil {
		return err
	}
	c.left.is("the role is written")
	c.f.RoleID, err = c.Vault.RoleID(ctx, c.s.AuthPath, c.s.Role)
	return err
}

// binding lets the ServiceAccount have tokens reviewed.
func (c *carrying) binding(ctx context.Context) error {
	return c.apply.NewClusterRoleBinding(ctx, c.s.object(Place{Name: c.s.bindingName()}), "system:auth-delegator", c.s.Account.Namespace, c.s.Account.Name)
}

// settled calls until the answer is no refusal, for a few seconds: right after something
// was made not every server of Vault knows it.
func settled[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		answer, err := call()
		if kind := kv.KindOf(err); kind != kv.BadCredential && kind != kv.Denied || try == 5 {
			return answer, err
		}
		if stopped := wait(ctx, time.Second); stopped != nil {
			return answer, stopped
		}
	}
}

// verify tries the new login out.
func (c *carrying) verify(ctx context.Context) error {
	notices, err := settled(ctx, func() ([]string, error) { return c.try(ctx, WantedStore(c.s, *c.f), c.f.Wants) })
	if err != nil {
		return err
	}
	for _, text := range notices {
		c.Notice(text)
	}
	return nil
}

func (c *carrying) store(ctx context.Context, step Step) error {
	want := WantedStore(c.s, *c.f)
	switch {
	case c.LeaveStore || step.Action == HandOver:
		return nil
	case step.Action == Create:
		return c.apply.NewStore(ctx, want)
	}
	return c.apply.StoreLogin(ctx, *c.f.Store, want.Spec.Provider.Vault.Auth)
}
