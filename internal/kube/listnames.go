package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// asTable asks for what `kubectl get` prints.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// Names lists the names of the objects of a kind, atOnce with each request, and calls
// yield with each chunk, in the API server's order, by namespace and name; namespace "" is
// all. It asks for tables without the objects: a row has two hundred bytes, where the metadata of an
// ExternalSecret, most of it managed fields, has two kilobytes as JSON and a third of
// that as protobuf. The names are as the API server says them, not made printable.
func (c *Clients) Names(ctx context.Context, resource schema.GroupVersionResource, namespace string, atOnce int, yield func([]string)) error {
	path := []string{"/apis", resource.Group, resource.Version}
	if resource.Group == "" {
		path = []string{"/api", resource.Version}
	}
	if namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	path = append(path, resource.Resource)
	for next := ""; ; {
		request := c.core.Get().AbsPath(path...).SetHeader("Accept", asTable).
			Param("includeObject", string(metav1.IncludeNone)).Param("limit", strconv.Itoa(atOnce))
		if next != "" {
			request.Param("continue", next)
		}
		raw, err := request.DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("listing names of %s: %w", resource.Resource, err)
		}
		var t nameTable
		if err := json.Unmarshal(raw, &t); err != nil {
			return fmt.Errorf("listing names of %s: the API server's table: %w", resource.Resource, err)
		}
		yield(t.names())
		if next = t.Metadata.Continue; next == "" {
			return nil
		}
	}
}

// nameTable is what is read of a metav1.Table: a cell that is not a name stays bytes.
type nameTable struct {
	Metadata          metav1.ListMeta
	ColumnDefinitions []struct{ Format string }
	Rows              []struct{ Cells []json.RawMessage }
}

// names are the cells of the column whose format is "name": the API's word for the
// column that identifies the object.
func (t nameTable) names() []string {
	at := slices.IndexFunc(t.ColumnDefinitions, func(c struct{ Format string }) bool { return c.Format == "name" })
	names := make([]string, 0, len(t.Rows))
	for _, row := range t.Rows {
		var name string
		if at >= 0 && at < len(row.Cells) && json.Unmarshal(row.Cells[at], &name) == nil {
			names = append(names, name)
		}
	}
	return names
}
