package config_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/config"
)

var regexpSetting = regexp.MustCompile(`(?m)^#([a-z_]+ = )`)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "0s": 0, "500ms": 500 * time.Millisecond,
	} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
		var again config.Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s written as %s reads as %v, %v", text, d, again, err)
		}
	}
	for _, text := range []string{"", "30", "-1s", "1.5d", "d", "99999999999d", "106751d48h", "1h 30m", "4294967295d"} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]config.Size{
		"0": 0, "512": 512, "25MiB": 25 << 20, "25 MiB": 25 << 20, "1GB": 1e9, "3kB": 3000, "7B": 7,
	} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %v, %v", text, s, err)
		}
		var again config.Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s written as %s reads as %v, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "MiB", "9999999TiB", "1 mb", "1e3"} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
}

func TestURL(t *testing.T) {
	for text, shown := range map[string]string{
		"":                                      "",
		"smtp://user:hunter2@relay.example:587": "smtp://user:xxxxx@relay.example:587",
		"postgres://belfry@/belfry?host=/run/postgresql&password=hunter2": "postgres://belfry@/belfry?host=xxxxx&password=xxxxx",
		"s3://s3.example/bucket?region=eu":                                "s3://s3.example/bucket?region=xxxxx",
	} {
		u, err := config.ParseURL(text)
		if err != nil || u.Reveal() != text || u.String() != shown || u.IsZero() != (text == "") {
			t.Errorf("%q: %q, shown as %q, %v", text, u.Reveal(), u, err)
		}
	}
	for _, text := range []string{"relay.example", "relay.example:25", "user:hunter2", "smtp://", "/path", "smtp://user:hunter2@host:port", "http://\x00"} {
		if u, err := config.ParseURL(text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %q, %v", text, u.Reveal(), err)
		}
	}
}

func TestLanguage(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "nl": true, "NL": false, "nld": false, "n": false, "n1": false} {
		var l config.Language
		if err := l.UnmarshalText([]byte(text)); (err == nil) != ok || ok && string(l) != text {
			t.Errorf("%q: %q, %v", text, l, err)
		}
	}
}
