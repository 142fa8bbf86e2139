package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

//go:embed pages/*.html
var pages embed.FS

//go:embed texts/*.toml
var texts embed.FS

// Texts is the catalogue of this package's own words, for locale.Load.
var Texts fs.FS = texts

// Page is one page: a template and the type of its data. The template file
// defines "title" and "main", and may define "wide" as "wide" for staff pages
// that use the whole screen. Dot is a View[D] in all of them.
type Page[D any] struct {
	Name     string
	Template *template.Template // of the whole page, for webtest

	server *Server
}

// View is a page's dot: the layout's methods and, as .D, the page's own data.
type View[D any] struct {
	*Layout
	D D
}

// NewPage parses the page in that file together with the layout. The error is
// one of the template's syntax; webtest finds the others.
func NewPage[D any](s *Server, files fs.FS, name string) (*Page[D], error) {
	t, err := template.New("layout.html").Option("missingkey=error").ParseFS(pages, "pages/layout.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if t, err = t.ParseFS(files, name); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return &Page[D]{Name: path.Base(name), Template: t, server: s}, nil
}

// pageSize is what most pages need, in bytes.
const pageSize = 16 << 10

// Render writes the page. Nothing is written when the template fails, so that
// the error page can take its place.
func (p *Page[D]) Render(w http.ResponseWriter, r *http.Request, status int, data D) error {
	layout := p.server.layout(r)
	if d, ok := any(data).(interface{ Problems() []Problem }); ok {
		layout.Problems = d.Problems()
	}
	b := bytes.NewBuffer(make([]byte, 0, pageSize))
	if err := p.Template.Execute(b, View[D]{Layout: layout, D: data}); err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", layout.Lang)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(b.Bytes()) // a client that went away is no error of ours
	}
	return nil
}

// Problem is what is wrong with one field of a form. Data that has a method
// Problems() []Problem shows them: all on top (template "problems"), and each
// beside its field (method Problem).
type Problem struct {
	Field string // the id of the input
	Text  string // a whole sentence in the reader's language
}

// NavItem is an entry of the menu.
type NavItem struct {
	Key   string      // of its text in the catalogues
	Path  string      // where it leads, and the beginning of all that belongs to it
	Needs account.Act // who sees it; "" is everybody
}

// Nav adds entries to the menu, in the order of the calls.
func (s *Server) Nav(items ...NavItem) { s.nav = append(s.nav, items...) }

// Redirect sends the reader on to a page of ours with GET (303).
func Redirect(w http.ResponseWriter, r *http.Request, target string) error {
	http.Redirect(w, r, local(target, "/"), http.StatusSeeOther)
	return nil
}

// ParseForm parses the query and a body of either form type, within the
// route's limit. Files over a megabyte go to temporary files, which are
// removed after the request. The error is Invalid, TooLarge or Unsupported.
func ParseForm(r *http.Request) error {
	var err error
	switch mediaType(r) {
	case "multipart/form-data":
		err = r.ParseMultipartForm(1 << 20)
	case "application/x-www-form-urlencoded", "":
		err = r.ParseForm()
	default:
		return fault.New(fault.Unsupported, "")
	}
	if v := VisitOf(r.Context()); err != nil && v.body != nil && v.body.over {
		return fault.Wrap(fault.TooLarge, err, "")
	}
	return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
}

// mediaType returns the body's media type in lower case, without parameters.
func mediaType(r *http.Request) string {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// ownPages are the pages that the server itself shows.
type ownPages struct {
	fault  *Page[faultData]
	signIn *Page[signInData]
}

type faultData struct {
	Kind string // of the fault, as in its texts' keys
	ID   string // to quote
}

func newOwnPages(s *Server) (p ownPages, err error) {
	if p.fault, err = NewPage[faultData](s, pages, "pages/fault.html"); err != nil {
		return p, err
	}
	p.signIn, err = NewPage[signInData](s, pages, "pages/sign-in.html")
	return p, err
}

// asset serves a file of package static.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) error {
	if !s.assets.Serve(w, r, r.PathValue("name")) {
		return fault.New(fault.NotFound, "")
	}
	return nil
}
