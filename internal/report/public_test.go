package report

import (
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/webtest"
)

func TestPages(t *testing.T) {
	c := webtest.Catalogue(t, verdict.Wording, Locales)
	s := webtest.Server(t, web.Options{Text: c})
	check(t, s, "form", func(p *web.Page[formData]) { webtest.Check(t, c, p) })
	check(t, s, "follow", func(p *web.Page[followData]) { webtest.Check(t, c, p) })
	check(t, s, "gone", func(p *web.Page[goneData]) { webtest.Check(t, c, p) })
	check(t, s, "list", func(p *web.Page[listData]) { webtest.Check(t, c, p) })
	check(t, s, "report", func(p *web.Page[oneData]) { webtest.Check(t, c, p) })
}

func check[D any](t *testing.T, s *web.Server, name string, f func(*web.Page[D])) {
	t.Helper()
	p, err := web.NewPage[D](s, pages, "pages/"+name+".html")
	if err != nil {
		t.Fatal(err)
	}
	f(p)
}
