// Package webtest holds pages against their types and their texts, for the
// tests of whoever has pages.
package webtest

import (
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"text/template/parse"
	"unicode"

	"github.com/jba/templatecheck"
	"golang.org/x/net/html"

	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
)

// Catalogue loads the texts of package web and those given, and ends the test
// when they do not fit together.
func Catalogue(t testing.TB, texts ...fs.FS) *locale.Catalogue {
	t.Helper()
	c, err := locale.Load(append([]fs.FS{web.Texts}, texts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Server returns a server that is not started, with those texts. Requests go
// to its ServeHTTP.
func Server(t testing.TB, o web.Options, texts ...fs.FS) *web.Server {
	t.Helper()
	if o.Text == nil {
		o.Text = Catalogue(t, texts...)
	}
	s, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Check fails the test where the page's template asks for what its data does
// not have, names a text that no catalogue has or gives it the wrong
// placeholders, or holds visible words of its own.
func Check[D any](t testing.TB, c *locale.Catalogue, page *web.Page[D]) {
	t.Helper()
	if err := templatecheck.CheckHTMLStrict(page.Template, web.View[D]{}); err != nil {
		t.Errorf("%s: %v", page.Name, err)
	}
	for _, part := range page.Template.Templates() {
		if part.Tree == nil || part.Tree.Root == nil {
			continue
		}
		for _, fault := range texts(c, part.Tree.Root) {
			t.Errorf("%s: %s: %s", page.Name, part.Name(), fault)
		}
		for _, word := range words(part) {
			t.Errorf("%s: %s: visible words outside of the catalogues: %q", page.Name, part.Name(), word)
		}
	}
}

// texts returns what is wrong with the calls of T and N under a node.
func texts(c *locale.Catalogue, root parse.Node) (faults []string) {
	walk(root, func(n parse.Node) {
		command, ok := n.(*parse.CommandNode)
		if !ok || len(command.Args) < 2 {
			return
		}
		method := ""
		switch arg := command.Args[0].(type) {
		case *parse.FieldNode:
			method = strings.Join(arg.Ident, ".")
		case *parse.VariableNode:
			method = strings.Join(arg.Ident[1:], ".")
		}
		key, literal := command.Args[1].(*parse.StringNode)
		if method != "T" && method != "N" || !literal {
			return
		}
		if !c.Has(key.Text) {
			faults = append(faults, fmt.Sprintf("there is no text %q", key.Text))
			return
		}
		wanted, plural := c.Placeholders(key.Text)
		given := command.Args[2:]
		if plural != (method == "N") {
			faults = append(faults, fmt.Sprintf("%q is called with %s; plural forms: %v", key.Text, method, plural))
			return
		}
		if method == "N" {
			given = given[min(1, len(given)):]
		}
		var names []string
		for i := 0; i < len(given); i += 2 {
			if name, ok := given[i].(*parse.StringNode); ok {
				names = append(names, name.Text)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, wanted) {
			faults = append(faults, fmt.Sprintf("%q wants %v and gets %v", key.Text, wanted, names))
		}
	})
	return faults
}

// walk calls f for every node under n, n included.
func walk(n parse.Node, f func(parse.Node)) {
	branch := func(b *parse.BranchNode) {
		walk(b.Pipe, f)
		walk(b.List, f)
		if b.ElseList != nil {
			walk(b.ElseList, f)
		}
	}
	f(n)
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			walk(child, f)
		}
	case *parse.ActionNode:
		walk(n.Pipe, f)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			walk(n.Pipe, f)
		}
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, command := range n.Cmds {
			walk(command, f)
		}
	case *parse.CommandNode:
		for _, arg := range n.Args {
			walk(arg, f)
		}
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	}
}

// shown are the attributes whose value is shown or read out.
var shown = []string{"alt", "aria-description", "aria-label", "data-label", "placeholder", "title"}

// words returns the words that a template says by itself.
func words(part *template.Template) (found []string) {
	if part.Name() == "wide" { // a class, not words
		return nil
	}
	var markup strings.Builder
	walk(part.Tree.Root, func(n parse.Node) {
		if text, ok := n.(*parse.TextNode); ok {
			markup.Write(text.Text)
		}
	})
	// The tokenizer takes what stands in noscript for text.
	plain := strings.NewReplacer("<noscript>", "", "</noscript>", "").Replace(markup.String())
	tokens := html.NewTokenizer(strings.NewReader(plain))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return found
		case html.TextToken:
			if text := strings.TrimSpace(string(tokens.Text())); strings.ContainsFunc(text, unicode.IsLetter) {
				found = append(found, text)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			for _, a := range tokens.Token().Attr {
				if slices.Contains(shown, a.Key) && strings.ContainsFunc(a.Val, unicode.IsLetter) {
					found = append(found, a.Key+"="+a.Val)
				}
			}
		}
	}
}
