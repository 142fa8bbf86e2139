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
)

// smallCorpus writes made mail of two honest sources, fraud and advertising.
func smallCorpus(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	labels := "file\tlabel\tlanguage\tcluster\n"
	for i := range 40 {
		head := fmt.Sprintf("From: W%d <w@host%d.example.org>\nSubject: letter %d\n\n", i, i, i)
		put(fmt.Sprintf("phish/f%d.eml", i), head+"Dear customer, your account has been suspended: verify your account and confirm the payment at https://bit.ly/x")
		put(fmt.Sprintf("phish/s%d.eml", i), head+"Free trial, limited time offer, casino")
		labels += fmt.Sprintf("f%d.eml\tphishing\ten\tf%d\ns%d.eml\tspam\ten\ts%d\n", i, i, i, i)
		put(fmt.Sprintf("ham/club-%d.eml", i), head+"The meeting in the garden is on Sunday, bring your account of the trip")
		put(fmt.Sprintf("ham/shop-%d.eml", i), head+"Thanks for the payment, the picture comes with the garden tools")
	}
	put("labels.tsv", labels)
	return dir
}

func TestTrainAndEvaluate(t *testing.T) {
	dir := smallCorpus(t)
	file := filepath.Join(t.TempDir(), "model.json")
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"train", "--corpus", dir, "--out", file, "--as", "small"}, &out, &errs); code != 0 {
		t.Fatalf("train: %d, %s", code, errs.String())
	}
	if !strings.HasPrefix(out.String(), "small: ") {
		t.Errorf("train says %q", out.String())
	}
	out.Reset()
	if code := run(context.Background(), []string{"evaluate", "--corpus", dir, "--model", file, "--quick", "--json"}, &out, &errs); code != 0 {
		t.Fatalf("evaluate: %d, %s", code, errs.String())
	}
	var report struct {
		Model string
		Given []struct{ View string }
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Model != "small" || len(report.Given) != 2 {
		t.Errorf("%v: %s", err, out.String())
	}
	for _, args := range [][]string{
		{"train", "--corpus", t.TempDir(), "--out", file},
		{"evaluate", "--corpus", dir, "--fraud", "2"},
		{"evaluate", "--corpus", dir, "--model", filepath.Join(dir, "labels.tsv")},
	} {
		if code := run(context.Background(), args, &out, &errs); code == 0 {
			t.Errorf("%v was taken", args)
		}
	}
}
