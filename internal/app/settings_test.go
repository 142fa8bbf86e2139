package app_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

var update = flag.Bool("update", false, "write docs/belfry.example.toml anew")

// exampleFile is what an operator starts from; "belfry config example" prints
// the same.
const exampleFile = "../../docs/belfry.example.toml"

func TestExampleFileIsUpToDate(t *testing.T) {
	want, err := config.Example(new(app.Settings))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(exampleFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/belfry.example.toml is old; go test ./internal/app -run ExampleFile -update writes it anew (-want +got):\n%s", diff)
	}
}

// loadText reads the text as a configuration file.
func loadText(t *testing.T, text string, environ ...string) (app.Settings, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "belfry.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var s app.Settings
	_, err := config.Load(&s, config.Sources{File: name, Environ: environ, Prefix: "BELFRY_"})
	return s, err
}

// printed is the settings as text, to compare them.
func printed(t *testing.T, s app.Settings) string {
	t.Helper()
	text, err := config.Print(&s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestExampleIsTheDefaults(t *testing.T) {
	text, err := config.Example(new(app.Settings))
	if err != nil {
		t.Fatal(err)
	}
	want := printed(t, app.DefaultSettings())
	// As it is printed, and with every setting taken out of its comment.
	var settings []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") && rest != "\n" {
			line = rest
		}
		settings = append(settings, line)
	}
	for name, file := range map[string]string{"as printed": text, "uncommented": strings.Join(settings, "")} {
		s, err := loadText(t, file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, printed(t, s)); diff != "" {
			t.Errorf("%s (-default +loaded):\n%s", name, diff)
		}
	}
}

// problems returns what is wrong with a file, without the folder's name.
func problems(t *testing.T, text string, environ ...string) []string {
	t.Helper()
	_, err := loadText(t, text, environ...)
	if err == nil {
		return nil
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("an error of kind %v", fault.KindOf(err))
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if at := strings.Index(line, "belfry.toml:"); at >= 0 {
			lines[i] = line[at:]
		}
	}
	return lines
}

func TestUnknownKeyNamesFileAndLine(t *testing.T) {
	got := problems(t, "http = \"127.0.0.1:0\"\n\n[intake]\nmax_sise = \"25MiB\"\n")
	if len(got) != 1 || !strings.HasPrefix(got[0], "belfry.toml:4:1: intake.max_sise: unknown key") {
		t.Errorf("got %q", got)
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	got := problems(t, `htp = "127.0.0.1:80"
smtp = 25

[centre]
language = "it"

[[desk]]
address = "suspicious"

[intake]
max_size = "huge"
`, "BELFRY_WORKERS_BULK=many")
	want := []string{
		"belfry.toml:1:1: htp: unknown key",
		"belfry.toml:2:1: smtp: ",
		"belfry.toml:5:1: centre.language: ",
		"belfry.toml:8:1: desk[0].address: ",
		"belfry.toml:11:1: intake.max_size: ",
		"BELFRY_WORKERS_BULK: workers.bulk: ",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d faults, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("fault %d: want %q, got %q", i, want[i], got[i])
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name, file, want string // want is the faulty key; "" for none
	}{
		{"nothing", "", ""},
		{"no folder", `data = ""`, "data"},
		{"an address without a port", `http = "localhost"`, "http"},
		{"no SMTP", `smtp = "off"`, ""},
		{"SMTP without an address", `smtp = ""`, "smtp"},
		{"no metrics", `metrics = ""`, ""},
		{"metrics without a port", `metrics = "localhost"`, "metrics"},
		{"PostgreSQL", `database = "postgres://belfry@/belfry?host=/run/postgresql"`, ""},
		{"another database", `database = "mysql://localhost/belfry"`, "database"},
		{"S3", `raw = "s3://s3.example.org/belfry?region=eu-west-1"`, ""},
		{"raw bytes on the web", `raw = "https://example.org/raw"`, "raw"},
		{"a relay", `relay = "smtps://user:password@relay.example.org"`, ""},
		{"a relay that is a page", `relay = "https://relay.example.org"`, "relay"},
		{"a site", "[centre]\nurl = \"https://report.example.org\"", ""},
		{"a site without a scheme", "[centre]\nurl = \"report.example.org\"", "centre.url"},
		{"a site with a question", "[centre]\nurl = \"https://example.org/?a=b\"", "centre.url"},
		{"an address for a domain", "[centre]\ndomain = \"info@example.org\"", "centre.domain"},
		{"a language that we have not", "[centre]\nlanguage = \"it\"", "centre.language"},
		{"two desks", "[[desk]]\naddress = \"a@example.org\"\n[[desk]]\naddress = \"b@example.org\"\nlanguage = \"nl\"", ""},
		{"a desk with a name", "[[desk]]\naddress = \"Desk <a@example.org>\"", "desk[0].address"},
		{"a desk twice", "[[desk]]\naddress = \"a@example.org\"\n[[desk]]\naddress = \"A@example.org\"", "desk[1].address"},
		{"a desk's language", "[[desk]]\naddress = \"a@example.org\"\nlanguage = \"es\"", "desk[0].language"},
		{"a single address for a network", "[trust]\nrelays = [\"10.0.0.25\", \"2001:db8::/32\"]", ""},
		{"a name for a network", "[trust]\nrelays = [\"mx.example.org\"]", "trust.relays"},
		{"a proxy that is no network", "[web]\ntrusted_proxies = [\"10.0.0.0/99\"]", "web.trusted_proxies"},
		{"a certificate without its key", "[web]\ncertificate = \"web.pem\"", "web.certificate"},
		{"a key without its certificate", "[intake]\nkey = \"smtp.key\"", "intake.certificate"},
		{"DKIM", "[outgoing]\ndkim_domain = \"example.org\"\ndkim_selector = \"belfry\"\ndkim_key = \"dkim.pem\"", ""},
		{"DKIM without a selector", "[outgoing]\ndkim_domain = \"example.org\"\ndkim_key = \"dkim.pem\"", "outgoing.dkim_selector"},
		{"a limit under zero", "[answer]\nper_hour = -1", "answer.per_hour"},
		{"a contact after nothing", "[[answer.contact]]\nen = \"Call us.\"", "answer.contact[0].after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := problems(t, c.file)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("got %q", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], " "+c.want+": ")):
				t.Errorf("want one fault of %s, got %q", c.want, got)
			}
		})
	}
}

func TestEnvironmentAboveFile(t *testing.T) {
	s, err := loadText(t, "http = \"127.0.0.1:1\"\nsmtp = \"127.0.0.1:2\"\n[centre]\nname = \"File\"\n",
		"BELFRY_HTTP=127.0.0.1:3", "BELFRY_CENTRE_NAME=Environment", "BELFRY_TRUST_RELAYS=10.0.0.1,10.0.0.2")
	if err != nil {
		t.Fatal(err)
	}
	if s.HTTP != "127.0.0.1:3" || s.SMTP != "127.0.0.1:2" || s.Centre.Name != "Environment" || len(s.Trust.Relays) != 2 {
		t.Errorf("got %q, %q, %q, %q", s.HTTP, s.SMTP, s.Centre.Name, s.Trust.Relays)
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	s, err := loadText(t, `relay = "smtp://user:hunter2@relay.example.org"`+"\n"+`database = "postgres://u:hunter2@db.example.org/b?sslpassword=hunter2"`)
	if err != nil {
		t.Fatal(err)
	}
	if text := printed(t, s); strings.Contains(text, "hunter2") || !strings.Contains(text, "relay.example.org") {
		t.Errorf("printed:\n%s", text)
	}
}
