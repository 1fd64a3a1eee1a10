package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// pinManager applies versions and nothing else. It is a manager of its own, for what a
// manager leaves out of an apply is removed.
const pinManager = pluginManager + "-pin"

// pinTo lets the mapping read one version, or with --unpin the newest.
func (r *rollingBack) pinTo(ctx context.Context, path readPath) error {
	version := ""
	if r.pin {
		version = strconv.Itoa(r.to)
	}
	before := path.refs[0].Version
	var fields []string
	for _, ref := range path.refs {
		if ref.Version != version {
			fields = append(fields, orNewest(ref.Version))
		}
		ref.Version = version // points into r.es
	}
	p := &r.result
	p.TypeMeta = metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: "VaultChange"}
	p.Namespace, p.Name, p.Store, p.Pinned = r.es.Namespace, r.es.Name, path.store.String(), version
	p.From, _ = strconv.Atoi(before)
	p.To = r.to
	if len(fields) == 0 {
		fmt.Fprintf(r.ErrOut, "%s reads %s of %s already; nothing to write\n", r.name(), orNewest(version), gather.Clean(path.key))
	} else {
		fmt.Fprintf(r.text(r.ErrOut), "%s: reads %s → %s of %s\n", r.name(), strings.Join(slices.Compact(fields), ", "), orNewest(version), gather.Clean(path.key))
	}
	expect, err := r.readable(ctx, path)
	if err != nil {
		return err
	}
	r.state = fmt.Sprintf("the ExternalSecret names %s, the Secret does not yet show it", orNewest(version))
	if len(fields) > 0 {
		if done, err := r.applyPin(ctx); err != nil || done {
			return err
		}
	} else if r.dryRun != "none" {
		return r.printResult()
	}
	return r.deliver(ctx, expect)
}

func orNewest(version string) string {
	if version == "" {
		return "the newest version"
	}
	return "version " + gather.Clean(version)
}

// readable makes the Secret of that version in memory: a version that is gone, or of
// which no Secret can be made, is not pinned.
func (r *rollingBack) readable(ctx context.Context, path readPath) (map[string]redact.Bytes, error) {
	in, err := r.gather.Local().Inputs(ctx, r.es)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; nothing was written", r.name(), err)
	}
	want, err := mapping.Compute(r.es, in, mapping.Limits{})
	if err == nil && want.Absent {
		err = &kv.Error{Kind: kv.Absent, Path: path.data, Detail: "there is nothing to read at that version"}
	}
	if err != nil {
		return nil, fail(fmt.Errorf("%s: %w; nothing was written", r.name(), err), "kubectl vaultsecret history lists the versions that can be read")
	}
	if err := r.writable(ctx, want); err != nil {
		return nil, err
	}
	r.result.Changes = r.differs(ctx, want)
	if want.Volatile {
		return nil, nil
	}
	return want.Data, nil
}

// applyPin writes the changed entries; done says that the command ends here.
func (r *rollingBack) applyPin(ctx context.Context) (done bool, err error) {
	if owner := kube.GitOwner(&r.es.ObjectMeta); owner != "" {
		return true, r.forGit(fmt.Errorf("%s is kept by %s, which would undo a change made here; nothing was written", r.name(), owner))
	}
	switch {
	case r.dryRun == "client":
		r.result.DryRun = true
		return true, r.printResult()
	case r.dryRun == "none" && !r.yes:
		if err := r.confirm(ctx, "Change the ExternalSecret?"); err != nil {
			return true, err
		}
	}
	spec := map[string]any{}
	if len(r.es.Spec.Data) > 0 {
		spec["data"] = r.es.Spec.Data
	}
	if len(r.es.Spec.DataFrom) > 0 {
		spec["dataFrom"] = r.es.Spec.DataFrom
	}
	manifest := map[string]any{
		"apiVersion": eso.GroupVersion().String(), "kind": eso.KindExternalSecret,
		"metadata": map[string]any{"name": r.es.Name, "namespace": r.es.Namespace, "uid": r.es.UID, "resourceVersion": r.es.ResourceVersion},
		"spec":     spec,
	}
	_, taken, err := r.clients.ApplyMapping(ctx, r.es.Namespace, r.es.Name, manifest, kube.MappingApply{Manager: pinManager, DryRun: r.dryRun == "server", TakeFrom: kube.ByHand})
	var conflict *kube.ConflictError
	if errors.As(err, &conflict) {
		return true, r.forGit(fmt.Errorf("%w; nothing was written", err))
	}
	if err != nil {
		return true, err
	}
	if r.dryRun == "server" {
		r.result.DryRun = true
		return true, r.printResult()
	}
	for _, f := range taken {
		if !strings.HasPrefix(f.Manager, pluginManager) {
			fmt.Fprintf(r.ErrOut, "note: %s was set by %s before: change the file that it came from too\n", f.Field, f.Manager)
		}
	}
	if r.output == "" {
		fmt.Fprintf(r.Out, "%s %s changed\n", r.marks().OK, r.name())
	}
	return false, nil
}

// forGit prints the manifest that was not written, and why.
func (r *rollingBack) forGit(why error) error {
	return r.Options.forGit(kube.MappingManifest(r.es), why)
}

// forGit prints a manifest on standard output for whoever keeps it in Git.
func (o *Options) forGit(manifest map[string]any, why error) error {
	doc, err := yaml.Marshal(manifest)
	if err != nil {
		return err
	}
	if _, err := o.Out.Write(doc); err != nil {
		return err
	}
	return fail(why, "put the manifest above into Git")
}
