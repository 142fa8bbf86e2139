package config_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// settings has one field of each sort.
type settings struct {
	Data string `doc:"The folder in which everything is kept." default:"/var/lib/desk" env:"DATA"`
	HTTP struct {
		Addr    string          `doc:"Where to listen." default:"127.0.0.1:8080" env:"HTTP"`
		Timeout config.Duration `doc:"How long a request may take." default:"30s"`
		Proxies []netip.Prefix  `doc:"Whose X-Forwarded-For counts." example:"10.0.0.0/8"`
	} `doc:"Pages and API."`
	Mail mail   `doc:"Mail that goes out."`
	Desk []desk `doc:"The addresses to which people report."`
}

type mail struct {
	Relay    config.URL    `doc:"The mail server that takes our mail." example:"smtp://name:password@relay.example:587"`
	Key      config.Secret `doc:"The private key for DKIM."`
	Limit    config.Size   `doc:"The largest mail that is sent." default:"25MiB"`
	Sampling float64       `doc:"The share of answers that is looked at." default:"0.5"`
	Retry    bool          `doc:"Whether to try again." default:"true"`
	Workers  uint8         `doc:"Connections at once." default:"4"`
}

func (m mail) Validate() (problems []config.Problem) {
	if m.Sampling > 1 {
		problems = append(problems, config.Problem{Key: "sampling", Message: "is a share, at most 1"})
	}
	return problems
}

type desk struct {
	Address  string          `doc:"The mailbox." example:"suspicious@desk.example"`
	Language config.Language `doc:"Of its answers." default:"en"`
}

func (d desk) Validate() []config.Problem {
	if !strings.Contains(d.Address, "@") {
		return []config.Problem{{Key: "address", Message: "is not a mail address"}}
	}
	return nil
}

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	var s settings
	loaded, err := config.Load(&s, config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Data != "/var/lib/desk" || s.HTTP.Timeout != config.Duration(30*time.Second) || s.Mail.Limit != 25<<20 || !s.Mail.Retry {
		t.Errorf("defaults not set: %+v", s)
	}
	if len(loaded.From) != 0 {
		t.Errorf("From = %v", loaded.From)
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "desk.toml", "data = 'file'\n[http]\naddr = 'file:1'\ntimeout = '1m'\n")
	var s settings
	loaded, err := config.Load(&s, config.Sources{
		File: file, Prefix: "BELFRY_",
		Environ: []string{"BELFRY_DATA=env", "BELFRY_HTTP_ADDR=env:2", "BELFRY_HTTP_PROXIES=10.0.0.0/8, fd00::/8", "BELFRY_SERVICE_HOST=1", "HOME=/x", "broken"},
		Flags:   map[string]string{"data": "flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Data != "flag" || s.HTTP.Addr != "env:2" || time.Duration(s.HTTP.Timeout) != time.Minute || len(s.HTTP.Proxies) != 2 {
		t.Errorf("got %+v", s)
	}
	want := map[string]config.Origin{
		"data": config.FromFlag, "http": config.FromFile, "http.addr": config.FromEnv,
		"http.timeout": config.FromFile, "http.proxies": config.FromEnv,
	}
	if diff := cmp.Diff(want, loaded.From); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"BELFRY_SERVICE_HOST"}, loaded.Strange); diff != "" {
		t.Error(diff)
	}
}

func TestTheShortNameInTheEnvironment(t *testing.T) {
	var s settings
	src := config.Sources{Prefix: "BELFRY_", Environ: []string{"BELFRY_HTTP=:9"}}
	if _, err := config.Load(&s, src); err != nil || s.HTTP.Addr != ":9" {
		t.Errorf("%v, %+v", err, s.HTTP)
	}
	src.Environ = append(src.Environ, "BELFRY_HTTP_ADDR=:10")
	if _, err := config.Load(&s, src); err == nil || !strings.Contains(err.Error(), "BELFRY_HTTP_ADDR: http.addr: is set by BELFRY_HTTP as well") {
		t.Errorf("both names: %v", err)
	}
}

// Every fault is named, in the order of the file, with its place.
func TestEveryFaultAtOnce(t *testing.T) {
	file := write(t, "desk.toml", `dta = "x"
data = 7

[http]
  addr = ["a"]
  timeout = 30
  proxies = ["10.0.0.0/8", "ten"]

[mail]
sampling = 1.5
relay = "smtp://user:hunter2@:bad port"
workers = 300

[[desk]]
address = "suspicious@desk.example"
langage = "nl"

[[desk]]
address = "nobody"
language = "Dutch"

[[desk]]
address = "nobody"

[logg]
a.b = 1
`)
	var s settings
	_, err := config.Load(&s, config.Sources{
		File: file, Prefix: "BELFRY_", Environ: []string{"BELFRY_MAIL_LIMIT=much"}, Flags: map[string]string{"http.adr": "x"},
	})
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("error %v", err)
	}
	got := strings.ReplaceAll(err.Error(), file, "F")
	want := `F:1:1: dta: unknown key, did you mean "data"?
F:2:1: data: wants a text in quotes, not a whole number
F:5:3: http.addr: wants a text in quotes, not a list
F:6:3: http.timeout: wants a duration in quotes, such as "90s" or "30d", not a whole number
F:7:3: http.proxies[1]: netip.ParsePrefix("ten"): no '/'
F:10:1: mail.sampling: is a share, at most 1
F:11:1: mail.relay: wants a URL with a scheme and a host, such as https://desk.example
F:12:1: mail.workers: the number is out of range
F:16:1: desk[0].langage: unknown key, did you mean "desk.language"?
F:19:1: desk[1].address: is not a mail address
F:20:1: desk[1].language: wants a language's code of two letters, such as "nl"
F:23:1: desk[2].address: is not a mail address
F:25:1: logg: unknown key
BELFRY_MAIL_LIMIT: mail.limit: wants a size, such as "64KiB", "25MiB" or a number of bytes
command line: http.adr: unknown key, did you mean "http.addr"?`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(got, "hunter2") {
		t.Error("a password is in the message")
	}
}

func TestValidation(t *testing.T) {
	file := write(t, "desk.toml", "\n[mail]\nsampling = 2.0\n")
	var s settings
	_, err := config.Load(&s, config.Sources{File: file})
	if err == nil || !strings.Contains(err.Error(), "desk.toml:3:1: mail.sampling: is a share, at most 1") {
		t.Errorf("error %v", err)
	}
}

func TestNotTOML(t *testing.T) {
	file := write(t, "desk.toml", "data = 'x'\n\na = = 1\n")
	var s settings
	_, err := config.Load(&s, config.Sources{File: file})
	if err == nil || !strings.Contains(err.Error(), "desk.toml:3:5: ") {
		t.Errorf("error %v", err)
	}
	_, err = config.Load(&s, config.Sources{File: filepath.Join(t.TempDir(), "none.toml")})
	if err == nil || !strings.Contains(err.Error(), "none.toml: no such file") {
		t.Errorf("error %v", err)
	}
	_, err = config.Load(&s, config.Sources{File: write(t, "big.toml", strings.Repeat("#\n", 1<<20))})
	if err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Errorf("error %v", err)
	}
}

func TestSecretsInFiles(t *testing.T) {
	key := write(t, "key", "s3cret\n")
	for _, c := range []struct {
		name, file string
		environ    []string
		wrong      string
	}{
		{name: "file", file: "[mail]\nkey_file = '" + key + "'"},
		{name: "beside the settings", file: "[mail]\nkey_file = 'beside'"},
		{name: "environment", environ: []string{"BELFRY_MAIL_KEY_FILE=" + key}},
		{name: "value", environ: []string{"BELFRY_MAIL_KEY=s3cret"}},
		{name: "over a missing one", file: "[mail]\nkey_file = '/nowhere'", environ: []string{"BELFRY_MAIL_KEY=s3cret"}, wrong: "mail.key_file"},
		{name: "both", file: "[mail]\nkey = 's3cret'\nkey_file = '" + key + "'", wrong: "stands beside key"},
		{name: "missing", file: "[mail]\nkey_file = '/nowhere'", wrong: "no such file"},
		{name: "both in the environment", environ: []string{"BELFRY_MAIL_KEY=a", "BELFRY_MAIL_KEY_FILE=" + key}, wrong: "as well"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, "desk.toml", c.file)
			if err := os.WriteFile(filepath.Join(filepath.Dir(file), "beside"), []byte("s3cret"), 0o600); err != nil {
				t.Fatal(err)
			}
			var s settings
			_, err := config.Load(&s, config.Sources{File: file, Prefix: "BELFRY_", Environ: c.environ})
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "s3cret") {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil || s.Mail.Key.Reveal() != "s3cret" {
				t.Fatalf("%q, %v", s.Mail.Key.Reveal(), err)
			}
		})
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	var s settings
	_, err := config.Load(&s, config.Sources{Flags: map[string]string{
		"mail.key": "hunter2", "mail.relay": "smtp://user:hunter2@relay.example:25?tls=yes&token=hunter2",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("settings", "mail", s.Mail, "relay", s.Mail.Relay, "key", s.Mail.Key)
	printed, err := config.Print(&s)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", s), "%#v": fmt.Sprintf("%#v", s), "String": s.Mail.Relay.String(),
		"slog": log.String(), "Print": printed,
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s prints a secret: %s", what, text)
		}
	}
	if s.Mail.Relay.Reveal() != "smtp://user:hunter2@relay.example:25?tls=yes&token=hunter2" {
		t.Error("Reveal does not")
	}
}

// The example reads as the defaults, as it is and with each setting made
// active, and it speaks of every setting.
func TestExample(t *testing.T) {
	example, err := config.Example(&settings{})
	if err != nil {
		t.Fatal(err)
	}
	var want settings
	if err := config.Defaults(&want); err != nil {
		t.Fatal(err)
	}
	active := regexpSetting.ReplaceAllString(example, "$1")
	if active == example || !strings.Contains(active, "\naddr = ") {
		t.Errorf("nothing to make active in:\n%s", example)
	}
	for name, text := range map[string]string{"as it is": example, "active": active} {
		var got settings
		if _, err := config.Load(&got, config.Sources{File: write(t, "example.toml", text)}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, _ := config.Print(&got)
		b, _ := config.Print(&want)
		if diff := cmp.Diff(b, a); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, doc := range []string{"The folder in which", "Whose X-Forwarded-For", "key_file", "[[desk]]", `"suspicious@desk.example"`} {
		if !strings.Contains(example, doc) {
			t.Errorf("the example lacks %q:\n%s", doc, example)
		}
	}
	for line := range strings.Lines(example) {
		if len(strings.TrimSuffix(line, "\n")) > 80 && !strings.HasPrefix(line, "#     ") {
			t.Errorf("long line: %s", line)
		}
	}
}

// The list of tables in the example is one that can be loaded.
func TestExampleOfAList(t *testing.T) {
	example, err := config.Example(&settings{})
	if err != nil {
		t.Fatal(err)
	}
	active := strings.ReplaceAll(example, "\n#     ", "\n")
	var got settings
	if _, err := config.Load(&got, config.Sources{File: write(t, "example.toml", active)}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]desk{{"suspicious@desk.example", "en"}}, got.Desk); diff != "" {
		t.Error(diff)
	}
}

func TestUnusableTypes(t *testing.T) {
	for name, v := range map[string]any{
		"not a pointer": settings{},
		"nil":           nil,
		"map":           &struct{ M map[string]string }{},
		"bad default": &struct {
			N int `default:"x"`
		}{},
		"clash": &struct {
			AB int `toml:"a_b"`
			A  struct{ B int }
		}{},
	} {
		if _, err := config.Load(v, config.Sources{}); err == nil || fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
