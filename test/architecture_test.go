package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/belfry-centre/belfry"

// A floor of the house. A package imports downward only; what stands beside
// it on the same floor is out of reach unless the floor says otherwise.
type floor struct {
	name     string
	height   int
	sideways bool // packages of this floor may import each other
}

var (
	command    = floor{name: "cmd", height: 6}
	program    = floor{name: "whole programs: built on app, or measuring analysis", height: 5}
	app        = floor{name: "app", height: 4}
	capability = floor{name: "capability", height: 3}
	parts      = floor{name: "parts", height: 2}
	platform   = floor{name: "platform", height: 1, sideways: true}
	analysis   = floor{name: "analysis", height: 1, sideways: true}
)

// shared are capabilities whose exported face every sibling may import.
var shared = []string{"internal/organisation"}

func floorOf(pkg string) floor {
	first, rest, _ := strings.Cut(pkg, "/")
	if first == "cmd" {
		return command
	}
	second, _, _ := strings.Cut(rest, "/")
	switch second {
	case "app":
		return app
	case "bench", "demo", "learning":
		return program
	case "parts":
		return parts
	case "platform":
		return platform
	case "analysis":
		return analysis
	default:
		return capability
	}
}

// room is the part of a package's path that names its subject: what lies below
// it belongs to it.
func room(pkg string) string {
	elements := strings.Split(pkg, "/")
	return path.Join(elements[:min(2, len(elements))]...)
}

func mayImport(from, to string) bool {
	f, t := floorOf(from), floorOf(to)
	switch {
	case room(from) == room(to):
		return true
	case f == analysis || t == analysis && f == platform:
		return false // analysis stands alone, and platform does not know it
	case f == parts && t != platform:
		return false
	case t.height < f.height:
		return true
	case t == f && f.sideways:
		return true
	default:
		return slices.Contains(shared, to)
	}
}

func TestMayImport(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"internal/report", "internal/platform/job", true},
		{"internal/report", "internal/analysis/verdict", true},
		{"internal/report", "internal/answer", false},
		{"internal/report", "internal/organisation", true},
		{"internal/report", "internal/app", false},
		{"internal/app", "internal/report", true},
		{"internal/platform/web", "internal/platform/locale", true},
		{"internal/platform/web", "internal/report", false},
		{"internal/platform/web", "internal/parts", false},
		{"internal/platform/raw", "internal/analysis/message", false},
		{"internal/analysis/message", "internal/platform/fault", false},
		{"internal/analysis/verdict", "internal/analysis/message", true},
		{"internal/parts", "internal/analysis", false},
		{"internal/parts", "internal/report", false},
		{"internal/demo", "internal/app", true},
		{"internal/app", "internal/demo", false},
		{"cmd/belfry", "internal/demo", true},
		{"internal/learning", "internal/analysis/verdict", true},
		{"internal/app", "internal/learning", false},
	} {
		if got := mayImport(c.from, c.to); got != c.want {
			t.Errorf("mayImport(%s, %s) = %v", c.from, c.to, got)
		}
	}
}

// goFile is one source file of the module.
type goFile struct {
	pkg, name string // the folder below the module, and the file's name
	ast       *ast.File
}

func (f goFile) test() bool { return strings.HasSuffix(f.name, "_test.go") }

func sources(t *testing.T) (all []goFile) {
	t.Helper()
	fset := token.NewFileSet()
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") {
				return err
			}
			tree, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel("..", p)
			rel = filepath.ToSlash(rel)
			all = append(all, goFile{pkg: path.Dir(rel), name: path.Base(rel), ast: tree})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d files found", len(all))
	}
	return all
}

func TestFloors(t *testing.T) {
	for _, f := range sources(t) {
		for _, imp := range f.ast.Imports {
			imported, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			to, ours := strings.CutPrefix(imported, module+"/")
			if ours && !mayImport(f.pkg, to) {
				t.Errorf("%s/%s imports %s: from the floor %q to %q", f.pkg, f.name, to, floorOf(f.pkg).name, floorOf(to).name)
			}
		}
	}
}

// TestAnalysisIsPure keeps the outside world out of analysis: it gets bytes
// and evidence, and the same input always gives the same facts.
func TestAnalysisIsPure(t *testing.T) {
	forbidden := []string{"os", "os/exec", "net", "net/http", "net/smtp", "database/sql", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "syscall"}
	for _, f := range sources(t) {
		if floorOf(f.pkg) != analysis || f.test() {
			continue
		}
		for _, imp := range f.ast.Imports {
			if p, _ := strconv.Unquote(imp.Path.Value); slices.Contains(forbidden, p) {
				t.Errorf("%s/%s imports %s", f.pkg, f.name, p)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Sleep", "NewTimer"}, sel.Sel.Name) {
					t.Errorf("%s/%s asks the clock: time.%s", f.pkg, f.name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if !f.test() {
			documented[f.pkg] = documented[f.pkg] || f.ast.Doc != nil
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", pkg)
		}
		for _, vague := range []string{"util", "utils", "common", "helper", "helpers", "misc", "models", "manager"} {
			if path.Base(pkg) == vague {
				t.Errorf("%s: the name says nothing", pkg)
			}
		}
	}
}

// TestNoGlobalsNoExits: the program's parts are handed down, and only main
// ends the process.
func TestNoGlobalsNoExits(t *testing.T) {
	for _, f := range sources(t) {
		if f.test() || strings.HasPrefix(f.pkg, "cmd/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			if x.Name == "os" && sel.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(sel.Sel.Name, "Fatal") ||
				x.Name == "slog" && sel.Sel.Name == "SetDefault" || x.Name == "prometheus" && sel.Sel.Name == "DefaultRegisterer" {
				t.Errorf("%s/%s uses %s.%s", f.pkg, f.name, x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}
