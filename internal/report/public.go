package report

import (
	"embed"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/throttle"
	"github.com/belfry-centre/belfry/internal/report/submission"
)

//go:embed pages/*.html
var pages embed.FS

// Limits of the form's door.
const (
	// formBurst reports one client network hands in at once, and one more
	// every formEvery after that. A household stays below it; an office that
	// does not has mail.
	formBurst = 20
	formEvery = 15 * time.Second

	// bigForm is from where on a submission has to wait for one of bigForms
	// places, so that many at once cannot fill the memory: each is held there
	// twice while the container is made of it. Until then its files are on disk.
	bigForm  = 1 << 20
	bigForms = 4

	// watchFor is how long a follow page looks for news by itself.
	watchFor = time.Hour
)

// registerPages adds the pages to the server; without one there are none.
func (c *Capability) registerPages(p *parts.Parts) error {
	if p.Web == nil {
		return nil
	}
	if err := c.registerPublic(p.Web); err != nil {
		return err
	}
	return c.registerStaff(p.Web)
}

// public is the pages for everybody.
type public struct {
	*Capability
	form   *web.Page[formData]
	follow *web.Page[followData]
	gone   *web.Page[goneData]
	places chan struct{}
}

func (c *Capability) registerPublic(s *web.Server) (err error) {
	p := &public{Capability: c, places: make(chan struct{}, bigForms)}
	if p.form, err = web.NewPage[formData](s, pages, "pages/form.html"); err != nil {
		return err
	}
	if p.follow, err = web.NewPage[followData](s, pages, "pages/follow.html"); err != nil {
		return err
	}
	if p.gone, err = web.NewPage[goneData](s, pages, "pages/gone.html"); err != nil {
		return err
	}
	limit := throttle.New(formEvery, formBurst, 0)
	s.Handle("GET /{$}", p.showForm)
	s.Handle("GET /report", p.backToForm)
	s.Handle("POST /report", p.submit, web.Body(c.o.MaxSize+formRoom), web.Limit(limit))
	s.Handle("GET /follow/{token}", p.showFollow)
	return nil
}

// formData is the report form with what was typed into it.
type formData struct {
	Text, URL, Email string
	FilesAgain       bool // files were chosen, and a browser does not keep them
	Desk             string
	MaxFiles         int
	MaxSize          int64 // bytes
	Room             int64 // MaxSize for people: whole megabytes, rounded down
	RawDays          int
	AddressDays      int

	problems []web.Problem
}

// Problems is what is wrong with what was typed.
func (d formData) Problems() []web.Problem { return d.problems }

func (p *public) formData(r *http.Request) formData {
	d := formData{
		MaxFiles: submission.MaxFiles, MaxSize: p.o.MaxSize, Room: room(p.o.MaxSize),
		RawDays: p.o.RawDays, AddressDays: p.o.AddressDays,
	}
	lang := web.VisitOf(r.Context()).Lang
	for i, desk := range p.centre.Desks {
		if i == 0 || desk.Language == lang {
			d.Desk = desk.Address
		}
		if desk.Language == lang {
			break
		}
	}
	return d
}

// room rounds a limit of size down, so that what is told fits.
func room(size int64) int64 {
	const megabyte = 1_000_000
	if size < megabyte {
		return size
	}
	return (size >> 20) * megabyte
}

func (p *public) showForm(w http.ResponseWriter, r *http.Request) error {
	return p.form.Render(w, r, http.StatusOK, p.formData(r))
}

// backToForm is for who opens the address to which the form is sent, as the
// choice of language does after an error.
func (p *public) backToForm(w http.ResponseWriter, r *http.Request) error {
	return web.Redirect(w, r, "/")
}

// submit takes a report in and leads to its follow page. What cannot be taken
// is shown again, with what was typed and what is wrong.
func (p *public) submit(w http.ResponseWriter, r *http.Request) error {
	d := p.formData(r)
	refuse := func(status int, problems ...web.Problem) error {
		d.problems = problems
		return p.form.Render(w, r, status, d)
	}
	visit := web.VisitOf(r.Context())
	if err := web.ParseForm(r); fault.Is(err, fault.TooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, p.problem(visit.Lang, "files", "large"))
	} else if err != nil {
		return err
	}
	f := submission.Form{
		Text: typed(r, "text"), URL: typed(r, "url"), Email: typed(r, "email"), Language: typed(r, "language"),
	}
	if !locale.Known(f.Language) {
		f.Language = visit.Lang
	}
	d.Text, d.URL, d.Email = clip(f.Text, submission.MaxText), clip(f.URL, submission.MaxURL), clip(f.Email, submission.MaxEmail)
	size, count := sizeOf(r)
	d.FilesAgain = count > 0
	if problems := p.problems(visit.Lang, f, size, count); len(problems) > 0 {
		return refuse(http.StatusUnprocessableEntity, problems...)
	}
	done, err := p.accept(r, f, size)
	if fault.Is(err, fault.TooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, p.problem(visit.Lang, "files", "large"))
	} else if err != nil {
		return err
	}
	return web.Redirect(w, r, "/follow/"+done.FollowToken)
}

// accept makes the container and hands it in.
func (p *public) accept(r *http.Request, f submission.Form, size int64) (Accepted, error) {
	if size > bigForm {
		select {
		case p.places <- struct{}{}:
			defer func() { <-p.places }()
		case <-r.Context().Done():
			return Accepted{}, fault.Wrap(fault.Busy, r.Context().Err(), "")
		}
	}
	if err := readFiles(r, &f); err != nil {
		return Accepted{}, err
	}
	if err := f.Check(); err != nil {
		return Accepted{}, err
	}
	return p.Accept(r.Context(), Submission{
		Channel: Form, Content: f.Compose(), Language: f.Language, Reporter: f.Email,
		Envelope: Envelope{RemoteIP: web.VisitOf(r.Context()).Client},
	})
}

// typed returns a text field, without the blanks around it.
func typed(r *http.Request, field string) string {
	return strings.TrimSpace(strings.ToValidUTF8(r.PostFormValue(field), "\uFFFD"))
}

// fileFields are the names under which files may come; the second is that of
// the API.
var fileFields = []string{"files", "files[]"}

// sizeOf returns how many files came, and their bytes in all. Browsers send an
// empty field for no file; that is none.
func sizeOf(r *http.Request) (size int64, count int) {
	if r.MultipartForm == nil {
		return 0, 0
	}
	for _, field := range fileFields {
		for _, h := range r.MultipartForm.File[field] {
			if h.Size > 0 {
				size += h.Size
				count++
			}
		}
	}
	return size, count
}

func readFiles(r *http.Request, f *submission.Form) error {
	if r.MultipartForm == nil {
		return nil
	}
	for _, field := range fileFields {
		for _, h := range r.MultipartForm.File[field] {
			if h.Size == 0 {
				continue
			}
			file, err := h.Open()
			if err != nil {
				return fmt.Errorf("opening an upload: %w", err)
			}
			content := make([]byte, h.Size)
			_, err = io.ReadFull(file, content)
			file.Close()
			if err != nil {
				return fmt.Errorf("reading an upload: %w", err)
			}
			f.Files = append(f.Files, submission.File{Name: h.Filename, Type: h.Header.Get("Content-Type"), Content: content})
		}
	}
	return nil
}

// problems says what is wrong with a form, field by field, in the order in
// which they stand on the page.
func (p *public) problems(lang string, f submission.Form, size int64, count int) (all []web.Problem) {
	add := func(field, what string) { all = append(all, p.problem(lang, field, what)) }
	// A field is wrong when a form that has nothing else is.
	wrong := func(one submission.Form) bool { return one.Check() != nil }
	switch {
	case count == 0 && f.Text == "" && f.URL == "":
		add("files", "empty")
	case count > submission.MaxFiles:
		add("files", "many")
	case size+int64(len(f.Text)) > p.o.MaxSize:
		add("files", "large")
	}
	if len(f.Text) > submission.MaxText {
		add("text", "long")
	}
	if f.URL != "" && (len(f.URL) > submission.MaxURL || wrong(submission.Form{URL: f.URL})) {
		add("url", "url")
	}
	if f.Email != "" && (len(f.Email) > submission.MaxEmail || wrong(submission.Form{Text: "-", Email: f.Email})) {
		add("email", "email")
	}
	return all
}

func (p *public) problem(lang, field, what string) web.Problem {
	key := "report.page.form.problem." + what
	params := map[string]string{}
	names, _ := p.text.Placeholders(key)
	for _, n := range names {
		switch n {
		case "Count":
			params[n] = fmt.Sprint(submission.MaxFiles)
		case "Size":
			params[n] = p.text.Size(lang, room(p.o.MaxSize))
		}
	}
	return web.Problem{Field: field, Text: p.text.Text(lang, key, params)}
}

// followData is what the holder of a follow link sees.
type followData struct {
	Followed
	Link  string
	Watch bool // the page looks for news by itself
}

// Step says how far the report has come: 1 it was received, 2 it is looked at,
// 3 it is answered.
func (d followData) Step() int {
	if d.Panel != nil || d.State == StateAnswered || d.State == StateClosed {
		return 3
	}
	return 2
}

// goneData is the page for a link that does not open.
type goneData struct{ Days int }

// showFollow shows a report to whoever has its link. It changes nothing.
func (p *public) showFollow(w http.ResponseWriter, r *http.Request) error {
	private(w)
	token := r.PathValue("token")
	f, err := p.Follow(r.Context(), token, web.VisitOf(r.Context()).Lang)
	if fault.Is(err, fault.NotFound) {
		return p.gone.Render(w, r, http.StatusNotFound, goneData{Days: p.o.FollowDays})
	}
	if err != nil {
		return err
	}
	d := followData{Followed: f, Link: p.FollowURL(token)}
	d.Watch = d.Step() < 3 && p.db.Now().Sub(f.ReceivedAt) < watchFor
	return p.follow.Render(w, r, http.StatusOK, d)
}

// private keeps a page out of caches, search engines and the address lines of
// others.
func private(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
}
