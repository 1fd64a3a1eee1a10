package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// mappingEdit is one run of mapping edit.
type mappingEdit struct{ mapWriting }

func newMappingEditCommand(o *Options) *cobra.Command {
	m := &mappingEdit{newMapWriting(o)}
	c := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change an ExternalSecret in your editor, checked before it is written",
		Long: "Opens the manifest as mapping export prints it in KUBE_EDITOR, EDITOR or vi. What comes back is judged as a\n" +
			"controller would, its paths are read in Vault with the store's own credential, and then it is written. On any error\n" +
			"nothing is written and your file stays. An object that Flux or Argo CD keeps is not written: its manifest is printed.",
		Example:           "  kubectl vaultsecret mapping edit -n apps api-db\n  KUBE_EDITOR='code --wait' kubectl vaultsecret mapping edit -n apps api-db",
		Args:              exactly(1),
		ValidArgsFunction: o.completeOneMapping,
		RunE:              func(c *cobra.Command, args []string) error { return m.run(c.Context(), args[0]) },
	}
	m.addFlags(c)
	m.addCheckFlag(c)
	return c
}

func (m *mappingEdit) run(ctx context.Context, name string) error {
	if err := m.validate(); err != nil {
		return err
	}
	editor, err := m.editor()
	if err != nil {
		return err
	}
	if err := m.connect(); err != nil {
		return err
	}
	defer m.close(ctx)
	es, err := m.mapping(ctx, m.clients, name)
	if err != nil {
		return err
	}
	before, err := yaml.Marshal(kube.MappingManifest(es))
	if err != nil {
		return err
	}
	file, err := m.open(ctx, editor, es, before)
	if err != nil {
		return err
	}
	after, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading what was edited: %w", err)
	}
	if bytes.Equal(withoutComments(after), before) {
		_ = os.Remove(file)
		fmt.Fprintln(m.ErrOut, "Nothing was changed.")
		return nil
	}
	if err := m.write(ctx, es, after); err != nil {
		fmt.Fprintf(m.ErrOut, "your changes are in %s\n", file)
		return err
	}
	_ = os.Remove(file)
	return nil
}

// editor is the command of the editor, as kubectl takes it.
func (m *mappingEdit) editor() ([]string, error) {
	for _, name := range []string{"KUBE_EDITOR", "EDITOR"} {
		if words := strings.Fields(os.Getenv(name)); len(words) > 0 {
			return words, nil
		}
	}
	if !m.interactive() {
		return nil, fail(errors.New("there is no editor: this is no terminal, and neither KUBE_EDITOR nor EDITOR is set"), "set EDITOR, or use mapping export and kubectl apply")
	}
	return []string{"vi"}, nil
}

// open lets the editor work on a file that only its user may read.
func (m *mappingEdit) open(ctx context.Context, editor []string, es *eso.ExternalSecret, before []byte) (string, error) {
	f, err := os.CreateTemp("", "mapping-"+es.Name+"-*.yaml")
	if err != nil {
		return "", fmt.Errorf("making a file to edit: %w", err)
	}
	header := fmt.Sprintf("# ExternalSecret %s/%s. Lines that begin with # are dropped; an unchanged file changes nothing.\n", es.Namespace, es.Name)
	_, err = f.Write(append([]byte(header), before...))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("writing the file to edit: %w", err)
	}
	command := exec.CommandContext(ctx, editor[0], append(editor[1:], f.Name())...)
	command.Stdin, command.Stdout, command.Stderr = m.In, m.ErrOut, m.ErrOut
	if err := command.Run(); err != nil {
		return "", fail(fmt.Errorf("the editor %s failed: %w; nothing was written", editor[0], err), "your file is "+f.Name())
	}
	return f.Name(), nil
}

func withoutComments(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("#")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// write judges what was edited and writes the difference.
func (m *mappingEdit) write(ctx context.Context, es *eso.ExternalSecret, text []byte) error {
	edited, err := parseMapping(text)
	if err != nil {
		return err
	}
	if edited.Kind != eso.KindExternalSecret || edited.Name != es.Name || edited.Namespace != "" && edited.Namespace != es.Namespace {
		return errors.New("kind, name and namespace cannot be edited; make another mapping with mapping create")
	}
	edited.ObjectMeta.Namespace, edited.UID = es.Namespace, es.UID
	if errs := eso.Validate(edited); len(errs) > 0 {
		return fmt.Errorf("%w; nothing was written", errs.ToAggregate())
	}
	if _, err := m.check(ctx, edited); err != nil {
		return err
	}
	manifest := kube.MappingManifest(edited)
	if owner := kube.GitOwner(&es.ObjectMeta); owner != "" {
		return m.forGit(manifest, fmt.Errorf("ExternalSecret %s/%s is kept by %s, which would undo the change; nothing was written", es.Namespace, es.Name, owner))
	}
	for _, manager := range kube.SpecManagers(&es.ObjectMeta) {
		if !kube.ByHand(manager) {
			return m.forGit(manifest, fmt.Errorf("the spec of ExternalSecret %s/%s is kept by %s; nothing was written", es.Namespace, es.Name, manager))
		}
	}
	patch, err := mergePatch(es, manifest)
	if err != nil {
		return err
	}
	if m.dryRun == "client" {
		return m.done(edited, "edited")
	}
	options := metav1.PatchOptions{FieldManager: pluginManager}
	if m.dryRun == "server" {
		options.DryRun = []string{metav1.DryRunAll}
	}
	written, err := m.clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.MergePatchType, patch, options)
	switch {
	case apierrors.IsConflict(err):
		return fail(fmt.Errorf("ExternalSecret %s/%s changed while you edited; nothing was written", es.Namespace, es.Name), "edit it again")
	case err != nil:
		return fmt.Errorf("writing ExternalSecret %s/%s: %s", es.Namespace, es.Name, gather.Clean(err.Error()))
	}
	return m.done(written, "edited")
}

// parseMapping reads YAML strictly: a field that is misspelled is an error.
func parseMapping(text []byte) (*eso.ExternalSecret, error) {
	es := &eso.ExternalSecret{}
	if err := yaml.UnmarshalStrict(text, es); err != nil {
		return nil, fmt.Errorf("it is no ExternalSecret: %s; nothing was written", gather.Clean(strings.NewReplacer("error unmarshaling JSON: while decoding JSON: ", "", "json: ", "").Replace(err.Error())))
	}
	return es, nil
}

// mergePatch is the difference between the mapping as it was read and the manifest, on
// condition that the mapping is still what was read.
func mergePatch(es *eso.ExternalSecret, manifest map[string]any) ([]byte, error) {
	before, err := json.Marshal(kube.MappingManifest(es))
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch(before, after, before)
	if err != nil {
		return nil, fmt.Errorf("comparing the manifests: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(patch, &fields); err != nil {
		return nil, err
	}
	metadata, _ := fields["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["uid"], metadata["resourceVersion"] = es.UID, es.ResourceVersion
	fields["metadata"] = metadata
	return json.Marshal(fields)
}
