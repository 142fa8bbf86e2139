package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch"
	"github.com/belfry-centre/belfry/internal/report"
)

// openMailboxes makes a watcher for each mailbox; they connect from Start on.
func (a *App) openMailboxes(_ context.Context, o Options) error {
	if !o.Serve || len(a.settings.Mailboxes) == 0 {
		return nil
	}
	metrics, err := mailfetch.NewMetrics(a.registry)
	if err != nil {
		return err
	}
	for i, m := range a.settings.Mailboxes {
		w, err := a.mailbox(m, metrics)
		if err != nil {
			return fmt.Errorf("mailbox[%d]: %w", i, err)
		}
		a.imap = append(a.imap, w)
	}
	return nil
}

func (a *App) mailbox(m MailboxSettings, metrics *mailfetch.Metrics) (*mailfetch.Watcher, error) {
	o := mailfetch.Options{
		Server: m.URL, Login: mailfetch.Login{User: m.User, Password: m.Password},
		Folder: m.Folder, Processed: m.Processed, Failed: m.Failed,
		Poll: time.Duration(m.Poll), MaxAge: time.Duration(m.MaxAge),
		Limits:  mailfetch.Limits{MessageBytes: int64(a.settings.Intake.MaxSize)},
		Metrics: metrics, Log: a.log,
	}
	if m.Auth == authXOAUTH2 {
		o.Login.OAuth = &mailfetch.OAuth{
			TokenURL: m.TokenURL, ClientID: m.ClientID, ClientSecret: m.ClientSecret, RefreshToken: m.RefreshToken, Scope: m.Scope,
		}
	}
	if m.CA != "" {
		pem, err := os.ReadFile(m.CA)
		if err != nil {
			return nil, err
		}
		o.Roots = x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", m.CA)
		}
	}
	desk := deskOf(a.parts.Centre, m)
	o.Accept = func(ctx context.Context, f mailfetch.Fetched) error {
		return a.acceptFetched(ctx, fromMailbox(desk, m.User, f, m.TrustResults))
	}
	return mailfetch.New(o)
}

// deskOf returns the desk to which a mailbox belongs.
func deskOf(c parts.Centre, m MailboxSettings) parts.Desk {
	for _, address := range []string{m.Desk, m.User} {
		if desk, ok := c.Desk(address); ok {
			return desk
		}
	}
	return c.Desks[0]
}

// startIMAP begins to watch the mailboxes. A server that cannot be reached
// keeps nobody from starting.
func (a *App) startIMAP() {
	for _, w := range a.imap {
		w.Start()
	}
	a.started.push("imap", func(ctx context.Context) error {
		ends := make([]error, len(a.imap))
		var all sync.WaitGroup
		for i, w := range a.imap {
			all.Go(func() { ends[i] = w.Stop(ctx) })
		}
		all.Wait()
		return errors.Join(ends...)
	})
}

// acceptFetched takes in what a mailbox held. When another message was taken
// under the same key in the last days, the server gives names twice: a mailbox
// that was made anew with the same UIDVALIDITY. Then the bytes tell them apart.
func (a *App) acceptFetched(ctx context.Context, s report.Submission) error {
	_, err := a.report.Accept(ctx, s)
	if fault.Is(err, fault.Conflict) {
		s.Key += fmt.Sprintf("/%x", sha256.Sum256(s.Content))
		_, err = a.report.Accept(ctx, s)
	}
	return err
}

// fromMailbox makes a report of a message from a mailbox of ours. What it says
// of its own way was written by the server that put it there: the sender of
// the envelope, and where trusted is set, the result of authentication. That
// counts only under a name that trust.receivers has, see mailauth. SPF cannot
// be asked: nobody tells from where it came. Mail to the mailbox's user, who is
// mostly named by an address, is mail to us as much as mail to the desk.
func fromMailbox(desk parts.Desk, user string, f mailfetch.Fetched, trusted bool) report.Submission {
	from, null := returnPath(f.Raw)
	s := report.Submission{
		Channel: report.IMAP,
		Content: f.Raw,
		Desk:    desk,
		Key:     fmt.Sprintf("imap/%s/%d/%d", f.Mailbox, f.UIDValidity, f.UID),
		// Who sent it stands in the header; until that is read, the envelope's
		// sender is the best that we know.
		Reporter: from,
		Envelope: report.Envelope{From: from, Null: null, To: []string{desk.Address, user}, Relay: trusted},
	}
	if f.InternalDate.Before(time.Now()) {
		s.ReceivedAt = f.InternalDate
	}
	return s
}

// maxTrace bounds the part of a header in which the way of a mail stands.
const maxTrace = 64 << 10

// returnPath returns the sender of the envelope as the delivering server wrote
// it on top of the message (RFC 5321, section 4.4). One below the first
// Received field came with the message, and proves nothing.
func returnPath(raw []byte) (address string, null bool) {
	raw = raw[:min(len(raw), maxTrace)]
	head := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		line, err := head.ReadContinuedLine()
		name, value, ok := strings.Cut(line, ":")
		switch name = strings.TrimSpace(name); {
		case err != nil || !ok || strings.EqualFold(name, "Received"):
			return "", false
		case strings.EqualFold(name, "Return-Path"):
			value = strings.TrimSpace(value)
			if value == "<>" {
				return "", true
			}
			a, err := mail.ParseAddress(value)
			if err != nil {
				return "", false
			}
			return a.Address, false
		}
	}
}

// authPassword and authXOAUTH2 are what mailbox.auth may be.
const (
	authPassword = "password"
	authXOAUTH2  = "xoauth2"
)

// validateMailboxes checks what types cannot.
func (s *Settings) validateMailboxes() (all []config.Problem) {
	seen := map[string]bool{}
	for i, m := range s.Mailboxes {
		wrong := func(key, message string) {
			all = append(all, config.Problem{Key: fmt.Sprintf("mailbox[%d].%s", i, key), Message: message})
		}
		check := func(key string, err error) {
			if err != nil {
				wrong(key, strings.TrimPrefix(err.Error(), "mailfetch: "))
			}
		}
		check("url", mailfetch.CheckServer(m.URL))
		check("folder", mailfetch.CheckFolders(m.Folder, m.Processed, m.Failed))
		if m.User == "" {
			wrong("user", "wants a user")
		}
		switch m.Auth {
		case authPassword:
			if m.Password.IsZero() {
				wrong("password", "wants a password, here or in the file that password_file names")
			}
		case authXOAUTH2:
			check("token_url", mailfetch.CheckTokenURL(m.TokenURL))
			if m.ClientID == "" || m.ClientSecret.IsZero() && m.RefreshToken.IsZero() {
				wrong("client_id", "wants a client id, and client_secret or refresh_token")
			}
		default:
			wrong("auth", `wants "password" or "xoauth2"`)
		}
		if m.Desk != "" {
			if _, ok := (parts.Centre{Desks: s.desks()}).Desk(m.Desk); !ok {
				wrong("desk", "is not the address of a desk")
			}
		}
		if m.Poll != 0 && time.Duration(m.Poll) < time.Second {
			wrong("poll", "wants a second at least")
		}
		key := strings.ToLower(m.URL + "\n" + m.User + "\n" + m.Folder)
		if seen[key] {
			wrong("url", "the same folder stands twice")
		}
		seen[key] = true
	}
	return all
}
