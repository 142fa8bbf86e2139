package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// decoder moves a parsed file into the settings.
type decoder struct {
	*loader
	name      string
	dir       string
	positions map[string]Position
}

func (d *decoder) at(path string) place { return place{where: d.name, Position: d.positions[path]} }

// table fills the children of n, whose indices count from v.
func (d *decoder) table(n *node, v reflect.Value, tree map[string]any, path string) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		key := join(path, bare(name))
		c, file := n.child(name)
		if c == nil {
			d.add(d.at(key), key, "unknown key"+suggest(indices.ReplaceAllString(key, ""), d.root))
			continue
		}
		if file {
			d.secretFile(c, v, tree, key, path)
			continue
		}
		d.value(c, c.field(v), v, tree[name], key)
	}
}

var indices = regexp.MustCompile(`\[[0-9]+\]`)

func (d *decoder) secretFile(c *node, v reflect.Value, tree map[string]any, key, path string) {
	name, ok := tree[c.name+"_file"].(string)
	if !ok {
		d.add(d.at(key), key, "wants the name of a file")
		return
	}
	if _, both := tree[c.name]; both {
		d.add(d.at(key), key, "stands beside "+c.name+"; one of them is enough")
		return
	}
	secret, err := readSecret(name, d.dir)
	if err == nil {
		err = c.setText(c.field(v), secret)
	}
	if err != nil {
		d.add(d.at(key), key, err.Error())
		return
	}
	d.given(join(path, c.name), d.at(key), FromFile)
}

// value sets one field; around is the value that the indices of a nested
// table's children count from.
func (d *decoder) value(c *node, field, around reflect.Value, raw any, key string) {
	switch c.kind {
	case table:
		tree, ok := raw.(map[string]any)
		if !ok {
			d.add(d.at(key), key, "wants a table, not "+describe(raw))
			return
		}
		d.given(key, d.at(key), FromFile)
		d.table(c, around, tree, key)
	case tables:
		d.list(c, field, raw, key)
	case values:
		items, ok := raw.([]any)
		if !ok {
			d.add(d.at(key), key, "wants a list, not "+describe(raw))
			return
		}
		list := reflect.MakeSlice(field.Type(), len(items), len(items))
		for i, item := range items {
			if err := setRaw(list.Index(i), item); err != nil {
				d.add(d.at(key), fmt.Sprintf("%s[%d]", key, i), err.Error())
			}
		}
		field.Set(list)
		d.given(key, d.at(key), FromFile)
	case scalar:
		if err := setRaw(field, raw); err != nil {
			d.add(d.at(key), key, err.Error())
			return
		}
		d.given(key, d.at(key), FromFile)
	}
}

// list sets a list of tables, written as [[key]] or as a list of inline tables.
func (d *decoder) list(c *node, field reflect.Value, raw any, key string) {
	var items []map[string]any
	switch raw := raw.(type) {
	case []map[string]any:
		items = raw
	case []any:
		for _, item := range raw {
			tree, ok := item.(map[string]any)
			if !ok {
				d.add(d.at(key), key, "wants tables, not "+describe(item))
				return
			}
			items = append(items, tree)
		}
	default:
		d.add(d.at(key), key, "wants a list of tables, not "+describe(raw))
		return
	}
	list := reflect.MakeSlice(field.Type(), len(items), len(items))
	element := &node{kind: table, typ: c.typ.Elem(), children: c.children}
	for i, tree := range items {
		path := fmt.Sprintf("%s[%d]", key, i)
		d.given(path, d.at(path), FromFile)
		if err := defaults(element, list.Index(i)); err != nil {
			d.add(d.at(path), path, err.Error())
		}
		d.table(element, list.Index(i), tree, path)
	}
	field.Set(list)
	d.given(key, d.at(key), FromFile)
}

// setRaw sets a single value from what TOML parsed.
func setRaw(field reflect.Value, raw any) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		switch raw := raw.(type) {
		case string:
			return u.UnmarshalText([]byte(raw))
		case int64:
			if field.Type() == reflect.TypeFor[Size]() {
				return u.UnmarshalText([]byte(strconv.FormatInt(raw, 10)))
			}
		}
		return errors.New("wants " + wanted(field.Type()) + ", not " + describe(raw))
	}
	switch raw := raw.(type) {
	case string:
		if field.Kind() == reflect.String {
			field.SetString(raw)
			return nil
		}
	case bool:
		if field.Kind() == reflect.Bool {
			field.SetBool(raw)
			return nil
		}
	case int64:
		switch {
		case field.CanInt() && field.OverflowInt(raw), field.CanUint() && (raw < 0 || field.OverflowUint(uint64(raw))):
			return errors.New("the number is out of range")
		case field.CanInt():
			field.SetInt(raw)
			return nil
		case field.CanUint():
			field.SetUint(uint64(raw))
			return nil
		case field.CanFloat():
			field.SetFloat(float64(raw))
			return nil
		}
	case float64:
		if field.CanFloat() {
			field.SetFloat(raw)
			return nil
		}
	}
	return errors.New("wants " + wanted(field.Type()) + ", not " + describe(raw))
}

// setText sets a value or a list of values from its written form.
func (n *node) setText(field reflect.Value, text string) error {
	if n.kind == scalar {
		return setWord(field, text)
	}
	var words []string
	if text = strings.TrimSpace(text); text != "" {
		words = strings.Split(text, ",")
	}
	list := reflect.MakeSlice(field.Type(), len(words), len(words))
	for i, word := range words {
		if err := setWord(list.Index(i), strings.TrimSpace(word)); err != nil {
			return err
		}
	}
	field.Set(list)
	return nil
}

func setWord(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	wrong := errors.New("wants " + wanted(field.Type()))
	switch {
	case field.Kind() == reflect.String:
		field.SetString(text)
	case field.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return wrong
		}
		field.SetBool(b)
	case field.CanInt():
		n, err := strconv.ParseInt(text, 10, field.Type().Bits())
		if err != nil {
			return wrong
		}
		field.SetInt(n)
	case field.CanUint():
		n, err := strconv.ParseUint(text, 10, field.Type().Bits())
		if err != nil {
			return wrong
		}
		field.SetUint(n)
	case field.CanFloat():
		x, err := strconv.ParseFloat(text, field.Type().Bits())
		if err != nil {
			return wrong
		}
		field.SetFloat(x)
	}
	return nil
}

// wanted says what a field takes.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return `a duration in quotes, such as "90s" or "30d"`
	case reflect.TypeFor[Size]():
		return `a size, such as "25MiB"`
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a text in quotes"
}

// describe says what somebody wrote, and never repeats it: it may be a secret.
func describe(raw any) string {
	switch raw.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	}
	return "a date or time"
}
