package plugin

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nothing says that nothing was found.
func (a *auditing) nothing(f found) { fmt.Fprintln(a.ErrOut, f.nothing()) }

func (a *auditing) write(r *AuditReport) error {
	switch a.output {
	case "", "table":
		return a.table(r)
	case "csv":
		doc, err := auditCSV(r)
		if err == nil {
			_, err = a.Out.Write(doc)
		}
		return err
	}
	return printObject(a.print, a.output, r, a.Out)
}

// table is one row a path, and below it what is not known.
func (a *auditing) table(r *AuditReport) error {
	header := []string{"MAPPING", "PATH", "VERSION", "AGE", "LAST SYNC", "DRIFT", "SECRET READERS", "PATH READERS"}
	if a.allNamespaces {
		header = slices.Insert(header, 0, "NAMESPACE")
	}
	var rows [][]string
	for _, m := range r.Items {
		paths := m.Paths
		if len(paths) == 0 {
			paths = []AuditPath{{}}
		}
		for _, p := range paths {
			row := []string{m.Name, orDash(p.Path), p.versions(), p.age(a.marks()), stamp(m.LastSync), m.Drift, strconv.Itoa(len(m.Readers)), p.policies()}
			if a.allNamespaces {
				row = slices.Insert(row, 0, m.Namespace)
			}
			rows = append(rows, row)
		}
	}
	out := a.text(a.Out)
	if len(rows) > 0 {
		if err := table(out, header, rows); err != nil {
			return err
		}
	}
	for _, v := range r.Vaults {
		switch {
		case v.Error != "":
			fmt.Fprintf(out, "%s audit device of %s: not known\n", a.marks().Skip, v.Address)
		case len(v.Devices) == 0:
			fmt.Fprintf(out, "%s %s has NO audit device\n", a.marks().Fail, v.Address)
		default:
			var names []string
			for _, d := range v.Devices {
				names = append(names, d.Path+" ("+d.Type+")")
			}
			fmt.Fprintf(out, "%s %s has an audit device: %s\n", a.marks().OK, v.Address, strings.Join(names, ", "))
		}
	}
	for _, what := range r.NotSeen {
		fmt.Fprintf(out, "%s not seen: %s\n", a.marks().Skip, what)
	}
	s := r.Summary
	fmt.Fprintf(a.ErrOut, "%s, %s: %d not Ready, %d drifted, %d of unknown drift, %d older than allowed, %d of unknown age.\n",
		count(s.Mappings, "mapping"), count(s.Paths, "path"), s.NotReady, s.Drifted, s.Unknown, s.Overdue, s.AgeUnknown)
	return nil
}

// versions is "3", or "2 → 3" where the cluster has another than the newest.
func (p AuditPath) versions() string {
	switch {
	case p.Newest == 0:
		return "-"
	case p.InCluster != 0 && p.InCluster != p.Newest:
		return fmt.Sprintf("%d → %d", p.InCluster, p.Newest)
	}
	return strconv.Itoa(p.Newest)
}

func (p AuditPath) age(m marks) string {
	switch {
	case p.AgeDays == nil:
		return "?"
	case p.Overdue != nil && *p.Overdue:
		return fmt.Sprintf("%s %dd", m.Fail, *p.AgeDays)
	}
	return fmt.Sprintf("%dd", *p.AgeDays)
}

func (p AuditPath) policies() string {
	if p.PoliciesError != "" && len(p.Policies) == 0 {
		return "?"
	}
	var names []string
	for _, one := range p.Policies {
		names = append(names, one.Policy)
	}
	text := firstOf(names, 4)
	if p.PoliciesError != "" {
		text += ", ?"
	}
	return orDash(text)
}

func stamp(t *metav1.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// auditCSV is one row a path. A cell that a spreadsheet would take for a formula gets an
// apostrophe before it.
func auditCSV(r *AuditReport) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{
		"namespace", "mapping", "secret", "controller", "ready", "last_sync", "drift", "drift_keys", "store", "vault", "path", "in_cluster", "newest",
		"written", "written_by", "age_days", "overdue", "secret_readers", "path_policies", "consumers", "not_seen",
	}}
	for _, m := range r.Items {
		paths := m.Paths
		if len(paths) == 0 {
			paths = []AuditPath{{}}
		}
		var readers []string
		for _, reader := range m.Readers {
			name := reader.Kind + " " + strings.TrimPrefix(reader.Namespace+"/"+reader.Name, "/")
			readers = append(readers, name+" ("+strings.Join(reader.Verbs, "+")+" by "+reader.Via+")")
		}
		for _, p := range paths {
			var policies []string
			for _, one := range p.Policies {
				policies = append(policies, strings.TrimSuffix(one.Policy+" ("+one.Rule+")", " ()"))
			}
			rows = append(rows, []string{
				m.Namespace, m.Name, m.Secret.Name, m.Keeper, m.Ready, stamp(m.LastSync), m.Drift, strings.Join(m.DriftKeys, "; "), p.Store, p.Vault, p.Path,
				number(p.InCluster), number(p.Newest), stamp(p.Written), p.WrittenBy, optional(p.AgeDays), optional(p.Overdue), strings.Join(readers, "; "),
				strings.Join(policies, "; "), strings.Join(m.Consumers, "; "), strings.Join(m.NotSeen, "; "),
			})
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && cell != "-" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func optional[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(*value)
}

// pack writes the evidence: the report, the table, what it is, and the sums of all.
func (a *auditing) pack(file *os.File, r *AuditReport) error {
	report, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	rows, err := auditCSV(r)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("Evidence on secrets from Vault in Kubernetes, made by %s at %s on %s.\n\n"+
		"audit.json       the whole report (kind AuditReport)\naudit.csv        one row for each path of each mapping\n"+
		"manifest.sha256  checksums: sha256sum -c manifest.sha256\n\n"+
		"It holds no secret values. What the one who made it was not allowed to see is under notSeen, and is not counted as\n"+
		"good. Readers by RBAC leave out those who may run a Pod that mounts the Secret, and authorizers other than RBAC.\n",
		r.Program, r.Generated.UTC().Format(time.RFC3339), r.Cluster)
	files := []struct {
		name string
		data []byte
	}{{"README.txt", []byte(about)}, {"audit.csv", rows}, {"audit.json", append(report, '\n')}}
	var manifest bytes.Buffer
	w := zip.NewWriter(file)
	add := func(name string, data []byte) error {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: r.Generated.Time})
		if err == nil {
			_, err = io.Copy(entry, bytes.NewReader(data))
		}
		return err
	}
	for _, f := range files {
		fmt.Fprintf(&manifest, "%x  %s\n", sha256.Sum256(f.data), f.name)
		if err := add(f.name, f.data); err != nil {
			return fmt.Errorf("writing %s: %w", a.out, err)
		}
	}
	if err := add("manifest.sha256", manifest.Bytes()); err != nil {
		return fmt.Errorf("writing %s: %w", a.out, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", a.out, err)
	}
	return file.Sync()
}
