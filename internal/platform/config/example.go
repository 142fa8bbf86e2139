package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Example returns a TOML file that documents every setting of the struct that
// v points to. Settings are commented out ("#key = default", without a blank),
// so that a file copied from it goes on following the program's defaults.
func Example(v any) (string, error) {
	root, err := schemaOf(v)
	if err != nil {
		return "", err
	}
	fresh := reflect.New(root.typ).Elem()
	if err := defaults(root, fresh); err != nil {
		return "", err
	}
	var p printer
	p.documented(root, fresh)
	return p.String(), nil
}

// Print returns the settings as they are, as TOML without comments. Secrets are
// redacted.
func Print(v any) (string, error) {
	root, err := schemaOf(v)
	if err != nil {
		return "", err
	}
	var p printer
	p.bare(root, reflect.ValueOf(v).Elem(), "")
	return p.String(), nil
}

type printer struct{ strings.Builder }

const width = 80

// comment writes text as comment lines of up to 80 characters.
func (p *printer) comment(text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != "#" {
			p.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	if line != "#" {
		p.WriteString(line + "\n")
	}
}

// documented writes a table's settings first and then its tables, as TOML
// wants it.
func (p *printer) documented(n *node, v reflect.Value) {
	for _, c := range n.children {
		if c.kind != scalar && c.kind != values {
			continue
		}
		p.gap()
		p.comment(c.doc)
		if fileable(c.typ) {
			p.comment("Or " + c.name + "_file, the name of a file that holds it.")
		}
		if c.sample != "" {
			p.comment("For example " + c.example() + ".")
		}
		p.WriteString("#" + c.name + " = " + written(c.field(v)) + "\n")
	}
	for _, c := range n.children {
		switch c.kind {
		case table:
			p.gap()
			p.comment(c.doc)
			p.WriteString("[" + c.path + "]\n")
			p.documented(c, v)
		case tables:
			p.gap()
			p.comment(c.doc)
			p.sample(c)
		}
	}
}

// gap writes a blank line between settings.
func (p *printer) gap() {
	if p.Len() > 0 {
		p.WriteByte('\n')
	}
}

// sample writes one element of a list of tables, as a comment.
func (p *printer) sample(c *node) {
	p.comment("Any number of these:")
	p.WriteString("#\n#     [[" + c.path + "]]\n")
	element := reflect.New(c.typ.Elem()).Elem()
	for _, field := range c.children {
		if field.kind == table || field.kind == tables {
			continue
		}
		value := field.example()
		if field.sample == "" {
			if field.has {
				field.setText(field.field(element), field.preset) // Example has seen that it can be set
			}
			value = written(field.field(element))
		}
		p.WriteString("#     " + field.name + " = " + value)
		if field.doc != "" {
			p.WriteString(" # " + field.doc)
		}
		p.WriteByte('\n')
	}
}

// example returns the tag example as TOML.
func (n *node) example() string {
	v := reflect.New(n.typ).Elem()
	if fileable(n.typ) || n.setText(v, n.sample) != nil {
		return strconv.Quote(n.sample)
	}
	return written(v)
}

// bare writes a table without comments.
func (p *printer) bare(n *node, v reflect.Value, path string) {
	for _, c := range n.children {
		if c.kind == scalar || c.kind == values {
			p.WriteString(c.name + " = " + written(c.field(v)) + "\n")
		}
	}
	for _, c := range n.children {
		key := join(path, c.name)
		switch c.kind {
		case table:
			p.WriteString("\n[" + key + "]\n")
			p.bare(c, v, key)
		case tables:
			list := c.field(v)
			for i := range list.Len() {
				p.WriteString("\n[[" + key + "]]\n")
				p.bare(&node{children: c.children}, list.Index(i), key)
			}
		}
	}
}

// written returns a value as TOML.
func written(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			return `""`
		}
		return quote(string(text))
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String())
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = written(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Float32, reflect.Float64:
		s := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return fmt.Sprint(v.Interface())
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
