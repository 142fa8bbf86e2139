package mailfetch

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts for all mailboxes of a program, each under its name.
type Metrics struct {
	messages  *prometheus.CounterVec
	failures  *prometheus.CounterVec
	connected *prometheus.GaugeVec
	success   *prometheus.GaugeVec
	deferred  *prometheus.GaugeVec
}

// The fates of messages, as the metric tells them.
const (
	fateFetched   = "fetched"   // read from the server, and handed to Accept
	fateProcessed = "processed" // accepted and moved
	fateFailed    = "failed"    // refused for good and moved
	fateDeferred  = "deferred"  // could not be accepted now
	fateOld       = "old"       // left alone for its age; counted at each look
)

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_imap_messages_total",
			Help: "Messages of watched mailboxes by fate: fetched, then processed, failed or deferred; old ones are left alone.",
		}, []string{"mailbox", "fate"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_imap_connection_failures_total",
			Help: "Connections that could not be made, or broke.",
		}, []string{"mailbox"}),
		connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "belfry_imap_connected",
			Help: "1 while the mailbox is watched.",
		}, []string{"mailbox"}),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "belfry_imap_last_success_timestamp_seconds",
			Help: "When everything in the mailbox had last been looked at.",
		}, []string{"mailbox"}),
		deferred: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "belfry_imap_deferred_messages",
			Help: "Messages that could not be accepted yet.",
		}, []string{"mailbox"}),
	}
	for _, c := range []prometheus.Collector{m.messages, m.failures, m.connected, m.success, m.deferred} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// counters are the metrics of one mailbox.
type counters struct {
	messages                     *prometheus.CounterVec // by fate
	failures                     prometheus.Counter
	connected, success, deferred prometheus.Gauge
}

// of returns a mailbox's counters; those of nil Metrics nobody sees.
func (m *Metrics) of(mailbox string) counters {
	if m == nil {
		m, _ = NewMetrics(prometheus.NewRegistry()) // an empty registry takes them
	}
	c := counters{
		messages:  m.messages.MustCurryWith(prometheus.Labels{"mailbox": mailbox}),
		failures:  m.failures.WithLabelValues(mailbox),
		connected: m.connected.WithLabelValues(mailbox),
		success:   m.success.WithLabelValues(mailbox),
		deferred:  m.deferred.WithLabelValues(mailbox),
	}
	for _, fate := range []string{fateFetched, fateProcessed, fateFailed, fateDeferred, fateOld} {
		c.messages.WithLabelValues(fate)
	}
	return c
}

func (c counters) fate(fate string, n int) { c.messages.WithLabelValues(fate).Add(float64(n)) }

func (c counters) show(s Status) {
	c.connected.Set(0)
	if s.Connected {
		c.connected.Set(1)
	}
	if !s.LastSuccess.IsZero() {
		c.success.Set(float64(s.LastSuccess.Unix()))
	}
	c.deferred.Set(float64(s.Deferred))
}
