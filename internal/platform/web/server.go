package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web/static"
	"github.com/belfry-centre/belfry/internal/platform/web/throttle"
)

// Options says how the server listens and what it stands on. Text is required.
type Options struct {
	Addr string      // where to listen, "host:port"; port 0 takes a free one
	TLS  *tls.Config // nil: plain HTTP, for a loopback or behind a proxy
	// Public is the address under which people reach the server, when a proxy
	// stands before it. With https, cookies are Secure and HSTS is sent.
	Public *url.URL
	// TrustedProxies are the peers whose X-Forwarded-For and
	// X-Forwarded-Proto count. Nobody else's do.
	TrustedProxies []netip.Prefix
	Connections    int // at once, in all; 0: 4096

	Text     *locale.Catalogue
	Language string         // for who asks for none of ours; "": nl
	Zone     *time.Location // in which pages write times; nil: UTC
	Brand    Brand
	Accounts *account.Service // nil: nobody can sign in
	Version  string           // of the program, for the API's description

	Log     *slog.Logger
	Metrics prometheus.Registerer
	Clock   func() time.Time
}

// Brand is how a centre names itself.
type Brand struct {
	Name string // on every page; "": the program's name
}

// Server is the HTTP server. Routes are registered before Start.
type Server struct {
	o       Options
	log     *slog.Logger
	mux     *http.ServeMux
	routes  []Route
	nav     []NavItem
	assets  *static.Set
	origins *http.CrossOriginProtection
	api     huma.API
	metrics metrics
	pages   ownPages
	signIns *throttle.Limiter

	http     *http.Server
	mu       sync.Mutex
	listener net.Listener
	done     chan struct{}
	failed   error
}

// Limits of a connection. A route may have more time for its body: see Body.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

// New returns a server with the routes that every installation has: the
// stylesheet and its kin, signing in and out, and the API's description.
func New(o Options) (*Server, error) {
	if o.Text == nil {
		return nil, errors.New("web: no texts")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Connections <= 0 {
		o.Connections = 4096
	}
	if o.Brand.Name == "" {
		o.Brand.Name = "Belfry"
	}
	if !locale.Known(o.Language) {
		o.Language = locale.Languages()[0]
	}
	s := &Server{o: o, log: o.Log, mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(), signIns: throttle.New(10*time.Second, 10, 0)}
	if o.Public != nil {
		if err := s.origins.AddTrustedOrigin(o.Public.Scheme + "://" + o.Public.Host); err != nil {
			return nil, fmt.Errorf("web: the public address: %w", err)
		}
	}
	var err error
	if s.assets, err = static.New(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, err
	}
	if s.pages, err = newOwnPages(s); err != nil {
		return nil, err
	}
	s.api = s.newAPI()
	s.http = &http.Server{
		Handler:           s,
		TLSConfig:         o.TLS,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.Handle("GET /static/{name}", s.asset)
	s.Handle("GET /sign-in", s.signInForm)
	s.Handle("POST /sign-in", s.signIn, Limit(s.signIns))
	s.Handle("POST /sign-out", s.signOut)
	s.Handle("GET /api/openapi.json", s.openAPI)
	return s, nil
}

// API returns the API under /api/v1, for huma.Register. An operation has to go
// through Protected or Public, otherwise it answers nobody.
func (s *Server) API() huma.API { return s.api }

// Listen takes the address without serving yet, so that Addr and URL are known
// before anything is built that tells them. The error says why it cannot.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listen(ctx)
}

func (s *Server) listen(ctx context.Context) error {
	if s.listener != nil {
		return errors.New("web: listening already")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.o.Addr)
	if err != nil {
		return fmt.Errorf("web: %w", err)
	}
	s.listener = l
	return nil
}

// Start listens, unless Listen has done that, and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return errors.New("web: started already")
	}
	if s.listener == nil {
		if err := s.listen(ctx); err != nil {
			return err
		}
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		limited := netutil.LimitListener(newCrowd(s.listener, s.trusts), s.o.Connections)
		var err error
		if s.o.TLS != nil {
			err = s.http.ServeTLS(limited, "", "")
		} else {
			err = s.http.Serve(limited)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.failed = err
			s.log.Error("the web server stopped", "error", err)
		}
	}()
	return nil
}

// Stop takes no new connections, lets running requests end until ctx does,
// then closes what is left. Stopping a server that was not started is no error.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	done, listener := s.done, s.listener
	s.mu.Unlock()
	switch {
	case done == nil && listener == nil:
		return nil
	case done == nil:
		return listener.Close()
	}
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
	<-done
	return s.failed
}

// Addr returns the address on which the server listens, "" before Listen.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// URL returns the address to give to people, without a slash at its end: the
// public one, else the one on which the server listens.
func (s *Server) URL() string {
	if s.o.Public != nil {
		u := url.URL{Scheme: s.o.Public.Scheme, Host: s.o.Public.Host}
		return u.String()
	}
	scheme := "http"
	if s.o.TLS != nil {
		scheme = "https"
	}
	addr := s.Addr()
	if addr == "" {
		addr = s.o.Addr
	}
	return scheme + "://" + addr
}

// metrics counts requests by route, never by path: paths are without number.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) (metrics, error) {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_http_requests_total", Help: "HTTP requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "belfry_http_request_seconds", Help: "Time to answer an HTTP request, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
	}
	if r == nil {
		return m, nil
	}
	if err := r.Register(m.requests); err != nil {
		return m, err
	}
	return m, r.Register(m.seconds)
}

func (m metrics) observe(r *http.Request, status int, took time.Duration) {
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	if status == 0 {
		status = http.StatusOK // net/http says so for a handler that says nothing
	}
	m.requests.WithLabelValues(route, method(r), strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}
