package mailin

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Server is an SMTP server. Make one with New, then Start it once and Stop it
// once.
type Server struct {
	opt     Options
	limits  Limits
	log     *slog.Logger
	metrics *metrics

	certificate *certificate
	tls         *tls.Config // nil: no STARTTLS

	ctx    context.Context // of every Accept; ends when Stop runs out of patience
	cancel context.CancelFunc

	listener net.Listener
	done     chan struct{} // closed by Stop
	running  sync.WaitGroup
	buffered atomic.Int64 // bytes of messages in memory

	mu       sync.Mutex
	sessions map[*session]struct{}
	perIP    map[netip.Prefix]int
	heldBy   map[netip.Prefix]int64 // of buffered
	stopped  bool
}

// New checks the options and reads the certificate. It opens no port.
func New(opt Options) (*Server, error) {
	if opt.Accept == nil || opt.Recipient == nil {
		return nil, errors.New("mailin: Accept and Recipient are required")
	}
	if opt.Addr == "" {
		opt.Addr = "127.0.0.1:0"
	}
	if opt.Hostname == "" {
		opt.Hostname = "localhost"
	}
	if !printable(opt.Hostname) {
		return nil, errors.New("mailin: the host name has characters that cannot stand in a greeting")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opt:      opt,
		limits:   opt.Limits.withDefaults(),
		log:      opt.Log,
		done:     make(chan struct{}),
		sessions: make(map[*session]struct{}),
		perIP:    make(map[netip.Prefix]int),
		heldBy:   make(map[netip.Prefix]int64),
	}
	if opt.TLS != (TLS{}) {
		c, err := newCertificate(opt.TLS, opt.Log)
		if err != nil {
			return nil, err
		}
		s.certificate = c
		s.tls = &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}
	}
	m, err := newMetrics(opt.Metrics)
	if err != nil {
		return nil, err
	}
	s.metrics = m
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Start listens and serves in the background.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.opt.Addr)
	if err != nil {
		return fmt.Errorf("mailin: %w", err)
	}
	s.listener = l
	s.running.Go(s.serve)
	return nil
}

// Addr returns the address that Start listens on, with the real port. It is
// nil before Start.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Stop takes no new connection and no new message. Messages whose DATA has
// begun may end until ctx is done; then their connections are cut, and their
// senders keep them. It returns ctx's error when it had to cut.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return nil
	}
	s.stopped = true
	close(s.done)
	for c := range s.sessions {
		c.conn.drain()
	}
	s.mu.Unlock()
	if s.listener != nil {
		s.listener.Close()
	}

	quiet := make(chan struct{})
	go func() {
		s.running.Wait()
		close(quiet)
	}()
	defer s.cancel()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	for c := range s.sessions {
		c.conn.Close()
	}
	s.mu.Unlock()
	select { // an Accept that heeds its context gets a moment to leave
	case <-quiet:
	case <-time.After(time.Second):
	}
	return ctx.Err()
}

// serve takes connections until Stop.
func (s *Server) serve() {
	pause := time.Duration(0)
	for {
		c, err := s.listener.Accept()
		if err == nil {
			pause = 0
			s.admit(c)
			continue
		}
		select {
		case <-s.done:
			return
		default:
		}
		// Out of file descriptors, most likely: it passes.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Error("smtp: cannot take a connection", "error", err, "pause", pause)
		select {
		case <-s.done:
			return
		case <-time.After(pause):
		}
	}
}

// admit starts a session, or turns the client away when there are too many.
func (s *Server) admit(c net.Conn) {
	ss := newSession(s, c)
	s.mu.Lock()
	reason := ""
	switch {
	case s.stopped:
		reason = "stopping"
	case len(s.sessions) >= s.limits.Connections:
		reason = "connections"
	default:
		s.sessions[ss] = struct{}{}
		s.running.Add(1) // under mu: Stop cannot be waiting yet
	}
	s.mu.Unlock()
	if reason != "" {
		s.metrics.turnedAway(reason)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(c, "421 4.3.2 %s Too busy; try again later\r\n", s.opt.Hostname)
		c.Close()
		return
	}
	s.metrics.opened()
	go func() {
		defer s.running.Done()
		defer s.metrics.closed()
		defer func() {
			ss.conn.Close()
			s.mu.Lock()
			delete(s.sessions, ss)
			s.mu.Unlock()
		}()
		ss.run()
	}()
}

// enter counts a connection from the address, and reports whether it is one
// of the permitted number. Each enter that said yes needs a leave.
func (s *Server) enter(ip netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := network(ip)
	if s.perIP[k] >= s.limits.ConnectionsPerIP {
		return false
	}
	s.perIP[k]++
	return true
}

func (s *Server) leave(ip netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := network(ip)
	if s.perIP[k]--; s.perIP[k] <= 0 {
		delete(s.perIP, k)
	}
}

// hold takes n bytes of what messages may hold, all together and each client
// its share of it, and reports whether there were so many.
func (s *Server) hold(from netip.Prefix, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := s.buffered.Add(n)
	if total > s.limits.BufferedBytes || s.heldBy[from]+n > max(s.limits.BufferedBytes/4, 2*s.limits.MessageBytes) {
		s.buffered.Add(-n)
		return false
	}
	s.heldBy[from] += n
	return true
}

// release gives back what hold took.
func (s *Server) release(from netip.Prefix, n int64) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffered.Add(-n)
	if s.heldBy[from] -= n; s.heldBy[from] <= 0 {
		delete(s.heldBy, from)
	}
}

// network returns what counts as one client: an IPv4 address, or the /64 that
// one IPv6 customer has at the least.
func network(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

// trusted reports whether the peer is one of our proxies.
func (s *Server) trusted(peer netip.Addr) bool {
	return slices.ContainsFunc(s.opt.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// addressOf returns the IP address of a, without IPv4 mapping and zone. It is
// the zero Addr when a has none.
func addressOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// sessionID returns 16 random characters.
func sessionID() string { return rand.Text()[:16] }

// metrics counts without naming anybody.
type metrics struct {
	connections *prometheus.CounterVec // by fate: served, or why not
	open        prometheus.Gauge
	messages    *prometheus.CounterVec // by the code that ended DATA
	refusals    *prometheus.CounterVec // of commands, by code
	duration    prometheus.Histogram   // of Accept
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_smtp_connections_total",
			Help: "SMTP connections by fate: served, or why they were turned away.",
		}, []string{"fate"}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "belfry_smtp_connections",
			Help: "SMTP connections open now.",
		}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_smtp_messages_total",
			Help: "Messages sent with DATA, by the code of the reply; 250 is accepted.",
		}, []string{"code"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_smtp_refusals_total",
			Help: "Commands other than DATA that were refused, by the code of the reply.",
		}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "belfry_smtp_accept_seconds",
			Help:    "Time from the end of DATA to the reply.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.connections, m.open, m.messages, m.refusals, m.duration} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) opened() {
	m.connections.WithLabelValues("served").Inc()
	m.open.Inc()
}

func (m *metrics) closed()                  { m.open.Dec() }
func (m *metrics) turnedAway(reason string) { m.connections.WithLabelValues(reason).Inc() }
func (m *metrics) refused(code int)         { m.refusals.WithLabelValues(strconv.Itoa(code)).Inc() }

func (m *metrics) message(code int, took time.Duration) {
	m.messages.WithLabelValues(strconv.Itoa(code)).Inc()
	m.duration.Observe(took.Seconds())
}
