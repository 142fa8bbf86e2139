// Package keep says how long what people sent is kept, and takes it away: by
// age, on a person's request, or all that is older than a date. It is the
// lower floor of package report: it works on that one's tables, knows nothing
// of how a report came or was judged, and tells others by the event [Erased].
//
// # By age
//
// Retention walks the reports by id, which is by age, with one stored cursor
// for each rule: no rule needs an index of its own, and each batch is done
// once. Raw bytes go by whole months, 90 days after the month's end at most;
// the reporter's address, words and envelope after 30 days; receipts after 7.
// A report under legal hold keeps everything, and its month then loses its
// other bytes one by one instead of all at once.
package keep

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// Options are the periods. They are days, and none of the first three is 0.
type Options struct {
	RawDays     int // what was sent, byte for byte; whole months after that
	AddressDays int // the reporter's address, envelope and words
	FollowDays  int // the follow link
	KeepDays    int // the whole report; 0 is for ever
	// Receipts is how long a second try of the same submission finds the first.
	Receipts time.Duration
	// ReporterKey returns the pseudonym under which an address is stored; nil
	// for no address.
	ReporterKey func(address string) []byte
}

// Erased is told when reports lost what is personal in them.
var Erased = event.New[ErasedEvent]("report.erased")

// ErasedEvent is told when reports lost their personal data, or were removed
// whole; at most 500 in one event.
type ErasedEvent struct {
	Reports []database.ID `json:"reports"`
	Removed bool          `json:"removed"` // the reports are gone, not only who sent them
}

// Keeper keeps reports for as long as it is told to. It is safe for concurrent
// use.
type Keeper struct {
	o       Options
	db      *database.DB
	raw     raw.Store
	events  *event.Bus
	audit   *audit.Log
	log     *slog.Logger
	removed *prometheus.CounterVec
}

// New returns a keeper that works with p, where its jobs and figures are
// registered.
func New(p *parts.Parts, o Options) *Keeper {
	k := &Keeper{o: o, db: p.DB, raw: p.Raw, events: p.Events, audit: p.Audit, log: p.Log}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	k.removed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "belfry_retention_removed_total", Help: "What retention and erasure removed, by kind: addresses, receipts, follow, raw, months, swept, reports.",
	}, []string{"kind"})
	if p.Metrics != nil {
		p.Metrics.MustRegister(k.removed)
	}
	k.registerJobs(p.Jobs)
	return k
}

// did tells what retention removed: in the log, the audit log and the figures.
// Nothing is told of nothing.
func (k *Keeper) did(ctx context.Context, what string, n int64) {
	if n == 0 {
		return
	}
	k.log.Info("retention", "kind", what, "removed", n)
	k.removed.WithLabelValues(what).Add(float64(n))
	err := k.db.Update(context.WithoutCancel(ctx), func(tx *database.Tx) error {
		return k.record(ctx, tx, audit.Entry{
			Actor: account.System("retention").Actor(), Act: "retention." + what,
			Detail: map[string]string{"removed": strconv.FormatInt(n, 10)},
		})
	})
	if err != nil {
		k.log.Error("retention could not be written to the audit log", "kind", what, "removed", n, "error", err)
	}
}

// record appends to the audit log in the transaction of what it tells.
func (k *Keeper) record(ctx context.Context, tx *database.Tx, e audit.Entry) error {
	if k.audit == nil {
		return nil
	}
	return k.audit.Append(ctx, tx, e)
}
