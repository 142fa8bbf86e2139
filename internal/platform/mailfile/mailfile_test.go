package mailfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/google/go-cmp/cmp"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list describes what Each gives, one line each.
func list(t *testing.T, dir string, o Options, paths ...string) []string {
	t.Helper()
	var got []string
	for i := range paths {
		paths[i] = filepath.Join(dir, filepath.FromSlash(paths[i]))
	}
	err := Each(context.Background(), paths, o, func(f File) error {
		name, err := filepath.Rel(dir, f.Path)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s#%d %q", filepath.ToSlash(name), f.Index, f.Raw)
		if f.Outlook {
			line += " outlook"
		}
		if f.Err != nil {
			line += " " + fault.KindOf(f.Err).String()
		}
		got = append(got, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEach(t *testing.T) {
	const mbox = "From a@example.org Mon Nov  2 10:00:00 2026\nSubject: one\n\nbody\n>From here\n>>From there\nFrom nowhere at all\n\n" +
		"From b@example.org Mon Nov  2 10:00:01 2026\r\nSubject: two\r\n\r\nHi\r\nFrom me 10:00 without an empty line before\r\n"
	dir := tree(t, map[string]string{
		"b/2.eml":      "Subject: second\n\nx",
		"b/1.eml":      "From here on it is text",
		"b/notes.txt":  "Buy bread",
		"b/cur/1:2,S":  "From: a@example.org\nSubject: maildir\n\nx",
		"b/.hidden":    "Subject: no\nFrom: no\n\nno",
		"b/.git/x.eml": "Subject: no\n\nno",
		"a.mbox":       mbox,
		"plain":        mbox,
		"x.msg":        "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
		"notes.txt":    "Buy bread",
	})
	first := `%s#1 "Subject: one\n\nbody\nFrom here\n>From there\nFrom nowhere at all\n\n"`
	second := `%s#2 "Subject: two\r\n\r\nHi\r\nFrom me 10:00 without an empty line before\r\n"`
	want := []string{
		fmt.Sprintf("x.msg#0 %q outlook", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
		fmt.Sprintf(first, "a.mbox"), fmt.Sprintf(second, "a.mbox"),
		`b/1.eml#0 "From here on it is text"`,
		`b/2.eml#0 "Subject: second\n\nx"`,
		`b/cur/1:2,S#0 "From: a@example.org\nSubject: maildir\n\nx"`,
		`missing.eml#0 "" not-found`,
		`notes.txt#0 "Buy bread"`,
		fmt.Sprintf(first, "plain"), fmt.Sprintf(second, "plain"),
	}
	got := list(t, dir, Options{}, "x.msg", "a.mbox", "b", "missing.eml", "notes.txt", "plain")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("y", 200<<10) // longer than the reader's buffer
	dir := tree(t, map[string]string{
		"big.eml": strings.Repeat("x", 101),
		"box.mbox": "From a@example.org 10:00:00\n" + strings.Repeat("x", 101) + "\n\n" +
			"From a@example.org 10:00:01\nsmall\n",
		"line.mbox": "From a@example.org 10:00:00\n" + long + "From a@example.org 10:00:01\n",
	})
	got := list(t, dir, Options{MaxBytes: 100}, "big.eml", "box.mbox")
	if len(got) != 3 || !strings.Contains(got[0], `""`) || !strings.Contains(got[1], `""`) || got[2] != `box.mbox#2 "small\n"` {
		t.Errorf("got %q", got)
	}
	if got := list(t, dir, Options{}, "line.mbox"); len(got) != 1 || len(got[0]) < len(long) {
		t.Errorf("a long line was cut or taken apart: %d messages", len(got))
	}
}

func TestStops(t *testing.T) {
	dir := tree(t, map[string]string{"a.eml": "x", "b.eml": "y"})
	stop := errors.New("stop")
	n := 0
	err := Each(context.Background(), []string{dir}, Options{}, func(File) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("after %d: %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Each(ctx, []string{dir}, Options{}, func(File) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}
