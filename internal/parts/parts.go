// Package parts is what a capability is given to build itself from: the
// platform's services, already opened, and the centre that it serves. app
// fills a Parts and hands it to each capability's Register; nothing else
// travels between floors, and nothing is global.
package parts

import (
	"log/slog"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/event"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/platform/web"
)

// The lanes in which jobs run, each with workers of its own, so that the work
// of one kind never delays that of another.
const (
	LaneAssess = "assess" // judging reports: what people wait for
	LaneDecide = "decide" // deciding on answers: behind judging, before no other server
	LaneAnswer = "answer" // sending mail: waits for other servers
	LaneBulk   = "bulk"   // retention, sweeps, fan-outs: may take its time
)

// Parts are the services that every capability may use.
type Parts struct {
	Centre   Centre
	DB       *database.DB
	Raw      raw.Store
	Jobs     *job.Queue
	Events   *event.Bus
	Audit    *audit.Log
	Accounts *account.Service
	Web      *web.Server
	API      huma.API
	Text     *locale.Catalogue
	Metrics  prometheus.Registerer
	Log      *slog.Logger
}

// Centre is who runs this Belfry, as others see it.
type Centre struct {
	Name string // shown on every page and in every answer
	// BaseURL is the public site's address without a slash at its end. Links
	// in answers begin with it.
	BaseURL string
	// Domain is the mail domain of the centre's own messages: it stands in
	// Message-IDs and is how mail of our own is recognised.
	Domain string
	Desks  []Desk
	// Secret keys what must be the same on every node and unguessable
	// outside: pseudonyms of reporters. It is 32 bytes.
	Secret []byte
}

// Desk is an address to which people report.
type Desk struct {
	Address      string // lower-case
	Language     string // nl, fr, de or en: of the answer when nothing tells better
	Organisation string // whose desk it is; empty is the centre's own
}

// Desk returns the desk with that address, whatever its letters' case.
func (c Centre) Desk(address string) (Desk, bool) {
	for _, d := range c.Desks {
		if strings.EqualFold(d.Address, address) {
			return d, true
		}
	}
	return Desk{}, false
}
