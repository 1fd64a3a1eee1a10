package archtest_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "vaultsecret.io/kubectl-vaultsecret/"

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath, Dir, Doc string
	GoFiles              []string
	Imports, Deps        []string
}

// packages lists this module's packages.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports,Deps", "./...")
	list.Dir = filepath.Join("..", "..")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

// TestImports holds docs/architecture.md to its word.
func TestImports(t *testing.T) {
	const vaultAPI, clientGo = "github.com/hashicorp/vault/api", "k8s.io/client-go"
	all := packages(t)
	for _, rule := range []struct {
		room string
		// never are import paths, or their beginnings, that the room must not reach,
		// directly or through others.
		never []string
	}{
		{"internal/redact", []string{module, vaultAPI, clientGo}},
		{"internal/kv", []string{module, vaultAPI, clientGo, "k8s.io/"}},
		{"internal/eso", []string{module, vaultAPI, clientGo}},
		{"internal/mapping", []string{vaultAPI, clientGo}},
		{"internal/plan", []string{vaultAPI, clientGo}},
		{"internal/engine", []string{vaultAPI, clientGo, module + "internal/vault", module + "internal/store", module + "internal/kube"}},
		{"internal/diagnose", []string{vaultAPI, clientGo, module + "internal/kube", module + "internal/vault", module + "internal/store", module + "internal/mapping"}},
		{"internal/vault", []string{clientGo, module + "internal/kube", module + "internal/store", module + "internal/eso", module + "internal/engine"}},
		{"internal/store", []string{clientGo, module + "internal/kube", module + "internal/engine", module + "controller", module + "plugin"}},
		{"internal/kube", []string{vaultAPI, module + "internal/vault", module + "internal/store", module + "internal/engine", module + "controller", module + "plugin"}},
		{"internal/gather", []string{module + "controller", module + "plugin", module + "internal/sandbox"}},
		{"internal/bootstrap", []string{module + "controller", module + "plugin", module + "internal/sandbox"}},
		// Each of these links every API group that there is.
		{"controller", []string{clientGo + "/kubernetes", clientGo + "/discovery", clientGo + "/informers", clientGo + "/tools/leaderelection"}},
		{"controller", []string{module + "plugin", module + "internal/gather", module + "internal/diagnose", module + "internal/bootstrap", module + "internal/sandbox", "k8s.io/cli-runtime", "github.com/spf13/cobra"}},
		{"plugin", []string{module + "controller", module + "internal/sandbox"}},
	} {
		p, ok := all[rule.room]
		if !ok {
			t.Errorf("%s is gone; correct docs/architecture.md and this rule", rule.room)
			continue
		}
		for _, dep := range p.Deps {
			for _, never := range rule.never {
				if dep == strings.TrimSuffix(never, "/") || strings.HasPrefix(dep, strings.TrimSuffix(never, "/")+"/") {
					if dep != module+rule.room {
						t.Errorf("%s reaches %s", rule.room, dep)
					}
				}
			}
		}
	}
}

// TestPackageComments: every package says what it is for.
func TestPackageComments(t *testing.T) {
	for name, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", name)
		}
	}
}

// TestSources looks at each file: no init, no mutable globals, no names that say
// nothing, no file that holds more than one idea can fill.
func TestSources(t *testing.T) {
	vague := regexp.MustCompile(`(Helper|Util|Utils|Common)$|^Manager.|[a-z]Manager$|^(Get|get)[A-Z]`)
	for name, p := range packages(t) {
		var files []*ast.File
		for _, file := range p.GoFiles {
			path := filepath.Join(p.Dir, file)
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(f) {
				continue
			}
			files = append(files, f)
			where := func(n ast.Node) string {
				at := set.Position(n.Pos())
				return filepath.Join(name, filepath.Base(at.Filename)) + ":" + at.String()[strings.LastIndex(at.String()[:strings.LastIndex(at.String(), ":")], ":")+1:]
			}
			if lines := set.File(f.Pos()).LineCount(); lines > 350 {
				t.Errorf("%s/%s has %d lines", name, file, lines)
			}
			for _, decl := range f.Decls {
				checkDecl(t, decl, vague, where)
			}
		}
		for _, variable := range assigned(files) {
			t.Errorf("%s: the global %s is assigned to", name, variable)
		}
	}
}

func checkDecl(t *testing.T, decl ast.Decl, vague *regexp.Regexp, where func(ast.Node) string) {
	t.Helper()
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.Name == "init" {
			t.Errorf("%s: an init function", where(d))
		}
		if vague.MatchString(d.Name.Name) && !kubernetesOwn(d.Name.Name) {
			t.Errorf("%s: the name %s says nothing", where(d), d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if vague.MatchString(s.Name.Name) {
					t.Errorf("%s: the name %s says nothing", where(s), s.Name.Name)
				}
			}
		}
	}
}

// kubernetesOwn reports whether a name ends in one of Kubernetes' own words.
func kubernetesOwn(name string) bool {
	return strings.HasSuffix(name, "FieldManager") || strings.HasSuffix(name, "ControllerManager")
}

// assigned lists the package-level variables that the package's code changes.
func assigned(files []*ast.File) []string {
	globals := map[string]*ast.ValueSpec{}
	for _, f := range files {
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if name.Name != "_" {
						globals[name.Name] = spec.(*ast.ValueSpec)
					}
				}
			}
		}
	}
	var changed []string
	mark := func(e ast.Expr) {
		id := root(e)
		if id == nil || globals[id.Name] == nil || id.Obj != nil && id.Obj.Decl != globals[id.Name] {
			return
		}
		changed = append(changed, id.Name)
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch s := n.(type) {
			case *ast.AssignStmt:
				for _, left := range s.Lhs {
					if s.Tok != token.DEFINE {
						mark(left)
					}
				}
			case *ast.IncDecStmt:
				mark(s.X)
			}
			return true
		})
	}
	return changed
}

// root is the variable at the left end of an expression.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}
