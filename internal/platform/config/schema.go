package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// node is one key: a setting, or a table of them.
type node struct {
	name     string // last part of the key
	path     string // the whole key; "" for the root
	doc      string
	preset   string // the default, as text; has says whether there is one
	has      bool
	env      string // an additional name in the environment, without prefix
	sample   string // for the example file, where there is no default
	index    []int  // of the field, from the root or from the list's element
	kind     kind
	typ      reflect.Type
	children []*node // of a table, or of a list's element
}

type kind uint8

const (
	scalar kind = iota // one value
	values             // a list of values
	table              // a struct
	tables             // a list of structs
)

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// fileable are the types whose value may stand in a file of its own.
func fileable(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[URL]()
}

// isScalar reports whether a value of that type is written as one word.
func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return true
	}
	return false
}

// schemaOf reads the struct that v points to.
func schemaOf(v any) (*node, error) {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || reflect.ValueOf(v).IsNil() {
		return nil, fmt.Errorf("config: %T is not a pointer to a struct", v)
	}
	root := &node{kind: table, typ: t.Elem()}
	if err := root.read(nil); err != nil {
		return nil, err
	}
	seen := map[string]string{}
	var clash error
	root.each(func(n *node, file bool) {
		for _, name := range []string{envName(n.key(file)), n.env} {
			if other, ok := seen[name]; ok && name != "" && other != n.path {
				clash = fmt.Errorf("config: %s and %s are both %s in the environment", other, n.path, name)
			}
			seen[name] = n.path
		}
	})
	return root, clash
}

// read fills a table's children.
func (n *node) read(index []int) error {
	for i := range n.typ.NumField() {
		f := n.typ.Field(i)
		if !f.IsExported() || f.Tag.Get("toml") == "-" {
			continue // what the program sets by itself, such as ports
		}
		c := &node{name: keyOf(f), doc: f.Tag.Get("doc"), env: f.Tag.Get("env"), sample: f.Tag.Get("example"), typ: f.Type}
		c.preset, c.has = f.Tag.Lookup("default")
		c.path = join(n.path, c.name)
		c.index = append(slices.Clone(index), i)
		var err error
		switch t := f.Type; {
		case isScalar(t):
		case t.Kind() == reflect.Slice && isScalar(t.Elem()):
			c.kind = values
		case t.Kind() == reflect.Struct:
			c.kind = table
			err = c.read(c.index)
		case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
			c.kind = tables
			element := node{path: c.path + "[]", kind: table, typ: t.Elem()}
			err = element.read(nil)
			c.children = element.children
		default:
			err = fmt.Errorf("config: %s: a setting cannot be of type %v", c.path, t)
		}
		if err != nil {
			return err
		}
		n.children = append(n.children, c)
	}
	return nil
}

// keyOf returns the field's key: its tag toml, or its name in snake_case.
func keyOf(f reflect.StructField) string {
	if name := f.Tag.Get("toml"); name != "" {
		return name
	}
	return snake(f.Name)
}

// snake turns "MaxBodyBytes" into "max_body_bytes" and "HTTPAddr" into
// "http_addr".
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// key returns the setting's key, or that of the sibling that names a file.
func (n *node) key(file bool) string {
	if file {
		return n.path + "_file"
	}
	return n.path
}

func envName(key string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// each calls f for every setting that text can give: lists of tables cannot.
func (n *node) each(f func(n *node, file bool)) {
	for _, c := range n.children {
		switch c.kind {
		case table:
			c.each(f)
		case scalar, values:
			f(c, false)
			if fileable(c.typ) {
				f(c, true)
			}
		}
	}
}

// field returns the node's field in the root's value.
func (n *node) field(root reflect.Value) reflect.Value { return root.FieldByIndex(n.index) }

// child returns the child that a key in a table of the file names.
func (n *node) child(name string) (c *node, file bool) {
	for _, c := range n.children {
		if c.name == name {
			return c, false
		}
		if c.kind == scalar && fileable(c.typ) && c.name+"_file" == name {
			return c, true
		}
	}
	return nil, false
}

// defaults sets the defaults of a table in v, the value that the table's
// children are counted from.
func defaults(n *node, v reflect.Value) error {
	for _, c := range n.children {
		switch {
		case c.kind == table:
			if err := defaults(c, v); err != nil {
				return err
			}
		case c.has && c.kind == tables:
			return fmt.Errorf("config: %s: a list of tables has no default", c.path)
		case c.has:
			if err := c.setText(c.field(v), c.preset); err != nil {
				return fmt.Errorf("config: %s: the default: %w", c.path, err)
			}
		}
	}
	return nil
}

// suggest returns ", did you mean …?" for a key that is a slip of one that
// exists, and "" where none is near.
func suggest(key string, root *node) string {
	best, distance := "", max(2, len(key)/4)+1
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for _, c := range n.children {
			p := join(path, c.name)
			if d := levenshtein(key, p); d < distance {
				best, distance = p, d
			}
			if c.kind == table || c.kind == tables {
				walk(c, p)
			}
		}
	}
	walk(root, "")
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// levenshtein counts the insertions, deletions and substitutions from a to b,
// in bytes; what is longer than any key is far from all.
func levenshtein(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
