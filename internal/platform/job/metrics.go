package job

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const backlogEvery = 15 * time.Second

// metrics are the queue's figures; without a registerer they go nowhere.
type metrics struct {
	queue    *Queue
	on       bool
	duration *prometheus.HistogramVec
	runs     *prometheus.CounterVec
	due      *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer, q *Queue) *metrics {
	m := &metrics{
		queue: q,
		on:    r != nil,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "belfry_job_duration_seconds", Help: "Time of one run of a job.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"kind"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "belfry_job_runs_total", Help: "Runs of jobs, by their outcome: done, failed or snoozed.",
		}, []string{"kind", "outcome"}),
		due: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "belfry_queue_due", Help: "Jobs that are due and wait for a worker, counted up to 1000.",
		}, []string{"lane"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "belfry_queue_age_seconds", Help: "How long the oldest due job of the lane has waited.",
		}, []string{"lane"}),
	}
	if r != nil {
		r.MustRegister(m.duration, m.runs, m.due, m.oldest)
	}
	return m
}

func (m *metrics) observe(k registered, err error, d time.Duration) {
	outcome := "done"
	var later snooze
	switch {
	case errors.As(err, &later):
		outcome = "snoozed"
	case err != nil:
		outcome = "failed"
	}
	m.duration.WithLabelValues(k.Name).Observe(d.Seconds())
	m.runs.WithLabelValues(k.Name, outcome).Inc()
}

// watch keeps the gauges of the backlog fresh.
func (m *metrics) watch(ctx context.Context) {
	for m.on && ctx.Err() == nil {
		lanes, err := m.queue.Backlog(ctx)
		if err != nil && ctx.Err() == nil {
			m.queue.log.Error("the backlog could not be read", "error", err)
		}
		for _, b := range lanes {
			m.due.WithLabelValues(b.Lane).Set(float64(b.Due))
			m.oldest.WithLabelValues(b.Lane).Set(b.Oldest.Seconds())
		}
		select {
		case <-time.After(backlogEvery):
		case <-ctx.Done():
		}
	}
}
