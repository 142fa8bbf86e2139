package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/web"
)

// monitor tells other machines how we are: /metrics on a listener of its own,
// /healthz and /readyz there and on the public server, for a balancer.
type monitor struct {
	app      *App
	listener net.Listener
	server   *http.Server
	ready    atomic.Bool
}

func newMonitor(a *App) *monitor { return &monitor{app: a} }

// publish adds the two short answers to the public server.
func (m *monitor) publish(s *web.Server) {
	s.Handle("GET /healthz", m.health)
	s.Handle("GET /readyz", m.readiness)
}

// health says that the process runs; it asks nothing else, for who finds it
// missing will kill the process.
func (m *monitor) health(w http.ResponseWriter, _ *http.Request) error {
	return writeText(w, "ok\n")
}

// readiness says whether reports can be taken in: everything is started and
// the store can be written to.
func (m *monitor) readiness(w http.ResponseWriter, r *http.Request) error {
	if !m.ready.Load() {
		return fault.New(fault.Busy, "Not started yet, or being stopped.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err := m.app.parts.DB.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO centre (name, value) VALUES ('alive', $1)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, tx.Now.Format(time.RFC3339))
		return err
	})
	if err != nil {
		return fault.Wrap(fault.Busy, err, "The store cannot be written to.")
	}
	return writeText(w, "ok\n")
}

func writeText(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, err := w.Write([]byte(text))
	return err
}

func (m *monitor) start() error {
	m.ready.Store(true)
	if m.app.settings.Metrics == "" {
		return nil
	}
	var err error
	if m.listener, err = net.Listen("tcp", m.app.settings.Metrics); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.app.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	for path, h := range map[string]web.Handler{"GET /healthz": m.health, "GET /readyz": m.readiness} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				http.Error(w, fault.Message(err), fault.KindOf(err).HTTPStatus())
			}
		})
	}
	m.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	go func() {
		if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			m.app.log.Error("the metrics server ended", "error", err)
		}
	}()
	return nil
}

func (m *monitor) stop(ctx context.Context) error {
	m.ready.Store(false)
	if m.server == nil {
		return nil
	}
	return m.server.Shutdown(ctx)
}

// addr is where /metrics is; empty when it is nowhere.
func (m *monitor) addr() string {
	if m.listener == nil {
		return ""
	}
	return m.listener.Addr().String()
}
