package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiversion "k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/version"
)

// VersionInfo is what version prints with -o json and yaml.
type VersionInfo struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Client     string `json:"client"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
	// Kubernetes, Served and Controllers are absent with --client.
	Kubernetes string `json:"kubernetes,omitempty"`
	// Served are the versions of external-secrets.io that the cluster serves.
	Served []string `json:"served,omitempty"`
	// Controllers are the images of controllers that are deployed, where the caller
	// may see them.
	Controllers []string `json:"controllers,omitempty"`
	// Unknown says what could not be had, and why.
	Unknown []string `json:"unknown,omitempty"`
}

func newVersionCommand(o *Options) *cobra.Command {
	var clientOnly bool
	var output string
	c := &cobra.Command{
		Use: "version", Short: "Print the versions of plugin, cluster and controller",
		Long:    "Print the version of the plugin and, unless --client is given, of the cluster, of the API that it serves, and of the controllers in it.",
		Example: "  kubectl vaultsecret version --client\n  kubectl vaultsecret version -o json",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"", "json", "yaml"}, output) {
				return usage("--output=%s: want json or yaml", output)
			}
			info := VersionInfo{
				APIVersion: "vaultsecret.io/v1", Kind: "VersionInfo", Client: version.Version,
				Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
			}
			if !clientOnly {
				clients, err := o.clients()
				if err != nil {
					return err
				}
				if err := info.look(c.Context(), clients); err != nil {
					return fail(err, "kubectl vaultsecret version --client needs no cluster")
				}
			}
			return o.printVersion(info, output)
		},
	}
	c.Flags().BoolVar(&clientOnly, "client", false, "the plugin's own version only; needs no cluster")
	c.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (v *VersionInfo) look(ctx context.Context, clients *kube.Clients) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var server apiversion.Info
	if err := rawJSON(ctx, clients, &server, "/version"); err != nil {
		return fmt.Errorf("asking the cluster for its version: %w", err)
	}
	v.Kubernetes = kube.Printable(server.GitVersion, 64)
	var group metav1.APIGroup
	if err := rawJSON(ctx, clients, &group, "/apis", eso.Group); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("asking the cluster for its APIs: %w", err)
	}
	for _, served := range group.Versions {
		v.Served = append(v.Served, kube.Printable(served.Version, 64))
	}
	for _, selector := range []string{"app.kubernetes.io/name=vaultsecret-controller", "app.kubernetes.io/name=external-secrets"} {
		list, err := clients.Deployments("").List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: 20})
		if err != nil {
			v.Unknown = append(v.Unknown, "controllers: "+kube.Printable(err.Error(), 300))
			break
		}
		for _, d := range list.Items {
			for _, container := range d.Spec.Template.Spec.Containers {
				v.Controllers = append(v.Controllers, kube.Printable(d.Namespace+"/"+d.Name+": "+container.Image, 300))
			}
		}
	}
	return nil
}

// rawJSON reads what the API server says at a path.
func rawJSON(ctx context.Context, clients *kube.Clients, into any, path ...string) error {
	raw, err := clients.Raw(ctx, path...)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (o *Options) printVersion(v VersionInfo, output string) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(o.Out)
		encoder.SetIndent("", "    ")
		return encoder.Encode(v)
	case "yaml":
		doc, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = o.Out.Write(doc)
		return err
	}
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(o.Out, "%-12s %s\n", name+":", value)
		}
	}
	line("Plugin", v.Client+" ("+v.Go+", "+v.Platform+")")
	line("Kubernetes", v.Kubernetes)
	if v.Kubernetes != "" && len(v.Served) == 0 {
		line("API", eso.Group+" is not served: kubectl apply -k manifests/crds")
	} else if len(v.Served) > 0 {
		line("API", eso.Group+" "+strings.Join(v.Served, ", "))
	}
	for _, controller := range v.Controllers {
		line("Controller", controller)
	}
	for _, unknown := range v.Unknown {
		fmt.Fprintf(o.ErrOut, "unknown: %s\n", unknown)
	}
	return nil
}
