package web_test

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/throttle"
	"github.com/belfry-centre/belfry/internal/platform/web/webtest"
)

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type request struct {
	method, path string
	header       map[string]string
	body         string
	remote       string
}

func do(s *web.Server, q request) *http.Response {
	if q.method == "" {
		q.method = "GET"
	}
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if q.remote != "" {
		r.RemoteAddr = q.remote
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every kind of error becomes a page in the reader's language, or a problem
// document, with an id that the log has next to the cause.
func TestErrors(t *testing.T) {
	var log journal
	s := webtest.Server(t, web.Options{Log: log.logger()})
	cause := errors.New("table secret_table is on fire")
	var err error
	s.Handle("GET /fail", func(http.ResponseWriter, *http.Request) error { return err })
	text := webtest.Catalogue(t)
	for _, kind := range fault.Kinds() {
		err = fault.Wrap(kind, cause, "A sentence for <everybody>.")
		for _, lang := range locale.Languages() {
			r := do(s, request{path: "/fail", header: map[string]string{"Accept-Language": lang, "Accept": "text/html"}})
			page := body(t, r)
			if r.StatusCode != kind.HTTPStatus() || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%v: %d %s", kind, r.StatusCode, r.Header.Get("Content-Type"))
			}
			title := text.Text(lang, "web.fault."+kind.String()+".title", nil)
			if !strings.Contains(page, "<h1>"+html.EscapeString(title)+"</h1>") || !strings.Contains(page, `<html lang="`+lang+`">`) || locale.Broken(page) {
				t.Errorf("%v, %s: not the page:\n%s", kind, lang, page)
			}
			if strings.Contains(page, "secret_table") {
				t.Errorf("%v: the cause is on the page", kind)
			}
			id := page[strings.Index(page, "<code>")+6:][:12]
			if !strings.Contains(log.String(), "id="+id) || !strings.Contains(log.String(), "secret_table") {
				t.Errorf("%v: the log does not have id and cause", kind)
			}
		}
		r := do(s, request{path: "/fail", header: map[string]string{"Accept": "application/json"}})
		got := body(t, r)
		if r.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got, `"type":"urn:belfry:problem:`+kind.String()+`"`) ||
			strings.Contains(got, "secret_table") || !strings.Contains(got, `"id":"`) {
			t.Errorf("%v: %s", kind, got)
		}
	}
}

func TestNoSuchPageAndNoSuchMethod(t *testing.T) {
	s := webtest.Server(t, web.Options{})
	s.Handle("POST /only", func(http.ResponseWriter, *http.Request) error { return nil })
	if r := do(s, request{path: "/nowhere"}); r.StatusCode != 404 || !strings.Contains(body(t, r), "<h1>") {
		t.Errorf("status %d", r.StatusCode)
	}
	r := do(s, request{path: "/only"})
	if r.StatusCode != 405 || r.Header.Get("Allow") != "POST" {
		t.Errorf("status %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	r = do(s, request{path: "/api/v1/nothing"})
	if r.StatusCode != 404 || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("status %d, %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
	if r = do(s, request{path: "/static/../../etc/passwd"}); r.StatusCode >= 500 || strings.Contains(body(t, r), "root:") {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestAPanicIsAnErrorPage(t *testing.T) {
	var log journal
	s := webtest.Server(t, web.Options{Log: log.logger()})
	s.Handle("GET /panic", func(http.ResponseWriter, *http.Request) error { panic("the bell fell") })
	r := do(s, request{path: "/panic"})
	if page := body(t, r); r.StatusCode != 500 || strings.Contains(page, "bell fell") {
		t.Errorf("%d: %s", r.StatusCode, page)
	}
	if !strings.Contains(log.String(), "the bell fell") || !strings.Contains(log.String(), "web_test.go") {
		t.Error("the log lacks the panic or its place")
	}
}

func TestAnErrorAfterTheAnswerBeganCutsIt(t *testing.T) {
	s := webtest.Server(t, web.Options{Addr: "127.0.0.1:0"})
	s.Handle("GET /half", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		return errors.New("too late")
	})
	start(t, s)
	r, err := http.Get(s.URL() + "/half")
	if err == nil {
		if _, err = io.ReadAll(r.Body); err == nil {
			t.Error("the client took half an answer for a whole one")
		}
		r.Body.Close()
	}
}

func TestHeaders(t *testing.T) {
	public, _ := url.Parse("https://desk.example")
	for name, c := range map[string]struct {
		options web.Options
		hsts    bool
	}{
		"plain": {web.Options{}, false}, "behind TLS": {web.Options{Public: public}, true},
	} {
		s := webtest.Server(t, c.options)
		for _, path := range []string{"/sign-in", "/nowhere", "/api/openapi.json", "/static/none.css"} {
			h := do(s, request{path: path}).Header
			for header, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
			} {
				if h.Get(header) != want {
					t.Errorf("%s %s: %s: %q", name, path, header, h.Get(header))
				}
			}
			policy := h.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("%s: the policy lacks %s", path, want)
				}
			}
			if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
				t.Errorf("%s: policy %s", path, policy)
			}
			if got := h.Get("Strict-Transport-Security") != ""; got != c.hsts {
				t.Errorf("%s %s: HSTS %v", name, path, got)
			}
		}
	}
}

// A page holds nothing that the policy would have to forgive.
func TestPagesKeepToThePolicy(t *testing.T) {
	page := body(t, do(webtest.Server(t, web.Options{}), request{path: "/sign-in"}))
	for _, bad := range []string{"style=", "<style", "onclick", "javascript:", "http://", "https://", "//cdn"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	public, _ := url.Parse("https://desk.example")
	s := webtest.Server(t, web.Options{Public: public})
	s.Handle("POST /act", func(http.ResponseWriter, *http.Request) error { return nil })
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"no browser":       {nil, 200},
		"same origin":      {map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"other site":       {map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"sibling":          {map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"old, other site":  {map[string]string{"Origin": "https://evil.example"}, 403},
		"old, same host":   {map[string]string{"Origin": "https://example.com"}, 200},
		"behind the proxy": {map[string]string{"Origin": "https://desk.example"}, 200},
		"opaque":           {map[string]string{"Origin": "null"}, 403},
	} {
		if r := do(s, request{method: "POST", path: "/act", header: c.header}); r.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, r.StatusCode, c.want)
		}
	}
}

func TestClientAddress(t *testing.T) {
	s := webtest.Server(t, web.Options{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"),
	}})
	var got string
	var secure bool
	s.Handle("GET /who", func(_ http.ResponseWriter, r *http.Request) error {
		v := web.VisitOf(r.Context())
		got, secure = v.Client.String(), v.Secure
		return nil
	})
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:99", "", "192.0.2.1"},
		{"192.0.2.1:99", "198.51.100.7", "192.0.2.1"}, // forged by a stranger
		{"10.1.1.1:99", "198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:99", "203.0.113.9, 198.51.100.7", "198.51.100.7"}, // the first is the client's own word
		{"10.1.1.1:99", "203.0.113.9, 198.51.100.7, 10.2.2.2", "198.51.100.7"},
		{"10.1.1.1:99", "10.3.3.3", "10.3.3.3"},
		{"10.1.1.1:99", "garbage", "10.1.1.1"},
		{"10.1.1.1:99", "198.51.100.7, garbage, 10.2.2.2", "10.2.2.2"},
		{"10.1.1.1:99", "198.51.100.7:5555", "198.51.100.7"},
		{"10.1.1.1:99", "[2001:db8::7]:5555", "2001:db8::7"},
		{"[fd00::1]:99", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:10.1.1.1]:99", "::ffff:198.51.100.7", "198.51.100.7"},
		{"10.1.1.1:99", strings.Repeat("10.9.9.9,", 500) + "10.2.2.2", "10.9.9.9"},
		{"pipe", "198.51.100.7", "invalid IP"},
	} {
		do(s, request{path: "/who", remote: c.remote, header: map[string]string{"X-Forwarded-For": c.forwarded, "X-Forwarded-Proto": "https"}})
		if got != c.want {
			t.Errorf("%s forwards %.60q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
		if trusted := strings.HasPrefix(c.remote, "10.") || strings.HasPrefix(c.remote, "[f") || strings.HasPrefix(c.remote, "[:"); secure != trusted {
			t.Errorf("%s: secure %v", c.remote, secure)
		}
	}
}

func TestLanguage(t *testing.T) {
	s := webtest.Server(t, web.Options{Language: "de"})
	for _, c := range []struct{ path, cookie, accept, want string }{
		{"/sign-in", "", "", "de"},
		{"/sign-in", "", "fr-BE", "fr"},
		{"/sign-in", "nl", "fr-BE", "nl"},
		{"/sign-in?lang=en", "nl", "fr-BE", "en"},
		{"/sign-in?lang=xx", "yy", "ja", "de"},
		{"/sign-in?lang=%00", `"><script>`, "\x00", "de"},
	} {
		r := do(s, request{path: c.path, header: map[string]string{"Cookie": "lang=" + c.cookie, "Accept-Language": c.accept}})
		if got := r.Header.Get("Content-Language"); got != c.want || !strings.Contains(body(t, r), `<html lang="`+c.want+`">`) {
			t.Errorf("%+v: %s", c, got)
		}
		if kept := len(r.Cookies()) == 1 && r.Cookies()[0].Name == "lang"; kept != (c.path == "/sign-in?lang=en") {
			t.Errorf("%+v: cookies %v", c, r.Cookies())
		}
	}
	page := body(t, do(s, request{path: "/sign-in?next=%2Fa%3Fb%3Dc&lang=nl"}))
	if !strings.Contains(page, `href="/sign-in?lang=fr&amp;next=%2Fa%3Fb%3Dc"`) {
		t.Errorf("the choice of language loses the page:\n%s", page)
	}
}

func TestBodyLimit(t *testing.T) {
	s := webtest.Server(t, web.Options{})
	form := func(w http.ResponseWriter, r *http.Request) error { return web.ParseForm(r) }
	s.Handle("POST /small", form)
	s.Handle("POST /large", form, web.Body(1<<20))
	multipart := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n" + strings.Repeat("x", 100<<10) + "\r\n--b--\r\n"
	for _, c := range []struct {
		path, kind, body string
		want             int
	}{
		{"/small", "application/x-www-form-urlencoded", "a=b", 200},
		{"/small", "application/x-www-form-urlencoded", "a=" + strings.Repeat("x", 100<<10), 413},
		{"/large", "application/x-www-form-urlencoded", "a=" + strings.Repeat("x", 100<<10), 200},
		{"/small", "multipart/form-data; boundary=b", multipart, 413},
		{"/large", "multipart/form-data; boundary=b", multipart, 200},
		{"/large", "multipart/form-data; boundary=b", "--b\r\nnonsense", 422},
		{"/large", "multipart/form-data", multipart, 422},
		{"/large", "application/x-www-form-urlencoded", "a=%zz", 422},
		{"/large", "text/xml", "<a/>", 415},
	} {
		r := do(s, request{method: "POST", path: c.path, body: c.body, header: map[string]string{"Content-Type": c.kind}})
		if r.StatusCode != c.want {
			t.Errorf("%s %s, %d bytes: %d, want %d", c.path, c.kind, len(c.body), r.StatusCode, c.want)
		}
	}
}

func TestRateLimit(t *testing.T) {
	s := webtest.Server(t, web.Options{})
	s.Handle("GET /slow", func(http.ResponseWriter, *http.Request) error { return nil }, web.Limit(throttle.New(time.Hour, 2, 0)))
	for _, c := range []struct {
		remote string
		want   int
	}{
		{"192.0.2.1:1", 200},
		{"192.0.2.1:2", 200},
		{"192.0.2.1:3", 429},
		{"192.0.2.2:1", 200},
		{"[2001:db8::1]:1", 200},
		{"[2001:db8::2]:1", 200},
		{"[2001:db8::3]:1", 429},
		{"[2001:db8:0:1::3]:1", 200},
	} {
		r := do(s, request{path: "/slow", remote: c.remote})
		if r.StatusCode != c.want || (c.want == 429) != (r.Header.Get("Retry-After") != "") {
			t.Errorf("%s: %d, want %d", c.remote, r.StatusCode, c.want)
		}
	}
}

func TestMetricsCountByRoute(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := webtest.Server(t, web.Options{Metrics: registry})
	s.Handle("GET /thing/{id}", func(http.ResponseWriter, *http.Request) error { return nil })
	for _, path := range []string{"/thing/1", "/thing/2", "/nowhere/secret-token"} {
		do(s, request{path: path})
	}
	do(s, request{path: "/nowhere", method: "EVIL"})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "belfry_http_requests_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{"GET GET /thing/{id} 200": 2, "GET none 404": 1, "other none 404": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStaticFiles(t *testing.T) {
	s := webtest.Server(t, web.Options{})
	page := body(t, do(s, request{path: "/sign-in"}))
	_, rest, _ := strings.Cut(page, `<link rel="stylesheet" href="`)
	path, _, _ := strings.Cut(rest, `"`)
	r := do(s, request{path: path})
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
	}
	plain := body(t, r)
	r = do(s, request{path: path, header: map[string]string{"Accept-Encoding": "gzip"}})
	if r.Header.Get("Content-Encoding") != "gzip" || len(body(t, r)) >= len(plain) {
		t.Error("not zipped")
	}
	if r := do(s, request{path: "/static/belfry.css"}); r.StatusCode != 404 {
		t.Errorf("without its hash: %d", r.StatusCode)
	}
}

func start(t *testing.T, s *web.Server) {
	t.Helper()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestStartAndStop(t *testing.T) {
	s := webtest.Server(t, web.Options{Addr: "127.0.0.1:0"})
	if s.Addr() != "" {
		t.Error("an address before Start")
	}
	start(t, s)
	r, err := http.Get(s.URL() + "/sign-in")
	if err != nil || r.StatusCode != 200 {
		t.Fatal(err)
	}
	r.Body.Close()
	other := webtest.Server(t, web.Options{Addr: s.Addr()})
	if err := other.Start(t.Context()); err == nil {
		t.Error("two servers on one port")
	}
	if err := other.Stop(t.Context()); err != nil {
		t.Errorf("stopping what did not start: %v", err)
	}
}
