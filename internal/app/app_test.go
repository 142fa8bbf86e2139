package app_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings are those of a centre in a folder of its own, on free ports.
func settings(t *testing.T) app.Settings {
	t.Helper()
	s := app.DefaultSettings()
	s.Data = filepath.Join(t.TempDir(), "data")
	s.HTTP, s.SMTP, s.Metrics = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	return s
}

func start(t *testing.T, s app.Settings) *app.App {
	t.Helper()
	a, err := app.New(t.Context(), s, app.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, a) })
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func stop(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}

func TestStartAndStop(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			s := settings(t)
			if engine == "postgres" {
				u, err := config.ParseURL(databasetest.PostgresURL(t))
				if err != nil {
					t.Fatal(err)
				}
				s.Database = u
			}
			a := start(t, s)
			if a.SMTP() == "" {
				t.Error("no SMTP address")
			}
			for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/api/openapi.json": 200, "/nothing": 404} {
				if got := get(t, "http://"+a.HTTP()+path); got != want {
					t.Errorf("%s: %d, want %d", path, got, want)
				}
			}
			if !strings.HasPrefix(a.Parts().Centre.BaseURL, "http://127.0.0.1:") || strings.HasSuffix(a.Parts().Centre.BaseURL, ":0") {
				t.Errorf("links would begin with %s", a.Parts().Centre.BaseURL)
			}
		})
	}
}

func TestOneServerOnADataDirectory(t *testing.T) {
	s := settings(t)
	first := start(t, s)
	if _, err := app.New(t.Context(), s, app.Options{Serve: true}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second server: %v", err)
	}
	// A verb of the command line works beside it.
	beside, err := app.New(t.Context(), s, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beside.Report().Accept(t.Context(), report.Submission{
		Channel: report.Import, Content: []byte("Subject: x\r\n\r\nx\r\n"), Desk: first.Parts().Centre.Desks[0],
	}); err != nil {
		t.Error(err)
	}
	if err := beside.Start(t.Context()); err == nil {
		t.Error("it could be started")
	}
	stop(t, beside)
	stop(t, first)
	second, err := app.New(t.Context(), s, app.Options{Serve: true})
	if err != nil {
		t.Fatalf("after the first one ended: %v", err)
	}
	stop(t, second)
}

func TestAnotherSecretIsRefused(t *testing.T) {
	s := settings(t)
	a, err := app.New(t.Context(), s, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, a)
	key := filepath.Join(s.Data, "centre.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", key, info, err)
	}
	for content, want := range map[string]fault.Kind{
		strings.Repeat("ab", 32): fault.Conflict,
		"short":                  fault.Invalid,
	} {
		if err := os.WriteFile(key, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := app.New(t.Context(), s, app.Options{}); !fault.Is(err, want) {
			t.Errorf("with %q: %v, want %v", content, err, want)
		}
	}
}

func TestWhatFailsLeavesNothingOpen(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*app.Settings){
		"data is a file":      func(s *app.Settings) { s.Data = blocked },
		"address in use":      func(s *app.Settings) { s.HTTP = start(t, settings(t)).HTTP() },
		"no such certificate": func(s *app.Settings) { s.Web.Certificate, s.Web.Key = blocked, blocked },
		"no such DKIM key": func(s *app.Settings) {
			s.Relay, _ = config.ParseURL("smtp://127.0.0.1:1")
			s.Outgoing.DKIMKey = blocked
			s.Outgoing.DKIMDomain = "x.example"
			s.Outgoing.DKIMSelector = "s"
		},
		"no database there": func(s *app.Settings) {
			s.Database, _ = config.ParseURL("postgres://127.0.0.1:1/none?connect_timeout=1")
		},
		"from is not an address": func(s *app.Settings) { s.Answer.From = "nobody" },
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t)
			change(&s)
			if a, err := app.New(t.Context(), s, app.Options{Serve: true}); err == nil {
				t.Error("no error")
				stop(t, a)
			} else if strings.Contains(err.Error(), "\n\n") {
				t.Errorf("not for people: %v", err)
			}
		})
	}
}

func TestSMTPAddressInUse(t *testing.T) {
	s := settings(t)
	s.SMTP = start(t, settings(t)).SMTP()
	a, err := app.New(t.Context(), s, app.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err == nil {
		t.Error("no error")
	}
	stop(t, a)
}
