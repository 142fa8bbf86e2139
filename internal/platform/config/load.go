package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Sources says where settings come from. Every field may be left empty.
type Sources struct {
	File    string            // path of a TOML file, up to 1 MiB
	Environ []string          // "NAME=value", as os.Environ returns
	Prefix  string            // of the names in Environ that are ours, such as "BELFRY_"
	Flags   map[string]string // key to value, as written on the command line
}

// Origin says which source a setting came from.
type Origin string

const (
	FromDefault Origin = "default"
	FromFile    Origin = "file"
	FromEnv     Origin = "environment"
	FromFlag    Origin = "flag"
)

// Loaded tells about a successful Load.
type Loaded struct {
	// From has the origin of every setting that is not a default, by key.
	From map[string]Origin
	// Strange are names with the prefix that stand for no setting. They are
	// not a fault, for a supervisor may set some of its own.
	Strange []string
}

// Problem is one thing wrong with the settings.
type Problem struct {
	Where string // the file, the environment variable or the flag
	Position
	Key     string // "smtp.addr", "desk[1].language"; "" when it is not about one
	Message string // what is wrong; never a secret
}

// Position is a place in the file, counted from 1; Line 0 is none.
type Position struct{ Line, Column int }

// String writes "belfry.toml:12:3: smtp.adr: unknown key".
func (p Problem) String() string {
	var b strings.Builder
	if p.Where != "" {
		b.WriteString(p.Where)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Error is every fault that Load found, those of the file first and in its
// order.
type Error struct{ Problems []Problem }

// Error writes one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Validator is a struct in the settings that checks what types cannot. The
// problems' keys are relative to it: Problem{Key: "addr", Message: "…"}.
type Validator interface{ Validate() []Problem }

const maxFile = 1 << 20

// Load fills v, a pointer to a struct, from its defaults and the sources. Every
// fault of the settings is in the one *Error, which is of kind Invalid; any
// other error means that v's type is not one this package can fill.
func Load(v any, src Sources) (*Loaded, error) {
	root, err := schemaOf(v)
	if err != nil {
		return nil, err
	}
	l := &loader{src: src, root: root, from: map[string]Origin{}, where: map[string]place{}}
	if err := defaults(root, reflect.ValueOf(v).Elem()); err != nil {
		return nil, err
	}
	value := reflect.ValueOf(v).Elem()
	l.file(value)
	strange := l.environ(value)
	l.flags(value)
	l.validate(value, "")
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b Problem) int {
			switch {
			case a.Line == 0 && b.Line == 0:
				return 0
			case a.Line == 0:
				return 1
			case b.Line == 0:
				return -1
			case a.Line != b.Line:
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, fault.Wrap(fault.Invalid, &Error{Problems: l.problems}, "")
	}
	return &Loaded{From: l.from, Strange: strange}, nil
}

// Defaults sets every field of v, a pointer to a struct, that has a default.
func Defaults(v any) error {
	root, err := schemaOf(v)
	if err != nil {
		return err
	}
	return defaults(root, reflect.ValueOf(v).Elem())
}

type loader struct {
	src      Sources
	root     *node
	from     map[string]Origin
	where    map[string]place // of each setting that was given
	problems []Problem
}

// place is where a setting was given.
type place struct {
	where string
	Position
}

func (l *loader) add(at place, key, message string) {
	l.problems = append(l.problems, Problem{Where: at.where, Position: at.Position, Key: key, Message: message})
}

// file reads the TOML file into v.
func (l *loader) file(v reflect.Value) {
	name := l.src.File
	if name == "" {
		return
	}
	data, err := readBounded(name, maxFile)
	if err != nil {
		l.add(place{where: name}, "", err.Error())
		return
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		at := place{where: name}
		message := err.Error()
		if p, ok := errors.AsType[toml.ParseError](err); ok {
			at.Position = Position{max(p.Position.Line, 1), max(p.Position.Col, 1)} // at the end of the file it counts from 0
			message = p.Message
		}
		l.add(at, "", message)
		return
	}
	d := decoder{loader: l, name: name, positions: locate(string(data)), dir: filepath.Dir(name)}
	d.table(l.root, v, tree, "")
}

// environ reads the variables with the prefix into v and returns the names of
// those that stand for nothing.
func (l *loader) environ(v reflect.Value) (strange []string) {
	names := map[string]target{}
	l.root.each(func(n *node, file bool) {
		names[l.src.Prefix+envName(n.key(file))] = target{n, file}
		if n.env != "" && !file {
			names[l.src.Prefix+n.env] = target{n, false}
		}
	})
	set := map[*node]string{}
	for _, entry := range l.src.Environ {
		name, text, ok := strings.Cut(entry, "=")
		if !ok || l.src.Prefix == "" || !strings.HasPrefix(name, l.src.Prefix) {
			continue
		}
		t, ok := names[name]
		if !ok {
			strange = append(strange, name)
			continue
		}
		if first, ok := set[t.node]; ok {
			l.add(place{where: name}, t.node.path, "is set by "+first+" as well")
			continue
		}
		set[t.node] = name
		l.text(v, t, text, place{where: name}, FromEnv)
	}
	slices.Sort(strange)
	return strange
}

// flags reads the command line into v.
func (l *loader) flags(v reflect.Value) {
	byKey := map[string]target{}
	l.root.each(func(n *node, file bool) { byKey[n.key(file)] = target{n, file} })
	keys := make([]string, 0, len(l.src.Flags))
	for key := range l.src.Flags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		at := place{where: "command line"}
		t, ok := byKey[key]
		if !ok {
			l.add(at, key, "unknown key"+suggest(key, l.root))
			continue
		}
		l.text(v, t, l.src.Flags[key], at, FromFlag)
	}
}

// target is a setting, or the sibling that names the file of its value.
type target struct {
	node *node
	file bool
}

// text sets one setting from its written form.
func (l *loader) text(v reflect.Value, t target, text string, at place, origin Origin) {
	key := t.node.key(t.file)
	if t.file {
		secret, err := readSecret(text, "")
		if err != nil {
			l.add(at, key, err.Error())
			return
		}
		text = secret
	}
	if err := t.node.setText(t.node.field(v), text); err != nil {
		l.add(at, key, err.Error())
		return
	}
	// What a lower source got wrong about this setting no longer matters.
	l.problems = slices.DeleteFunc(l.problems, func(p Problem) bool { return p.Key == t.node.path && p.Where != at.where })
	l.given(t.node.path, at, origin)
}

func (l *loader) given(path string, at place, origin Origin) {
	l.from[path] = origin
	l.where[path] = at
}

// validate asks v and the structs in it, from the inside out. What they say of
// a setting in which something is wrong already is left out.
func (l *loader) validate(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			l.validate(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
		return
	case reflect.Struct:
		if isScalar(v.Type()) {
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				l.validate(v.Field(i), join(path, keyOf(f)))
			}
		}
	default:
		return
	}
	if !v.CanAddr() {
		return
	}
	checked, ok := v.Addr().Interface().(Validator)
	if !ok {
		return
	}
	before := l.problems
	for _, p := range checked.Validate() {
		p.Key = join(path, p.Key)
		known := func(b Problem) bool { return within(b.Key, p.Key) || within(p.Key, b.Key) }
		if !slices.ContainsFunc(before, known) {
			l.add(l.placeOf(p.Key), p.Key, p.Message)
		}
	}
}

// placeOf returns where the setting, or else what is around it, was given.
func (l *loader) placeOf(key string) place {
	for key != "" {
		if at, ok := l.where[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return place{where: l.src.File}
}

// within reports whether the key is path or lies in it.
func within(key, path string) bool {
	rest, ok := strings.CutPrefix(key, path)
	return ok && (path == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}

// readBounded reads a file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, plain(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("the file is larger than %s", Size(limit))
	}
	return data, nil
}

// plain takes the operation and the path out of an error about a file: the
// problem names the file already.
func plain(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

const maxSecret = 64 << 10

// readSecret returns what the file holds, without the newline at its end.
func readSecret(name, dir string) (string, error) {
	if name == "" {
		return "", errors.New("names no file")
	}
	if dir != "" && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	data, err := readBounded(name, maxSecret)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
