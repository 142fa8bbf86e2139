package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// locate returns where each key of a TOML document stands. The parser does not
// tell that for keys it found no place for, nor within lists of tables.
//
// The document must be one that the parser accepted; of another, the result is
// incomplete, never a panic.
func locate(document string) map[string]Position {
	l := locator{s: document, line: 1, found: map[string]Position{}, counts: map[string]int{}}
	prefix := ""
	for l.space(true); l.i < len(l.s); l.space(true) {
		before := l.i
		if l.s[l.i] == '[' {
			prefix = l.header()
		} else {
			l.pair(prefix)
		}
		if l.i == before {
			break // not TOML after all
		}
	}
	return l.found
}

type locator struct {
	s      string
	i      int
	line   int
	start  int // of the line
	found  map[string]Position
	counts map[string]int // of the elements of each list of tables so far
}

func (l *locator) mark(path string) {
	if _, ok := l.found[path]; !ok {
		l.found[path] = l.position()
	}
}

func (l *locator) position() Position {
	return Position{Line: l.line, Column: utf8.RuneCountInString(l.s[l.start:l.i]) + 1}
}

// step goes on by n bytes and counts the lines passed.
func (l *locator) step(n int) {
	for end := min(l.i+n, len(l.s)); l.i < end; l.i++ {
		if l.s[l.i] == '\n' {
			l.line++
			l.start = l.i + 1
		}
	}
}

// space skips blanks and, with newlines, line ends and comments too.
func (l *locator) space(newlines bool) {
	for l.i < len(l.s) {
		switch c := l.s[l.i]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.step(1)
		case newlines && c == '\n':
			l.step(1)
		case newlines && c == '#':
			end := strings.IndexByte(l.s[l.i:], '\n')
			if end < 0 {
				end = len(l.s) - l.i
			}
			l.step(end)
		default:
			return
		}
	}
}

func (l *locator) take(token string) bool {
	if !strings.HasPrefix(l.s[l.i:], token) {
		return false
	}
	l.step(len(token))
	return true
}

// header reads [a.b] or [[a.b]] and returns the path of what follows.
func (l *locator) header() string {
	at := l.position()
	l.step(1)
	list := l.take("[")
	keys := l.keys()
	path := ""
	for i, key := range keys {
		path = join(path, key)
		if list && i == len(keys)-1 {
			l.counts[path]++
		}
		if _, ok := l.found[path]; !ok {
			l.found[path] = at
		}
		if n := l.counts[path]; n > 0 {
			path += "[" + strconv.Itoa(n-1) + "]"
			if _, ok := l.found[path]; !ok {
				l.found[path] = at
			}
		}
	}
	l.take("]")
	if list {
		l.take("]")
	}
	return path
}

// pair reads key = value.
func (l *locator) pair(prefix string) {
	at := l.position()
	path := prefix
	for _, key := range l.keys() {
		path = join(path, key)
		if _, ok := l.found[path]; !ok {
			l.found[path] = at
		}
	}
	l.space(false)
	l.take("=")
	l.space(false)
	l.value(path)
}

// keys reads a dotted key.
func (l *locator) keys() (keys []string) {
	for {
		l.space(false)
		if l.i >= len(l.s) {
			return keys
		}
		var key string
		switch c := l.s[l.i]; c {
		case '"', '\'':
			raw := l.quoted(string(c))
			key = strings.Trim(raw, string(c))
			if c == '"' {
				if s, err := strconv.Unquote(raw); err == nil {
					key = s
				}
			}
		default:
			end := l.i
			for end < len(l.s) && isBare(rune(l.s[end])) {
				end++
			}
			if key = l.s[l.i:end]; key == "" {
				return keys
			}
			l.step(len(key))
		}
		keys = append(keys, bare(key))
		l.space(false)
		if !l.take(".") {
			return keys
		}
	}
}

// value passes over a value and marks what it holds.
func (l *locator) value(path string) {
	l.mark(path)
	for _, quote := range []string{`"""`, "'''", `"`, "'"} {
		if strings.HasPrefix(l.s[l.i:], quote) {
			l.quoted(quote)
			return
		}
	}
	switch {
	case l.take("["):
		for n := 0; ; n++ {
			l.space(true)
			if l.i >= len(l.s) || l.take("]") {
				return
			}
			before := l.i
			l.value(path + "[" + strconv.Itoa(n) + "]")
			l.space(true)
			l.take(",")
			if l.i == before {
				return
			}
		}
	case l.take("{"):
		for {
			l.space(true)
			if l.i >= len(l.s) || l.take("}") {
				return
			}
			before := l.i
			l.pair(path)
			l.space(true)
			l.take(",")
			if l.i == before {
				return
			}
		}
	}
	end := strings.IndexAny(l.s[l.i:], ",]}#\n")
	if end < 0 {
		end = len(l.s) - l.i
	}
	l.step(end)
}

// quoted passes over a string with that quote and returns it.
func (l *locator) quoted(quote string) string {
	begin := l.i
	l.step(len(quote))
	for l.i < len(l.s) {
		switch {
		case quote[0] == '"' && l.s[l.i] == '\\':
			l.step(2)
		case strings.HasPrefix(l.s[l.i:], quote):
			l.step(len(quote))
			for len(quote) == 3 && l.i < len(l.s) && l.s[l.i] == quote[0] { // up to two quotes may end the text itself
				l.step(1)
			}
			return l.s[begin:l.i]
		default:
			l.step(1)
		}
	}
	return l.s[begin:]
}

func isBare(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// bare returns a key as it stands in a path: quoted where it must be.
func bare(key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return !isBare(r) }) {
		return strconv.Quote(key)
	}
	return key
}
