package mailin

import (
	"bufio"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errSyntax is in the chain of every error about a line that is no command.
var errSyntax = errors.New("syntax")

type syntaxError string

func (e syntaxError) Error() string        { return string(e) }
func (e syntaxError) Is(target error) bool { return target == errSyntax }

// readCommand reads one line of at most limit bytes that ends in CR LF, and
// returns it without that. A line that is too long is read to its end, or to
// 64 KiB: then the reader is of no more use.
func readCommand(r *bufio.Reader, limit int) (string, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for n := len(line); errors.Is(err, bufio.ErrBufferFull); n += len(line) {
			if n > 64<<10 {
				return "", errQuit
			}
			line, err = r.ReadSlice('\n')
		}
		if err == nil {
			err = syntaxError("too long")
		}
		return "", err
	}
	if err != nil {
		return "", err
	}
	if len(line) > limit {
		return "", syntaxError("too long")
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return "", syntaxError("it must end in CR LF")
	}
	if !printable(text) {
		return "", syntaxError("it has control characters or is not UTF-8")
	}
	return text, nil
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0
	})
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// parsePath reads "FROM:<path> params" or "TO:<path> params" (RFC 5321,
// section 4.1.2). The path comes back without brackets and without a source
// route, "" for the null one; a quoted local part stays as it was written.
// Brackets may be missing, and a blank may stand before the path: many
// clients do so.
func parsePath(arg, prefix string) (path string, params []string, err error) {
	if len(arg) < len(prefix) || !strings.EqualFold(arg[:len(prefix)], prefix) {
		return "", nil, syntaxError("it must begin with " + prefix)
	}
	rest := strings.TrimLeft(arg[len(prefix):], " ")
	bracket := strings.HasPrefix(rest, "<")
	rest = strings.TrimPrefix(rest, "<")
	end, err := pathEnd(rest, bracket)
	if err != nil {
		return "", nil, err
	}
	path = rest[:end]
	rest = rest[end:]
	if bracket {
		rest = rest[1:]
	}
	if rest != "" && rest[0] != ' ' {
		return "", nil, syntaxError("a blank is missing after it")
	}
	if strings.HasPrefix(path, "@") { // source route: must be accepted, should be ignored
		_, after, ok := strings.Cut(path, ":")
		if !ok {
			return "", nil, syntaxError("the source route has no end")
		}
		path = after
	}
	if err := checkMailbox(path); err != nil {
		return "", nil, err
	}
	if path == "" && !bracket {
		return "", nil, syntaxError("there is no address")
	}
	return path, strings.Fields(rest), nil
}

// pathEnd returns where the path in s ends, minding quoted strings.
func pathEnd(s string, bracket bool) (int, error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '>' && bracket, c == ' ' && !bracket:
			return i, nil
		case c == ' ', c == '<', c == '>':
			return 0, syntaxError("there is a stray character")
		}
	}
	if quoted || bracket {
		return 0, syntaxError("it has no end")
	}
	return len(s), nil
}

// checkMailbox checks local-part@domain, "" and postmaster loosely: whether
// it exists is the caller's business.
func checkMailbox(path string) error {
	if path == "" || strings.EqualFold(path, "postmaster") {
		return nil
	}
	at := strings.LastIndexByte(path, '@')
	switch {
	case len(path) > 320: // 64 + 1 + 255, RFC 5321, section 4.5.3.1
		return syntaxError("too long")
	case at <= 0 || at == len(path)-1:
		return syntaxError("it is no address")
	case strings.ContainsAny(path[at+1:], "\"\\(),;<> "):
		return syntaxError("the domain is no domain")
	}
	return nil
}

// refusal is a reply to a command that asks for something it cannot have.
type refusal struct {
	code           int
	enhanced, text string
}

// mailParams reads the parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152)
// and SMTPUTF8 (RFC 6531).
func mailParams(params []string, limit int64) (size int64, utf8 bool, r *refusal) {
	for _, p := range params {
		key, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(key) {
		case "SIZE":
			n, err := strconv.ParseUint(value, 10, 63)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return 0, false, &refusal{501, "5.5.4", "SIZE is no number"}
			}
			if err != nil || int64(n) > limit {
				return 0, false, &refusal{552, "5.3.4", "The message is too large"}
			}
			size = int64(n)
		case "BODY":
			if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
				return 0, false, &refusal{501, "5.5.4", "No such BODY"}
			}
		case "SMTPUTF8":
			if value != "" {
				return 0, false, &refusal{501, "5.5.4", "SMTPUTF8 takes no value"}
			}
			utf8 = true
		default:
			return 0, false, &refusal{555, "5.5.4", "No such parameter"}
		}
	}
	return size, utf8, nil
}

// replyText makes a text fit for a reply: one line of printable ASCII within
// the 512 bytes of RFC 5321, section 4.5.3.1.5.
func replyText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == '\n', r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f:
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 400)]
}
