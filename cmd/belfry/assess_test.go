package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
)

const (
	phishingMail = "From: \"PayPal\" <notice@example.org>\nTo: reader@example.net\nSubject: Your account has been suspended\n\n" +
		"Dear customer, action required within 24 hours: verify your account at\nhttps://paypal-login.example/secure or you lose access to your money.\n"
	honestMail = "From: Jan <jan@example.org>\nTo: reader@example.net\nSubject: Garden\n\nSee you on Saturday in the garden. Bring the seeds.\n"
)

// assess runs the command and returns what it printed.
func assess(t *testing.T, c AssessCmd) string {
	t.Helper()
	var out bytes.Buffer
	c.Limit = max(c.Limit, 1)
	if err := c.Run(context.Background(), streams{out: &out, err: os.Stderr}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAssessJSON(t *testing.T) {
	bad, good := write(t, "bad.eml", phishingMail), write(t, "good.eml", honestMail)
	box := write(t, "box.mbox", "From a@b Mon Nov  2 10:00:00 2026\n"+honestMail+"\nFrom a@b Mon Nov  2 10:00:01 2026\n"+phishingMail)
	outlook := write(t, "x.msg", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	empty := write(t, "empty.eml", "\n")
	large := write(t, "large.eml", honestMail+strings.Repeat("x", 2<<20))
	lines := strings.Split(strings.TrimSpace(assess(t, AssessCmd{JSON: true, Paths: []string{bad, good, box, outlook, empty, large, "missing.eml"}})), "\n")
	want := []struct {
		path, verdict string
		failed        bool
	}{
		{bad, "phishing", false},
		{good, "unclear", false},
		{box + "#1", "unclear", false},
		{box + "#2", "phishing", false},
		{outlook, "unclear", true}, // damaged
		{empty, "unclear", true},
		{large, "unclear", true},
		{"missing.eml", "unclear", true},
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for i, w := range want {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		if got["path"] != w.path || got["verdict"] != w.verdict || got["malicious"] != (w.verdict == "phishing") || (got["error"] != nil) != w.failed {
			t.Errorf("line %d: %s", i, lines[i])
		}
		for _, key := range []string{"automatic", "score", "reasons", "observables", "original", "language"} {
			if got[key] == nil {
				t.Errorf("line %d lacks %s", i, key)
			}
		}
	}
	var first assessed
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	if len(first.Reasons) < 3 || first.Reasons[0].Code == "" || first.Reasons[0].Weight <= 0 || len(first.Observables) == 0 {
		t.Errorf("reasons or observables are missing: %s", lines[0])
	}
	for _, r := range first.Reasons {
		for _, lang := range []string{"nl", "fr", "de", "en"} {
			if text := r.Text[lang]; text == "" || strings.ContainsAny(text, "⟦{") {
				t.Errorf("%s in %s: %q", r.Code, lang, text)
			}
		}
	}
	if o := first.Original; !o.Found || o.How != "itself" || o.From != "PayPal <notice@example.org>" || o.Subject != "Your account has been suspended" {
		t.Errorf("original %+v", o)
	}
}

func TestAssessOutlook(t *testing.T) {
	path := write(t, "x.msg", string(outlooktest.MSG(&outlooktest.Item{Props: outlooktest.Props{
		0x0037001F: "Your account has been suspended", 0x0C1A001F: "PayPal", 0x0C1F001F: "notice@example.org", 0x1000001F: "Log in at https://paypal-login.example/",
	}})))
	var got assessed
	if err := json.Unmarshal([]byte(assess(t, AssessCmd{JSON: true, Paths: []string{path}})), &got); err != nil {
		t.Fatal(err)
	}
	if o := got.Original; got.Error != "" || !o.Found || o.How != "itself" || o.From != "PayPal <notice@example.org>" || o.Subject != "Your account has been suspended" || len(got.Observables) == 0 {
		t.Errorf("%+v", got)
	}
}

func TestAssessLines(t *testing.T) {
	bad := write(t, "bad.eml", phishingMail)
	for lang, want := range map[string]string{"en": ": phishing (0.", "nl": ": phishing (0,", "fr": " : hameçonnage (0,", "de": ": Phishing (0,"} {
		got := assess(t, AssessCmd{Lang: lang, Paths: []string{bad, "missing\x1b[31m.eml"}})
		if lines := strings.Split(got, "\n"); len(lines) != 3 || !strings.Contains(lines[0], want) {
			t.Errorf("%s: %q", lang, got)
		}
		if strings.ContainsAny(got, "\x1b⟦") || strings.Contains(got, "paypal-login.example") && !strings.Contains(got, "[.]") {
			t.Errorf("%s: not fit for a terminal: %q", lang, got)
		}
	}
}

func TestAssessOrder(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 60 {
		path := filepath.Join(dir, fmt.Sprintf("%03d.eml", i))
		content := honestMail
		if i%7 == 0 { // some take longer
			content += strings.Repeat("a longer text with https://www.example.com/x in it\n", 2000)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		want = append(want, path)
	}
	for i, line := range strings.Split(strings.TrimSpace(assess(t, AssessCmd{JSON: true, Paths: []string{dir}})), "\n") {
		var got assessed
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Path != want[i] {
			t.Fatalf("line %d is of %s, want %s", i, got.Path, want[i])
		}
	}
}

func TestEnvironmentLanguage(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"LANG": "nl_BE.UTF-8"}, "nl"},
		{map[string]string{"LC_ALL": "de_DE", "LANG": "nl_BE"}, "de"},
		{map[string]string{"LANG": "C.UTF-8"}, "en"},
		{map[string]string{"LANG": "fr"}, "fr"},
		{nil, "en"},
	} {
		if got := environmentLanguage(func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%v: %s, want %s", test.env, got, test.want)
		}
	}
}

func TestAssessUsage(t *testing.T) {
	for _, c := range []AssessCmd{{Lang: "xx", Limit: 1, Paths: []string{"x"}}, {Limit: 0, Paths: []string{"x"}}, {Limit: 5000, Paths: []string{"x"}}} {
		var out bytes.Buffer
		if err := c.Run(context.Background(), streams{out: &out, err: &out}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
