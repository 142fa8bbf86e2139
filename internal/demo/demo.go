package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/demo/zone"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/config"
)

// Options say how the demo runs.
type Options struct {
	// Data is where the centre is kept; empty is a new temporary folder, which
	// is removed at the end when Exit is set.
	Data string
	Exit bool // end after the story, instead of staying for a look around
	HTTP string
	SMTP string

	Version string
	Out     io.Writer    // the story
	Log     *slog.Logger // of the program; nil discards
}

// Run plays the demo. It returns an error when a step failed.
func Run(ctx context.Context, o Options) (err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &demo{o: o, printer: printer{w: o.Out}}
	if o.Data == "" {
		if d.o.Data, err = os.MkdirTemp("", "belfry-demo-"); err != nil {
			return err
		}
		if o.Exit {
			defer func() { err = errors.Join(err, os.RemoveAll(d.o.Data)) }()
		}
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		err = errors.Join(err, d.close(end))
	}()
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"A centre on this machine", d.begin},
		{"People forward suspicious mail, through real SMTP", d.send},
		{"Each report is assessed, with reasons", d.assessed},
		{"Each reporter is answered", d.answered},
		{"A mail server sends one again, as they do after a lost connection", d.sendAgain},
		{"A reporter opens the link in the answer", d.follow},
		{"Somebody pastes an SMS into the web form", d.form},
		{"A program asks the API", d.askAPI},
		{"The server ends and starts again: nothing is missing", d.restart},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.step(step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	d.done(len(story))
	if o.Exit {
		return nil
	}
	d.lookAround()
	<-ctx.Done()
	return nil
}

// demo is one run.
type demo struct {
	o       Options
	printer printer
	dns     *zone.Server
	mailbox *mailbox
	signers map[string]signer
	app     *app.App
	client  *http.Client
	token   string // of an analyst
	sent    []sentScene
	later   int // reports that came in after the story's
}

func (d *demo) step(title string) { d.printer.step(title) }

// begin starts the world around the centre, then the centre.
func (d *demo) begin(ctx context.Context) error {
	var err error
	if d.dns, err = zone.Serve(); err != nil {
		return fmt.Errorf("its DNS: %w", err)
	}
	d.signers = map[string]signer{}
	for _, domain := range []string{an.domain(), ines.domain()} {
		if d.signers[domain], err = newSigner(d.dns, domain); err != nil {
			return fmt.Errorf("its DNS: %w", err)
		}
	}
	if err := d.dns.Add(
		fmt.Sprintf("%s. 60 IN TXT \"v=spf1 -all\"", nobody.domain()),
		fmt.Sprintf("_dmarc.%s. 60 IN TXT \"v=DMARC1; p=reject\"", nobody.domain()),
	); err != nil {
		return fmt.Errorf("its DNS: %w", err)
	}
	if d.mailbox, err = openMailbox(); err != nil {
		return fmt.Errorf("the reporters' mailboxes: %w", err)
	}
	d.client = &http.Client{Timeout: patience}
	if err := d.start(ctx); err != nil {
		return err
	}
	d.token, _, err = d.app.Parts().Accounts.Create(ctx, account.System("demo"), account.NewToken{Role: account.Analyst, Label: "demo"})
	if err != nil {
		return err
	}
	desks := map[string]bool{}
	for _, desk := range d.app.Parts().Centre.Desks {
		desks[desk.Language+" "+desk.Address] = true
	}
	d.printer.fact("data", d.o.Data)
	d.printer.fact("mail comes in at", "smtp://"+d.app.SMTP())
	d.printer.fact("pages", d.url("/"))
	d.printer.fact("DNS of the invented domains", d.dns.Addr())
	d.printer.fact("mailboxes of the invented people", d.mailbox.url())
	return nil
}

// start opens the program itself, with the settings that "belfry serve" would
// have read from a file.
func (d *demo) start(ctx context.Context) error {
	s := app.DefaultSettings()
	s.Data = filepath.Join(d.o.Data, "centre")
	s.HTTP, s.SMTP = d.o.HTTP, d.o.SMTP
	relay, err := config.ParseURL(d.mailbox.url())
	if err != nil {
		return err
	}
	s.Relay = relay
	s.Centre.Name = "Belfry Demo Centre"
	s.Centre.Domain = "centre.example"
	s.Centre.TimeZone = "Europe/Brussels"
	s.Desks = []app.DeskSettings{
		{Address: "suspicious@centre.example", Language: "en"},
		{Address: "verdacht@centre.example", Language: "nl"},
		{Address: "suspect@centre.example", Language: "fr"},
		{Address: "suspekt@centre.example", Language: "de"},
		{Address: "suspicious@localhost", Language: "en"},
	}
	s.Trust.Resolver = d.dns.Addr()
	a, err := app.New(ctx, s, app.Options{Serve: true, Version: d.o.Version, Log: d.o.Log})
	if err != nil {
		return err
	}
	d.app = a
	if err := a.Start(ctx); err != nil {
		return err
	}
	// The same doors again after a restart, so that links go on working.
	d.o.HTTP, d.o.SMTP = a.HTTP(), a.SMTP()
	return nil
}

func (d *demo) url(path string) string { return "http://" + d.app.HTTP() + path }

// restart ends the program and starts it on the same folder, then checks that
// all is there and whole.
func (d *demo) restart(ctx context.Context) error {
	before, err := d.list(ctx)
	if err != nil {
		return err
	}
	mails := d.mailbox.count()
	if err := d.app.Stop(ctx); err != nil {
		return err
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	after, err := d.list(ctx)
	if err != nil {
		return err
	}
	if len(before) != len(story)+d.later || !slices.Equal(ids(before), ids(after)) {
		return fmt.Errorf("%d reports before, %d after, %d were sent", len(before), len(after), len(story)+d.later)
	}
	r, err := d.app.Verify(ctx, nil)
	if err != nil {
		return err
	}
	if !r.Sound() {
		return fmt.Errorf("the store is not sound: %+v", r.Faults)
	}
	if n := d.mailbox.count(); n != mails {
		return fmt.Errorf("%d answers went out a second time", n-mails)
	}
	d.printer.say("%d reports before and after. %d raw messages match their hashes, %d audit entries their chain. No answer went out twice.",
		len(after), r.Contents, r.AuditEntries)
	return nil
}

func (d *demo) close(ctx context.Context) error {
	var all error
	if d.app != nil {
		all = errors.Join(all, d.app.Stop(ctx))
	}
	if d.mailbox != nil {
		all = errors.Join(all, d.mailbox.stop(ctx))
	}
	if d.dns != nil {
		all = errors.Join(all, d.dns.Stop(ctx))
	}
	return all
}

func (d *demo) done(reports int) {
	d.printer.step("Done")
	d.printer.say("%d mails and %d more reports went the whole way. Every step was checked.", reports, d.later)
}

// lookAround says where to go on by hand.
func (d *demo) lookAround() {
	p := d.printer
	p.step("Look around")
	p.fact("report something", d.url("/"))
	p.fact("sign in as an analyst", d.url("/sign-in"))
	p.fact("with this token", d.token)
	p.fact("send it a mail", fmt.Sprintf("swaks --server %s --from you@citizens.example --to suspicious@localhost", d.app.SMTP()))
	p.fact("what answers look like", "they are kept in memory here and shown above; yours would arrive by mail")
	p.fact("everything is kept in", d.o.Data)
	p.say("Ctrl-C ends it. Start again on the same folder with: belfry serve --data %s", filepath.Join(d.o.Data, "centre"))
}
