package app

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/mailin"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/report"
)

// startSMTP opens the door through which reports come in by mail.
func (a *App) startSMTP() error {
	in := a.settings.Intake
	proxies, err := networks(in.TrustedProxies)
	if err != nil {
		return err
	}
	relays, err := networks(a.settings.Trust.Relays)
	if err != nil {
		return err
	}
	trusted := func(ip netip.Addr) bool {
		return slices.ContainsFunc(relays, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	hostname := in.Hostname
	if hostname == "" {
		hostname = a.settings.Centre.Domain
	}
	senders := mailin.NewPacer(mailin.PacerOptions{PerMinute: float64(in.PerMinute)})
	// Who changes the sender with each mail is still one client.
	clients := mailin.NewPacer(mailin.PacerOptions{PerMinute: float64(in.PerMinuteNetwork)})
	a.smtp, err = mailin.New(mailin.Options{
		Addr:     a.settings.SMTP,
		Hostname: hostname,
		TLS:      mailin.TLS{Certificate: in.Certificate, Key: in.Key},
		Limits: mailin.Limits{
			MessageBytes: int64(in.MaxSize), Recipients: in.Recipients,
			Connections: in.Connections, ConnectionsPerIP: in.ConnectionsPerIP,
		},
		TrustedProxies: proxies,
		Recipient: func(address string) bool {
			_, ours := a.parts.Centre.Desk(address)
			return ours
		},
		Pace: func(_ context.Context, from string, ip netip.Addr) (time.Duration, error) {
			if trusted(ip) {
				return senders.Take(paceKey(from, ip, true))
			}
			own, err := senders.Take(paceKey(from, ip, false))
			if err != nil {
				return 0, err
			}
			all, err := clients.Take(web.ClientNetwork(ip))
			return max(own, all), err
		},
		Accept: func(ctx context.Context, e mailin.Envelope, data []byte) error {
			_, err := a.report.Accept(ctx, fromMail(a.parts.Centre, e, data, trusted(e.RemoteIP)))
			return err
		},
		Log:     a.log,
		Metrics: a.registry,
	})
	if err != nil {
		return err
	}
	if err := a.smtp.Start(); err != nil {
		return err
	}
	a.started.push("smtp", a.smtp.Stop)
	return nil
}

// paceKey returns by what a sender is slowed down. Anybody
// can name anybody as the sender, so one from another network must not use up
// what somebody may send from his own. A relay of ours brings everybody's mail:
// there only the sender tells people apart.
func paceKey(from string, ip netip.Addr, relay bool) string {
	if relay {
		return strings.ToLower(from)
	}
	return strings.ToLower(from) + " " + web.ClientNetwork(ip)
}

// fromMail makes a report of a mail. A mail to several desks is one report,
// at the first of them.
func fromMail(c parts.Centre, e mailin.Envelope, data []byte, relay bool) report.Submission {
	desk, _ := c.Desk(e.To[0])
	return report.Submission{
		Channel:  report.SMTP,
		Content:  data,
		Desk:     desk,
		Reporter: e.From,
		Envelope: report.Envelope{
			From: e.From, Null: e.From == "", To: e.To, RemoteIP: e.RemoteIP, Helo: e.Helo, TLS: e.TLS, Relay: relay,
		},
	}
}
