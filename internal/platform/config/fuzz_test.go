package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/config"
)

// Whatever stands in the file, Load ends, and each fault has its place.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"data = 'x'\n[http]\naddr = \"a\\\"b\"\n",
		"[[desk]]\naddress = 'a@b.example'\n[[desk]]\naddres = 1\n",
		"desk = [{address = 'a@b.example', langauge = 'nl'}, {address = 3}]",
		"a.\"b c\".'d' = \"\"\"\n x \\\" \"\"\"\"\n# c\nmail = {key = 's'}",
		"[mail]\nlimit = 0x10\nsampling = 1e400\nkey = 1979-05-27\n",
		"\"\\", // an escape that the end of the file cuts off
		"[a]\n[a.b]\n[[a.c]]\nd = [[1, 2], ['x']]\n",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "fuzz.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var s settings
		_, err := config.Load(&s, config.Sources{File: file})
		if err == nil {
			if _, err := config.Print(&s); err != nil {
				t.Fatal(err)
			}
			return
		}
		faults, ok := errors.AsType[*config.Error](err)
		if !ok {
			t.Fatalf("not a fault of the settings: %v", err)
		}
		for _, p := range faults.Problems {
			if p.Message == "" || p.Line < 1 || p.Column < 1 {
				t.Errorf("a fault without a place: %+v", p)
			}
		}
	})
}
