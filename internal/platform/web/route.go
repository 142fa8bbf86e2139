package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/web/throttle"
)

// Handler answers a request or says why not. An error after the answer has
// begun ends the connection.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Route is one row of the route table.
type Route struct {
	Pattern string      // of http.ServeMux
	Needs   account.Act // what the viewer must be allowed to do; "" is open to all

	handler  Handler
	body     int64
	patience time.Duration
	limits   []*throttle.Limiter
}

// RouteOption changes one route.
type RouteOption func(*Route)

// Needs keeps the route for viewers who may do that.
func Needs(act account.Act) RouteOption { return func(r *Route) { r.Needs = act } }

// Body lets the request have a body of that many bytes, instead of 64 KiB, and
// the time to send it over a slow line (256 kbit/s).
func Body(bytes int64) RouteOption {
	return func(r *Route) {
		r.body = bytes
		r.patience = max(r.patience, patienceFor(bytes))
	}
}

// patienceFor returns how long a request with a body of that size may take on
// a line of 256 kbit/s.
func patienceFor(bytes int64) time.Duration {
	return defaultPatience + time.Duration(max(bytes, 0)/(32<<10))*time.Second
}

// Limit slows down each client address (IPv6: each /64).
func Limit(l *throttle.Limiter) RouteOption {
	return func(r *Route) { r.limits = append(r.limits, l) }
}

// ClientNetwork returns the key under which a client counts. Whoever has one
// IPv6 address has a /64, so that is one client.
func ClientNetwork(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

const (
	defaultBody     = 64 << 10
	defaultPatience = 30 * time.Second
)

// Handle registers a route under a pattern of http.ServeMux, with its method.
// As there, a pattern that is malformed or in conflict with another panics:
// both are errors in the program.
func (s *Server) Handle(pattern string, h Handler, options ...RouteOption) {
	r := Route{Pattern: pattern, handler: h, body: defaultBody, patience: defaultPatience}
	for _, option := range options {
		option(&r)
	}
	s.routes = append(s.routes, r)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		if err := s.run(&r, w, req); err != nil {
			s.fail(w, req, err)
		}
	})
}

// Routes returns the route table, for the test that walks it. The API's
// operations are in its OpenAPI description instead.
func (s *Server) Routes() []Route { return append([]Route(nil), s.routes...) }

func (s *Server) run(route *Route, w http.ResponseWriter, r *http.Request) error {
	v := VisitOf(r.Context())
	if route.Needs != "" {
		if err := account.Require(v.Viewer, route.Needs); err != nil {
			return err
		}
	}
	for _, l := range route.limits {
		if !l.Allow(ClientNetwork(v.Client)) {
			return fault.New(fault.RateLimited, "")
		}
	}
	limitBody(w, r, route.body, route.patience)
	ctx, cancel := context.WithTimeout(r.Context(), route.patience)
	defer cancel()
	v.request = r.WithContext(ctx)
	return route.handler(w, v.request)
}

// limitBody bounds the body's size and gives it that long to arrive.
func limitBody(w http.ResponseWriter, r *http.Request, bytes int64, patience time.Duration) {
	v := VisitOf(r.Context())
	v.body = &limitedBody{ReadCloser: http.MaxBytesReader(w, r.Body, bytes)}
	r.Body = v.body
	control := http.NewResponseController(w)
	now := time.Now()
	control.SetReadDeadline(now.Add(patience)) // not every writer can; then the server's own holds
	control.SetWriteDeadline(now.Add(patience + writeTimeout))
}

// limitedBody remembers that its limit was passed, as libraries that read it
// do not hand the error on.
type limitedBody struct {
	io.ReadCloser
	over bool
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		b.over = true
	}
	return n, err
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := s.visit(r)
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	v.request = r
	rec := &recorder{ResponseWriter: w}
	s.secure(rec.Header(), v)
	defer func() {
		if form := v.request.MultipartForm; form != nil {
			form.RemoveAll() // net/http does it for its own copy of the request only
		}
		s.metrics.observe(r, rec.status, s.o.Clock().Sub(v.started))
		s.log.Debug("request", "id", v.ID, "method", method(r), "route", r.Pattern, "status", rec.status)
	}()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler: //nolint:errorlint // it is compared as net/http does
			panic(p)
		default:
			s.fail(rec, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	if err := s.dispatch(rec, r, v); err != nil {
		s.fail(rec, r, err)
	}
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if err := s.origins.Check(r); err != nil {
		return fault.Wrap(fault.Forbidden, err, "The request comes from another site.")
	}
	handler, pattern := s.mux.Handler(r)
	if pattern == "" {
		return unmatched(w, r, handler)
	}
	if !strings.HasPrefix(r.URL.Path, "/static/") {
		keepLanguage(w, r, v)
		if err := s.identify(w, r, v); err != nil {
			return err
		}
	}
	s.mux.ServeHTTP(w, r)
	return nil
}

// unmatched says in our own words what the mux would say in its own: that the
// path does not exist, or not with this method.
func unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) error {
	var p probe
	h.ServeHTTP(&p, r)
	if p.status != http.StatusMethodNotAllowed {
		return fault.New(fault.NotFound, "")
	}
	w.Header().Set("Allow", p.Header().Get("Allow"))
	return &methodError{}
}

// methodError is the one error whose status its kind does not tell.
type methodError struct{}

func (*methodError) Error() string { return "the method is not allowed here" }

// probe takes an answer and keeps its status only.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secure sets the headers that every answer has. A handler may replace them.
func (s *Server) secure(h http.Header, v *Visit) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Cookie")
	if v.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int // 0: nothing yet
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func begun(w http.ResponseWriter) bool {
	rec, ok := w.(*recorder)
	return ok && rec.status != 0
}
