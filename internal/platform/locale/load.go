package locale

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed own/*.toml
var own embed.FS

// forms are the plural forms of CLDR; "other" is every text's default.
var forms = []string{"zero", "one", "two", "few", "many", "other"}

// required are the forms that a plural text must have, by language. French
// also knows "many" (for millions); where it is missing, "other" serves.
var required = map[string][]string{
	"nl": {"one", "other"}, "fr": {"one", "other"}, "de": {"one", "other"}, "en": {"one", "other"},
}

// message is one text as it stands in one file.
type message struct {
	forms map[string]string
	note  string
	draft bool
	file  string
}

// Load reads {nl,fr,de,en}.toml from the root of each file system, or from a
// directory in it, and joins them with this package's own texts. The
// error names every fault of every file: what cannot be parsed, a key that
// stands twice, that a language lacks, whose placeholders differ, or that lacks
// a plural form.
func Load(files ...fs.FS) (*Catalogue, error) {
	l := loader{found: map[string]map[string]message{}}
	for _, lang := range Languages() {
		l.found[lang] = map[string]message{}
	}
	for i, f := range append([]fs.FS{own}, files...) {
		l.directory(i, f)
	}
	l.compare()
	if len(l.faults) > 0 {
		return nil, errors.Join(l.faults...)
	}
	return l.build()
}

type loader struct {
	found  map[string]map[string]message // language, key
	faults []error
}

func (l *loader) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf("locale: "+format, args...))
}

func (l *loader) directory(n int, files fs.FS) {
	dir, err := root(files)
	if err != nil {
		l.fault("catalogue %d: %w", n, err)
		return
	}
	for _, lang := range Languages() {
		name := path.Join(dir, lang+".toml")
		data, err := fs.ReadFile(files, name)
		if err != nil {
			l.fault("catalogue %d: %w", n, err)
			continue
		}
		var tree map[string]any
		if _, err := toml.Decode(string(data), &tree); err != nil {
			l.fault("%s: %w", name, err)
			continue
		}
		draft, _ := tree["draft"].(bool)
		delete(tree, "draft")
		l.walk(lang, fmt.Sprintf("%s (catalogue %d)", name, n), "", tree, draft)
	}
}

// root finds the directory that holds the files: the root itself, or a
// directory in it, as go:embed keeps directories in its names.
func root(files fs.FS) (string, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return "", err
	}
	found := ""
	for _, dir := range append([]string{"."}, directories(entries)...) {
		if _, err := fs.Stat(files, path.Join(dir, fallback+".toml")); err != nil {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("texts in both %s and %s", found, dir)
		}
		found = dir
	}
	if found == "" {
		return "", fmt.Errorf("no %s.toml in it or in a directory of it", fallback)
	}
	return found, nil
}

func directories(entries []fs.DirEntry) (names []string) {
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// walk collects the texts of one table.
func (l *loader) walk(lang, file, prefix string, table map[string]any, draft bool) {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		key := name
		if prefix != "" {
			key = prefix + "." + name
		}
		switch v := table[name].(type) {
		case string:
			l.add(lang, key, message{forms: map[string]string{"other": v}, draft: draft, file: file})
		case map[string]any:
			if _, ok := v["other"].(string); !ok {
				l.walk(lang, file, key, v, draft)
				continue
			}
			l.add(lang, key, l.read(key, v, message{draft: draft, file: file}))
		default:
			l.fault("%s: %s is neither a text nor a table", file, key)
		}
	}
}

// read makes a message of a table that has "other".
func (l *loader) read(key string, table map[string]any, m message) message {
	m.forms = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		switch v := table[name].(type) {
		case string:
			switch {
			case name == "note":
				m.note = v
			case slices.Contains(forms, name):
				m.forms[name] = v
			default:
				l.fault("%s: %s: %q is not a plural form", m.file, key, name)
			}
		case bool:
			if name != "draft" {
				l.fault("%s: %s: %q is not a text", m.file, key, name)
			}
			m.draft = v
		default:
			l.fault("%s: %s: %q is not a text", m.file, key, name)
		}
	}
	return m
}

func (l *loader) add(lang, key string, m message) {
	if first, ok := l.found[lang][key]; ok {
		l.fault("%s: %s stands in %s as well", m.file, key, first.file)
		return
	}
	l.found[lang][key] = m
}

// compare holds the languages against each other.
func (l *loader) compare() {
	keys := map[string]bool{}
	for _, messages := range l.found {
		for key := range messages {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		var first string // the language the others are held against
		var names []string
		var plural bool
		for _, lang := range Languages() {
			m, ok := l.found[lang][key]
			if !ok {
				l.fault("%s lacks %s", lang, key)
				continue
			}
			got, ok := l.placeholders(lang, key, m)
			if !ok {
				continue
			}
			switch {
			case first == "":
				first, names, plural = lang, got, m.plural()
			case m.plural() != plural:
				l.fault("%s: plural forms in only one of %s and %s", key, first, lang)
			case !slices.Equal(got, names):
				l.fault("%s: placeholders [%s] in %s, [%s] in %s", key, strings.Join(names, " "), first, strings.Join(got, " "), lang)
			}
			if m.plural() {
				for _, form := range required[lang] {
					if m.forms[form] == "" {
						l.fault("%s lacks the form %q of %s", lang, form, key)
					}
				}
			}
		}
	}
}

func (m message) plural() bool { return len(m.forms) > 1 }

// placeholders returns the sorted names used in any form, Count left out of a
// plural text. Anything but a plain name is a fault.
func (l *loader) placeholders(lang, key string, m message) (names []string, ok bool) {
	seen := map[string]bool{}
	for _, form := range slices.Sorted(maps.Keys(m.forms)) {
		text := m.forms[form]
		if text == "" {
			l.fault("%s: %s is empty", lang, key)
			return nil, false
		}
		trees, err := parse.Parse("text", text, "{{", "}}")
		if err != nil {
			l.fault("%s: %s: %w", lang, key, err)
			return nil, false
		}
		for _, node := range trees["text"].Root.Nodes {
			name, ok := placeholder(node)
			if !ok {
				l.fault("%s: %s: %q is not a plain placeholder such as {{.Name}}", lang, key, node)
				return nil, false
			}
			if name != "" && (name != "Count" || !m.plural()) {
				seen[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), true
}

// placeholder returns the name that a node stands for, "" for plain text.
func placeholder(node parse.Node) (name string, ok bool) {
	switch n := node.(type) {
	case *parse.TextNode:
		return "", true
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
			return "", false
		}
		if f, isField := n.Pipe.Cmds[0].Args[0].(*parse.FieldNode); isField && len(f.Ident) == 1 {
			return f.Ident[0], true
		}
	}
	return "", false
}

// build makes the catalogue of what was found and compared.
func (l *loader) build() (*Catalogue, error) {
	bundle := i18n.NewBundle(language.English)
	c := &Catalogue{languages: map[string]*texts{}}
	var tags []language.Tag
	for _, lang := range Languages() {
		tag, err := language.Parse(lang)
		if err != nil {
			return nil, fmt.Errorf("locale: %s: %w", lang, err)
		}
		tags = append(tags, tag)
		t := &texts{entries: map[string]entry{}}
		for key, m := range l.found[lang] {
			names, _ := l.placeholders(lang, key, m)
			e := entry{names: names, plural: m.plural(), draft: m.draft}
			if !e.plural && len(names) == 0 {
				e.fixed = m.forms["other"]
			}
			t.entries[key] = e
			many := m.forms["many"]
			if many == "" {
				many = m.forms["other"]
			}
			if err := bundle.AddMessages(tag, &i18n.Message{
				ID: key, Description: m.note,
				Zero: m.forms["zero"], One: m.forms["one"], Two: m.forms["two"],
				Few: m.forms["few"], Many: many, Other: m.forms["other"],
			}); err != nil {
				return nil, fmt.Errorf("locale: %s: %s: %w", lang, key, err)
			}
		}
		c.languages[lang] = t
	}
	for lang, t := range c.languages {
		t.localizer = i18n.NewLocalizer(bundle, lang)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}
