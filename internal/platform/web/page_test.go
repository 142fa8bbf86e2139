package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/webtest"
)

func TestOwnPages(t *testing.T) {
	text := webtest.Catalogue(t)
	s := webtest.Server(t, web.Options{Text: text})
	webtest.Check(t, text, s.FaultPage())
	webtest.Check(t, text, s.SignInPage())
}

// A page that is wrong in each way that Check looks for is found out.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	text := webtest.Catalogue(t)
	s := webtest.Server(t, web.Options{Text: text})
	type data struct{ Name string }
	for name, c := range map[string]struct{ main, want string }{
		"field":        {`{{.D.Nmae}}`, "Nmae"},
		"method":       {`{{.Tt "web.skip"}}`, "Tt"},
		"key":          {`{{.T "web.skipp"}}`, `there is no text "web.skipp"`},
		"in an if":     {`{{if .D.Name}}{{$.T "web.skipp"}}{{end}}`, `there is no text "web.skipp"`},
		"placeholder":  {`{{.T "web.footer" "Name" .D.Name}}`, `"web.footer" wants [Brand] and gets [Name]`},
		"plural":       {`{{.T "locale.days_ago"}}`, "plural"},
		"words":        {`<p>Hello {{.D.Name}}</p>`, `"Hello"`},
		"in attribute": {`<img alt="A bell">`, "alt=A bell"},
		"fine":         {`<p title="{{.T "web.skip"}}">{{.D.Name}} – {{.N "locale.days_ago" 3}}</p>`, ""},
	} {
		files := fstest.MapFS{"p.html": {Data: []byte(`{{define "title"}}{{.T "web.skip"}}{{end}}{{define "main"}}` + c.main + `{{end}}`)}}
		page, err := web.NewPage[data](s, files, "p.html")
		if err != nil {
			t.Fatal(err)
		}
		fake := &fakeT{TB: t}
		webtest.Check(fake, text, page)
		if c.want == "" && fake.said != "" || !strings.Contains(fake.said, c.want) {
			t.Errorf("%s: %q, want %q", name, fake.said, c.want)
		}
	}
}

type fakeT struct {
	testing.TB
	said string
}

func (f *fakeT) Helper() {}
func (f *fakeT) Errorf(format string, args ...any) {
	f.said += strings.TrimSpace(fmt.Sprintf(format, args...)) + "\n"
}

func TestAPageThatFailsIsNotShownHalf(t *testing.T) {
	s := webtest.Server(t, web.Options{})
	files := fstest.MapFS{"p.html": {Data: []byte(`{{define "title"}}x{{end}}{{define "main"}}begun {{index .D 5}}{{end}}`)}}
	page, err := web.NewPage[[]string](s, files, "p.html")
	if err != nil {
		t.Fatal(err)
	}
	s.Handle("GET /p", func(w http.ResponseWriter, r *http.Request) error { return page.Render(w, r, 200, nil) })
	if r := do(s, request{path: "/p"}); r.StatusCode != 500 || strings.Contains(body(t, r), "begun") {
		t.Errorf("status %d", r.StatusCode)
	}
}
