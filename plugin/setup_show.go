package plugin

import (
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// planPrinter shows a plan to people.
type planPrinter struct {
	out     io.Writer
	address string
	via     func(address string) string
	remove  bool
}

// verb is what a step does, in the words of the plan.
func verb(a bootstrap.Action) string {
	switch a {
	case bootstrap.Keep:
		return "keep"
	case bootstrap.HandOver:
		return "in Git"
	case bootstrap.Update:
		return "change"
	}
	return string(a)
}

// done is what became of a step.
func done(a bootstrap.Action) string {
	return map[bootstrap.Action]string{
		bootstrap.Create: "created", bootstrap.Update: "changed", bootstrap.Delete: "removed", bootstrap.Check: "checked:", bootstrap.HandOver: "left to Git:",
	}[a]
}

func (p planPrinter) show(plan bootstrap.Plan) {
	way := ""
	if via := p.via(hostPort(p.address)); via != "" {
		way = " (" + via + ")"
	}
	act := "by " + plan.Setup.Method
	if p.remove {
		act = "remove what setup made"
	}
	fmt.Fprintf(p.out, "%s → %s%s, %s\n\n", plan.Setup.StoreName(), gather.Clean(p.address), gather.Clean(way), act)
	for _, step := range plan.Steps {
		line := fmt.Sprintf("  %-7s %s", verb(step.Action), step.Target)
		if step.Why != "" {
			line += "; " + step.Why
		}
		fmt.Fprintln(p.out, gather.Clean(line))
		for _, diff := range step.Diff {
			fmt.Fprintln(p.out, gather.Clean("          "+diff))
		}
	}
	for _, notice := range plan.Notices {
		fmt.Fprintln(p.out, gather.Clean("  note    "+notice))
	}
	fmt.Fprintln(p.out)
}

// hostPort is an address as it is dialed.
func hostPort(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	if strings.LastIndex(host, ":") > strings.LastIndex(host, "]") {
		return host
	}
	return host + map[string]string{"http": ":80", "https": ":443"}[scheme]
}

// SetupPlan is what setup prints with -o json and yaml: the plan, and what became of it.
type SetupPlan struct {
	metav1.TypeMeta `json:",inline"`
	// Store is KIND/NAME or KIND/NAMESPACE/NAME.
	Store  string `json:"store"`
	Method string `json:"method"`
	// Applied says that the plan was carried out; every step then has Done or Error.
	Applied bool        `json:"applied"`
	Steps   []SetupStep `json:"steps"`
	Rules   []SetupRule `json:"rules,omitempty"`
	Notices []string    `json:"notices,omitempty"`
}

// SetupStep is one step.
type SetupStep struct {
	Part   string   `json:"part"`
	Action string   `json:"action"`
	Target string   `json:"target"`
	Why    string   `json:"why,omitempty"`
	Diff   []string `json:"diff,omitempty"`
	Done   bool     `json:"done"`
	Error  string   `json:"error,omitempty"`
}

// SetupRule is one rule of the policy.
type SetupRule struct {
	Path         string   `json:"path"`
	Capabilities []string `json:"capabilities"`
	Why          []string `json:"why"`
}

// DeepCopyObject makes the plan printable by cli-runtime; printers only read.
func (p *SetupPlan) DeepCopyObject() runtime.Object {
	c := *p
	return &c
}

func (s *setupOptions) document(plan bootstrap.Plan, applied bool) *SetupPlan {
	d := &SetupPlan{
		TypeMeta: metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: "SetupPlan"},
		Store:    plan.Setup.StoreName(), Method: plan.Setup.Method, Applied: applied && s.dryRun == "none",
		Steps: []SetupStep{}, Notices: cleaned(s.notices),
	}
	for _, step := range plan.Steps {
		_, done := s.done[step.Part]
		if step.Part == bootstrap.PartStore && (s.export || step.Action == bootstrap.HandOver) {
			done = false
		}
		d.Steps = append(d.Steps, SetupStep{
			Part: string(step.Part), Action: string(step.Action), Target: gather.Clean(step.Target), Why: gather.Clean(step.Why),
			Diff: cleaned(step.Diff), Done: done && d.Applied, Error: s.failedParts[step.Part],
		})
	}
	for _, r := range plan.Rules {
		d.Rules = append(d.Rules, SetupRule{Path: gather.Clean(r.Path), Capabilities: r.Capabilities, Why: cleaned(r.Why)})
	}
	return d
}

func cleaned(texts []string) []string {
	var out []string
	for _, text := range texts {
		out = append(out, gather.Clean(text))
	}
	return out
}

// manifest prints the store for Git where that is asked for, or where Git keeps it. The
// Secret with the credential is never printed: setup writes it to the cluster.
func (s *setupOptions) manifest(plan bootstrap.Plan, want eso.Store) error {
	handed := s.handsOver(plan)
	if s.remove || !handed && !s.export {
		return nil
	}
	if handed {
		step, _ := plan.Step(bootstrap.PartStore)
		fmt.Fprintf(s.ErrOut, "%s %s is %s.\n", s.marks().Warn, step.Target, gather.Clean(step.Why))
	}
	if s.output == "" {
		text, err := yaml.Marshal(kube.StoreManifest(want))
		if err != nil {
			return err
		}
		if _, err := s.Out.Write(text); err != nil {
			return err
		}
	}
	if plan.Setup.Method != bootstrap.MethodKubernetes {
		fmt.Fprintf(s.ErrOut, "Secret %s is in the cluster alone, not for Git: setup keeps it.\n", plan.Setup.Secret)
	}
	if a := want.Spec.Provider.Vault.Auth.AppRole; a != nil && a.RoleID == "" && a.RoleRef == nil {
		fmt.Fprintln(s.ErrOut, "roleId is missing: it is known once the role exists; run setup without --dry-run.")
	}
	if handed && !s.export && s.dryRun == "none" {
		return exit(ExitBad)
	}
	return nil
}
