package mailout

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url  string
		want target
	}{
		{"smtp://mx.belfry.example", target{host: "mx.belfry.example", port: "25", mode: tlsRequired}},
		{"smtp://mx.belfry.example:587/?tls=opportunistic", target{host: "mx.belfry.example", port: "587", mode: tlsOpportunistic}},
		{"smtp://u:p%40ss@mx.belfry.example", target{host: "mx.belfry.example", port: "25", mode: tlsRequired, user: "u", password: "p@ss"}},
		{"smtps://u:p@mx.belfry.example", target{host: "mx.belfry.example", port: "465", mode: tlsImplicit, user: "u", password: "p"}},
		{"smtp://127.0.0.1:2525", target{host: "127.0.0.1", port: "2525", mode: tlsOpportunistic, local: true}},
		{"smtp://u:p@[::1]:2525?tls=none", target{host: "::1", port: "2525", mode: tlsNone, user: "u", password: "p", local: true}},
	} {
		got, err := parseURL(c.url)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.url, got, err, c.want)
		}
		if s := got.String(); strings.Contains(s, "p%40ss") || strings.Contains(s, "p@ss") || strings.Contains(s, "u:") {
			t.Errorf("String is %q", s)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	for _, url := range []string{
		"", "mx.belfry.example:25", "http://u:hunter2@x", "smtp:u:hunter2", "smtp://", "smtp://u:hunter2@x:0", "smtp://u:hunter2@x:99999",
		"smtp://u:hunter2@x/path", "smtp://u:hunter2@x#f", "smtp://u:hunter2@x?tls=maybe", "smtp://u:hunter2@x?tls=none",
		"smtp://u:hunter2@x?tls=opportunistic", "smtps://u:hunter2@x?tls=none", "smtp://u:hunter2@x?ssl=1",
		"smtp://u:hunter2@x?tls=required&tls=none", "smtp://u:hunter2#x@y", "smtp://u:hunter2%zz@x", "smtp://u@x", "smtp://:hunter2@x",
		"smtp://u:hunter2 @x", "smtp://u:hunter2%00@x", "smtp://u:hunter2@x?%zz",
	} {
		_, err := parseURL(url)
		if err == nil {
			t.Errorf("%s: no error", url)
			continue
		}
		if _, err := New(Options{URL: url}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
