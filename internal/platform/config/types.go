package config

import (
	"errors"
	"log/slog"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// redacted is what is shown in place of a secret.
const redacted = "[redacted]"

// Secret is a text that is never printed, logged or marshalled. Its value may
// also stand in a file, named by the key with _file at its end.
type Secret struct{ text string }

// NewSecret returns a secret with that value.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the value.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.text == "" }

func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return redacted
}

// GoString redacts in %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue redacts in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes any text of up to 64 KiB.
func (s *Secret) UnmarshalText(b []byte) error {
	if len(b) > maxSecret {
		return errors.New("the secret is too long")
	}
	s.text = string(b)
	return nil
}

// URL is an absolute URL that may carry a password. Printed, its password and
// the values of its query are left out. Its value may also stand in a file,
// named by the key with _file at its end.
type URL struct{ u *url.URL }

// ParseURL returns the URL of that text; "" is the zero URL.
func ParseURL(text string) (URL, error) {
	var u URL
	err := u.UnmarshalText([]byte(text))
	return u, err
}

// IsZero reports whether there is no URL.
func (u URL) IsZero() bool { return u.u == nil }

// URL returns a copy, password included; nil when there is none.
func (u URL) URL() *url.URL {
	if u.u == nil {
		return nil
	}
	c := *u.u
	return &c
}

// Reveal returns the whole URL, password included.
func (u URL) Reveal() string {
	if u.u == nil {
		return ""
	}
	return u.u.String()
}

func (u URL) String() string {
	if u.u == nil {
		return ""
	}
	c := *u.u
	if c.RawQuery != "" {
		q := c.Query()
		for name := range q {
			q[name] = []string{"xxxxx"}
		}
		c.RawQuery = q.Encode()
	}
	return c.Redacted()
}

// GoString redacts in %#v.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// LogValue redacts in logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText redacts.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText takes an absolute URL: a scheme, and a host or a path (as in
// postgres:///belfry?host=/run/postgresql). Its error never repeats the text.
func (u *URL) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		u.u = nil
		return nil
	}
	parsed, err := url.Parse(string(b))
	if err != nil || parsed.Scheme == "" || parsed.Host == "" && parsed.Path == "" || len(b) > 4096 {
		return errors.New("wants a URL with a scheme and a host, such as https://desk.example")
	}
	u.u = parsed
	return nil
}

// Duration is a span of time: Go's notation, and days: "90s", "1h30m", "30d".
type Duration time.Duration

const day = 24 * time.Hour

func (d Duration) String() string {
	t := time.Duration(d)
	if t != 0 && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration that is not negative.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	wrong := errors.New("wants " + `a duration, such as "90s", "1h30m" or "30d"`)
	var total time.Duration
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/int64(day)) {
			return wrong
		}
		total, s = time.Duration(n)*day, rest
		if s == "" {
			*d = Duration(total)
			return nil
		}
	}
	t, err := time.ParseDuration(s)
	if err != nil || t < 0 || total > math.MaxInt64-t {
		return wrong
	}
	*d = Duration(total + t)
	return nil
}

// Size is a number of bytes: "512", "64KiB", "25MiB", "1GB".
type Size int64

var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
}

func (s Size) String() string {
	for _, u := range units {
		if n := int64(s); n != 0 && u.bytes > 1 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size that is not negative.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	factor := int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return errors.New(`wants a size, such as "64KiB", "25MiB" or a number of bytes`)
	}
	*s = Size(n * factor)
	return nil
}

// Language is a language's two-letter code (ISO 639-1), or "". Which languages
// a program has is its own Validate's business.
type Language string

// UnmarshalText takes two small letters, or nothing.
func (l *Language) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*l = ""
		return nil
	}
	if len(b) != 2 || b[0] < 'a' || b[0] > 'z' || b[1] < 'a' || b[1] > 'z' {
		return errors.New(`wants a language's code of two letters, such as "nl"`)
	}
	*l = Language(b)
	return nil
}
