package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/webtest"
)

type echoInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many."`
	Body  struct {
		Word string `json:"word" maxLength:"10" doc:"A word."`
	}
}

type echoOutput struct {
	Body struct {
		Word string `json:"word"`
		Who  string `json:"who"`
	}
}

type rawInput struct {
	RawBody []byte `contentType:"message/rfc822"`
}

// apiServer has an operation for each sort, and the tokens of each role.
func apiServer(t *testing.T, log *journal) (*web.Server, map[account.Role]string) {
	t.Helper()
	db := databasetest.Open(t, database.Options{}, account.Schema)
	accounts := account.New(db, account.Options{})
	tokens := map[account.Role]string{}
	for _, role := range account.Roles() {
		secret, _, err := accounts.Create(t.Context(), account.System("test"), account.NewToken{Role: role, Label: string(role)})
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = secret
	}
	o := web.Options{Accounts: accounts}
	if log != nil {
		o.Log = log.logger()
	}
	s := webtest.Server(t, o)
	echo := func(ctx context.Context, in *echoInput) (*echoOutput, error) {
		switch in.Body.Word {
		case "conflict":
			return nil, fault.New(fault.Conflict, "It was decided already.")
		case "busy":
			return nil, fault.Wrap(fault.Busy, errors.New("disk secret_table"), "")
		case "broken":
			return nil, errors.New("disk secret_table")
		case "panic":
			panic("the bell fell")
		}
		out := &echoOutput{}
		out.Body.Word, out.Body.Who = in.Body.Word, web.VisitOf(ctx).Viewer.Name
		return out, nil
	}
	post := func(path string) huma.Operation {
		return huma.Operation{OperationID: strings.Trim(path, "/"), Method: "POST", Path: path, MaxBodyBytes: 1000}
	}
	huma.Register(s.API(), web.Protected(account.ReadReport, post("/echo")), echo)
	huma.Register(s.API(), web.Public(post("/open")), echo)
	huma.Register(s.API(), post("/forgotten"), echo)
	huma.Register(s.API(), web.Public(post("/raw")), func(_ context.Context, in *rawInput) (*echoOutput, error) {
		out := &echoOutput{}
		out.Body.Word = string(in.RawBody[:1])
		return out, nil
	})
	return s, tokens
}

func TestOperations(t *testing.T) {
	var log journal
	s, tokens := apiServer(t, &log)
	analyst, intake := "Bearer "+tokens[account.Analyst], "Bearer "+tokens[account.Intake]
	for name, c := range map[string]struct {
		path, auth, body string
		want             int
		kind, detail     string
	}{
		"fine":             {"/echo", analyst, `{"word":"hi"}`, 200, "", ""},
		"scheme's case":    {"/echo", strings.Replace(analyst, "Bearer", "bearer", 1), `{"word":"hi"}`, 200, "", ""},
		"nobody":           {"/echo", "", `{"word":"hi"}`, 401, "unauthorized", "Sign in first."},
		"wrong token":      {"/echo", analyst + "x", `{"word":"hi"}`, 401, "unauthorized", "not valid"},
		"wrong, open":      {"/open", analyst + "x", `{"word":"hi"}`, 401, "unauthorized", "not valid"},
		"basic":            {"/echo", "Basic YTpi", `{"word":"hi"}`, 401, "unauthorized", "bearer"},
		"wrong role":       {"/echo", intake, `{"word":"hi"}`, 403, "forbidden", ""},
		"open":             {"/open", "", `{"word":"hi"}`, 200, "", ""},
		"neither, nobody":  {"/forgotten", "", `{"word":"hi"}`, 401, "unauthorized", ""},
		"neither, analyst": {"/forgotten", analyst, `{"word":"hi"}`, 403, "forbidden", ""},
		"our error":        {"/echo", analyst, `{"word":"conflict"}`, 409, "conflict", "It was decided already."},
		"busy":             {"/echo", analyst, `{"word":"busy"}`, 503, "busy", "try again"},
		"a bug":            {"/echo", analyst, `{"word":"broken"}`, 500, "internal", "our side"},
		"a panic":          {"/echo", analyst, `{"word":"panic"}`, 500, "internal", "our side"},
		"not JSON":         {"/echo", analyst, `{"word":`, 400, "invalid", ""},
		"rule broken":      {"/echo", analyst, `{"word":"far too long a word"}`, 422, "invalid", "Validation failed."},
		"unknown property": {"/echo", analyst, `{"word":"a","hunter2":1}`, 422, "invalid", ""},
		"parameter":        {"/echo?limit=501", analyst, `{"word":"a"}`, 422, "invalid", ""},
		"too large":        {"/echo", analyst, `{"word":"` + strings.Repeat("x", 2000) + `"}`, 413, "too-large", ""},
		"too large, raw":   {"/raw", "", strings.Repeat("x", 2000), 413, "too-large", ""},
		"raw":              {"/raw", "", "From: a", 200, "", ""},
	} {
		header := map[string]string{"Content-Type": "application/json"}
		if c.auth != "" {
			header["Authorization"] = c.auth
		}
		r := do(s, request{method: "POST", path: "/api/v1" + c.path, header: header, body: c.body})
		got := body(t, r)
		if r.StatusCode != c.want {
			t.Errorf("%s: %d, want %d: %s", name, r.StatusCode, c.want, got)
			continue
		}
		if r.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no security headers", name)
		}
		if c.kind == "" {
			continue
		}
		var p web.ProblemDetails
		if err := json.Unmarshal([]byte(got), &p); err != nil || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s: %s", name, r.Header.Get("Content-Type"), got)
		}
		if p.Type != "urn:belfry:problem:"+c.kind || p.Status != c.want || p.ID == "" || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v", name, p)
		}
		if strings.Contains(got, "secret_table") || strings.Contains(got, "bell fell") || strings.Contains(got, "far too long a word") {
			t.Errorf("%s: tells too much: %s", name, got)
		}
		if !strings.Contains(log.String(), "id="+p.ID) {
			t.Errorf("%s: the log does not know %s", name, p.ID)
		}
		if wants := c.want == 401; wants != (r.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate %q", name, r.Header.Get("WWW-Authenticate"))
		}
	}
	if !strings.Contains(log.String(), "disk secret_table") {
		t.Error("the log lacks the cause")
	}
	for _, secret := range tokens {
		if strings.Contains(log.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}

func TestTheDescription(t *testing.T) {
	s, _ := apiServer(t, nil)
	r := do(s, request{path: "/api/openapi.json"})
	text := body(t, r)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]any
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || r.Header.Get("Content-Type") != "application/openapi+json" {
		t.Errorf("%s, %s", doc.OpenAPI, r.Header.Get("Content-Type"))
	}
	if diff := cmp.Diff([]map[string][]string{{"token": {}}}, doc.Paths["/echo"]["post"].Security); diff != "" {
		t.Error(diff)
	}
	for _, status := range []string{"200", "401", "403", "422", "500"} {
		if doc.Paths["/echo"]["post"].Responses[status] == nil {
			t.Errorf("status %s is not described", status)
		}
	}
	for _, foreign := range []string{"$schema", "http://", "https://"} {
		if strings.Contains(text, foreign) {
			t.Errorf("the description holds %q", foreign)
		}
	}
	for _, path := range []string{"/api/v1/docs", "/api/v1/openapi.json", "/docs", "/schemas/Echo.json"} {
		if r := do(s, request{path: path}); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestSigningIn(t *testing.T) {
	s, tokens := apiServer(t, nil)
	s.Nav(web.NavItem{Key: "web.menu", Path: "/staff", Needs: account.ReadReport})
	s.Handle("GET /staff", func(w http.ResponseWriter, r *http.Request) error {
		_, err := w.Write([]byte("hello " + web.VisitOf(r.Context()).Viewer.Name))
		return err
	}, web.Needs(account.ReadReport))
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

	r := do(s, request{path: "/staff?a=b"})
	if r.StatusCode != 303 || r.Header.Get("Location") != "/sign-in?next=%2Fstaff%3Fa%3Db" {
		t.Fatalf("nobody: %d to %s", r.StatusCode, r.Header.Get("Location"))
	}
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"wrong": {"token=bt_x", 401}, "none": {"", 401}, "machine": {"token=" + tokens[account.Intake], 403},
	} {
		r := do(s, request{method: "POST", path: "/sign-in?lang=nl", header: form, body: c.body + "&next=/staff"})
		page := body(t, r)
		if r.StatusCode != c.want || !strings.Contains(page, `href="#token"`) || !strings.Contains(page, `value="/staff"`) || strings.Contains(page, "bt_x") {
			t.Errorf("%s: %d\n%s", name, r.StatusCode, page)
		}
		for _, cookie := range r.Cookies() {
			if cookie.Name != "lang" {
				t.Errorf("%s: a cookie %v", name, cookie)
			}
		}
	}

	r = do(s, request{method: "POST", path: "/sign-in", header: form, body: "token=" + tokens[account.Analyst] + "&next=/staff?a=b"})
	if r.StatusCode != 303 || r.Header.Get("Location") != "/staff?a=b" || len(r.Cookies()) != 1 {
		t.Fatalf("%d to %s, %v", r.StatusCode, r.Header.Get("Location"), r.Cookies())
	}
	if r := do(s, request{method: "POST", path: "/sign-in", header: form, body: "token=" + tokens[account.Analyst] + "&next="}); r.Header.Get("Location") != "/staff" {
		t.Errorf("who asked for no page lands on %q, want the first of the menu", r.Header.Get("Location"))
	}
	cookie := r.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure || strings.Contains(cookie.Value, tokens[account.Analyst]) {
		t.Errorf("cookie %v", cookie)
	}
	with := map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
	if r := do(s, request{path: "/staff", header: with}); r.StatusCode != 200 || body(t, r) != "hello analyst" {
		t.Errorf("signed in: %d", r.StatusCode)
	}
	if page := body(t, do(s, request{path: "/sign-in", header: with})); !strings.Contains(page, `href="/staff"`) || !strings.Contains(page, `action="/sign-out"`) {
		t.Errorf("the menu is missing:\n%s", page)
	}
	if r := do(s, request{method: "POST", path: "/sign-out", header: with}); r.StatusCode != 303 || r.Cookies()[0].MaxAge != -1 {
		t.Errorf("signing out: %d, %v", r.StatusCode, r.Cookies())
	}
	if r := do(s, request{path: "/staff", header: with}); r.StatusCode != 303 || r.Cookies()[0].MaxAge != -1 {
		t.Errorf("after signing out: %d, %v", r.StatusCode, r.Cookies())
	}
}

func TestTheCookieIsSecureBehindTLS(t *testing.T) {
	s, tokens := apiServer(t, nil)
	r := do(s, request{
		method: "POST", path: "https://example.com/sign-in", body: "token=" + tokens[account.Admin],
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
	})
	if len(r.Cookies()) != 1 || r.Cookies()[0].Name != "__Host-session" || !r.Cookies()[0].Secure {
		t.Errorf("%v", r.Cookies())
	}
}

func TestNoOpenRedirect(t *testing.T) {
	s, tokens := apiServer(t, nil)
	for i, next := range []string{
		"https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
		"/%09/evil.example", "/\t/evil.example", "///evil.example", "evil.example", "http:evil", "/a\r\nSet-Cookie: x=y", "",
	} {
		r := do(s, request{
			method: "POST", path: "/sign-in", remote: fmt.Sprintf("192.0.2.%d:1", i),
			body:   "token=" + tokens[account.Admin] + "&next=" + url.QueryEscape(next),
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		})
		to := r.Header.Get("Location")
		if r.StatusCode != 303 || strings.HasPrefix(to, "//") || strings.Contains(to, "\\") || !strings.HasPrefix(to, "/") {
			t.Errorf("%q leads to %q (%d)", next, to, r.StatusCode)
		}
		page := body(t, do(s, request{path: "/sign-in?next=" + url.QueryEscape(next)}))
		if strings.Contains(page, `value="//`) || strings.Contains(page, `value="http`) || strings.Contains(page, "javascript:alert") {
			t.Errorf("%q stands in the form", next)
		}
	}
}

func TestSigningInIsSlowedDown(t *testing.T) {
	s, _ := apiServer(t, nil)
	last := 0
	for range 12 {
		last = do(s, request{method: "POST", path: "/sign-in", body: "token=x", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}).StatusCode
	}
	if last != 429 {
		t.Errorf("the twelfth attempt: %d", last)
	}
}

// Whatever a stranger sends, the answer is one of ours and never a 500.
func FuzzRequest(f *testing.F) {
	s := webtest.Server(f, web.Options{})
	f.Add("/sign-in", "nl", "198.51.100.1", "next=/x", "text/html")
	f.Add("/api/v1/x?lang=fr", "*", ",,,", "a=%", "application/json")
	f.Add("/static/x", "", "[::1]:5", "\x00", "")
	f.Fuzz(func(t *testing.T, target, accept, forwarded, form, kind string) {
		for _, method := range []string{"GET", "POST"} {
			r, err := http.NewRequest(method, "/", strings.NewReader(form))
			if err != nil {
				t.Fatal(err)
			}
			if u, err := r.URL.Parse(target); err == nil && strings.HasPrefix(u.Path, "/") {
				r.URL = u
			}
			r.RemoteAddr = "127.0.0.1:1"
			r.Header.Set("Accept-Language", accept)
			r.Header.Set("X-Forwarded-For", forwarded)
			r.Header.Set("Content-Type", kind)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %q: %d", method, target, w.Code)
			}
		}
	})
}
