package mailfetch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch"
)

func TestTakesReadAndUnreadAndMovesThem(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{
		"everything":            everything,
		"without IDLE":          without(imap.CapIdle),
		"without MOVE":          without(imap.CapMove),
		"without an initial":    without(imap.CapSASLIR),
		"without NAMESPACE":     without(imap.CapNamespace),
		"the oldest, but UIDs":  {imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}},
		"with the new revision": {imap.CapIMAP4rev2: {}, imap.CapIMAP4rev1: {}},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := newServer(t, serverOptions{caps: caps}), &desk{}
			s.put("INBOX", message(1))
			s.put("INBOX", message(2), imap.FlagSeen, imap.FlagFlagged)
			s.put("INBOX", message(3), imap.FlagDeleted)
			watch(t, options(s.url(), d))
			eventually(t, "both moved", func() bool { return s.count("Processed") == 2 })
			s.put("INBOX", message(4))
			eventually(t, "the new one moved", func() bool { return s.count("Processed") == 3 })
			if got, want := strings.Join(d.bodies(), ""), message(1)+message(2)+message(4); got != want {
				t.Errorf("taken: %q", got)
			}
			if s.count("INBOX") != 1 || s.count("Failed") != 0 || d.offered() != 3 {
				t.Errorf("INBOX %d, Failed %d, offers %d", s.count("INBOX"), s.count("Failed"), d.offered())
			}
			c := s.client()
			if _, err := c.Select("Processed", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			all, err := c.Fetch(imap.SeqSetNum(1, 2, 3), &imap.FetchOptions{Flags: true}).Collect()
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			for _, m := range all {
				for _, f := range m.Flags {
					if f == imap.FlagSeen {
						seen++
					}
				}
			}
			if seen != 1 {
				t.Errorf("%d of 3 are marked as read, want the one that was", seen)
			}
		})
	}
}

func TestWithoutUIDPLUSTheMarkedMessageStays(t *testing.T) {
	s, d := newServer(t, serverOptions{caps: imap.CapSet{imap.CapIMAP4rev1: {}}}), &desk{}
	s.put("INBOX", message(1))
	s.put("INBOX", message(2), imap.FlagDeleted) // somebody else's mark
	w := watch(t, options(s.url(), d))
	eventually(t, "copied", func() bool { return s.count("Processed") == 1 })
	stop(t, w)
	watch(t, options(s.url(), d))
	s.put("INBOX", message(3))
	eventually(t, "copied", func() bool { return s.count("Processed") == 2 })
	if s.count("INBOX") != 3 || d.offered() != 2 {
		t.Errorf("INBOX %d, offers %d", s.count("INBOX"), d.offered())
	}
}

func TestWhatIsRefusedForGoodGoesToFailed(t *testing.T) {
	s := newServer(t, serverOptions{})
	kinds := map[string]fault.Kind{message(1): fault.Invalid, message(2): fault.TooLarge, message(3): fault.Unsupported, message(4): fault.Conflict}
	d := &desk{refuse: func(f mailfetch.Fetched) error {
		if k, ok := kinds[string(f.Raw)]; ok {
			return fault.New(k, "")
		}
		return nil
	}}
	for n := range 6 {
		s.put("INBOX", message(n))
	}
	o := options(s.url(), d)
	o.Limits.MessageBytes = 1000
	s.put("INBOX", "X: x\r\n\r\n"+strings.Repeat("x", 993))
	s.put("INBOX", "X: x\r\n\r\n"+strings.Repeat("x", 992))
	reg := prometheus.NewRegistry()
	o.Metrics, _ = mailfetch.NewMetrics(reg)
	w := watch(t, o)
	eventually(t, "all moved", func() bool { return s.count("INBOX") == 0 })
	if p, f := s.count("Processed"), s.count("Failed"); p != 3 || f != 5 || d.offered() != 7 {
		t.Errorf("Processed %d, Failed %d, offers %d", p, f, d.offered())
	}
	eventually(t, "a success", func() bool { return w.Status().Connected && !w.Status().LastSuccess.IsZero() })
	eventually(t, "the metrics say so", func() bool {
		return metrics(t, reg) == "connected 1, deferred 0, failed 5, fetched 7, old 0, processed 3"
	})
}

// metrics returns the values of one mailbox's metrics.
func metrics(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		for _, m := range f.Metric {
			switch {
			case f.GetName() == "belfry_imap_connected":
				all = append(all, fmt.Sprint("connected ", m.GetGauge().GetValue()))
			case f.GetName() == "belfry_imap_messages_total":
				all = append(all, fmt.Sprint(m.Label[0].GetValue(), " ", m.GetCounter().GetValue()))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestBusyLeavesItWhereItIs(t *testing.T) {
	s := newServer(t, serverOptions{})
	var mu sync.Mutex
	busy := true
	d := &desk{refuse: func(mailfetch.Fetched) error {
		mu.Lock()
		defer mu.Unlock()
		if busy {
			return fault.New(fault.Busy, "")
		}
		return nil
	}}
	const many = 120 // more than a window
	for n := range many {
		s.put("INBOX", message(n))
	}
	w := watch(t, options(s.url(), d))
	eventually(t, "several tries", func() bool { return d.offered() > 40 })
	if s.count("INBOX") != many {
		t.Errorf("INBOX %d", s.count("INBOX"))
	}
	if !w.Status().Connected || w.Status().Failures != 0 {
		t.Errorf("a busy store is no failure of the connection: %+v", w.Status())
	}
	mu.Lock()
	busy = false
	mu.Unlock()
	eventually(t, "all moved", func() bool { return s.count("Processed") == many })
	if d.count() != many || s.count("INBOX") != 0 {
		t.Errorf("%d taken, %d left", d.count(), s.count("INBOX"))
	}
}

func TestOneBadMessageDoesNotHoldUpOthers(t *testing.T) {
	s := newServer(t, serverOptions{})
	d := &desk{refuse: func(f mailfetch.Fetched) error {
		if string(f.Raw) == message(0) {
			return errors.New("it always breaks")
		}
		return nil
	}}
	for n := range 20 {
		s.put("INBOX", message(n))
	}
	o := options(s.url(), d)
	o.Limits.Batch = 1
	w := watch(t, o)
	eventually(t, "all others moved", func() bool { return s.count("Processed") == 19 })
	eventually(t, "it is counted", func() bool { return w.Status().Deferred == 1 })
	s.put("INBOX", message(20))
	eventually(t, "a new one too", func() bool { return s.count("Processed") == 20 })
	if s.count("INBOX") != 1 {
		t.Errorf("INBOX %d", s.count("INBOX"))
	}
}

func TestTwoNodesOnOneMailbox(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{"MOVE": everything, "COPY": without(imap.CapMove)} {
		t.Run(name, func(t *testing.T) {
			s, d := newServer(t, serverOptions{caps: caps}), &desk{}
			const many = 150
			for n := range many {
				s.put("INBOX", message(n))
			}
			first, second := watch(t, options(s.url(), d)), watch(t, options(s.url(), d))
			for n := range 20 {
				s.put("INBOX", message(many+n))
			}
			eventually(t, "the folder is empty", func() bool { return s.count("INBOX") == 0 })
			stop(t, first)
			stop(t, second)
			if d.count() != many+20 {
				t.Errorf("%d taken", d.count())
			}
			if p := s.count("Processed"); p < many+20 || name == "MOVE" && p != many+20 {
				t.Errorf("Processed %d", p)
			}
		})
	}
}

func TestOldMessagesAreLeftAlone(t *testing.T) {
	s, d := newServer(t, serverOptions{}), &desk{}
	for n := range 60 {
		s.putAt("INBOX", message(n), time.Now().Add(-48*time.Hour))
	}
	s.put("INBOX", message(100))
	o := options(s.url(), d)
	o.MaxAge = 24 * time.Hour
	watch(t, o)
	eventually(t, "the new one moved", func() bool { return s.count("Processed") == 1 })
	s.put("INBOX", message(101))
	eventually(t, "the next one moved", func() bool { return s.count("Processed") == 2 })
	if s.count("INBOX") != 60 || d.offered() != 2 {
		t.Errorf("INBOX %d, offers %d", s.count("INBOX"), d.offered())
	}
}

func TestReconnects(t *testing.T) {
	s, d := newServer(t, serverOptions{}), &desk{}
	w := watch(t, options(s.url(), d))
	for n := range 3 {
		s.put("INBOX", message(n))
		eventually(t, "moved", func() bool { return s.count("Processed") == n+1 && w.Status().Connected })
		s.restart()
		s.put("INBOX", message(100+n))
		eventually(t, "moved after a new connection", func() bool { return s.count("INBOX") == 0 })
		if err := s.user.Delete("Processed"); err != nil { // and a person tidies up
			t.Fatal(err)
		}
		s.put("INBOX", message(200+n))
		eventually(t, "the folder is back", func() bool { return s.count("Processed") == 1 })
		for s.count("Processed") < n+1 {
			s.put("Processed", message(0))
		}
	}
	if d.count() != 9 {
		t.Errorf("%d taken", d.count())
	}
}

func TestNewUIDValidity(t *testing.T) {
	s, d := newServer(t, serverOptions{}), &desk{}
	var mu sync.Mutex
	validities := map[uint32]bool{}
	d.refuse = func(f mailfetch.Fetched) error {
		mu.Lock()
		defer mu.Unlock()
		validities[f.UIDValidity] = true
		return nil
	}
	s.put("INBOX", message(1))
	o := options(s.url(), d)
	watch(t, o)
	eventually(t, "moved", func() bool { return s.count("Processed") == 1 })
	// Whoever restores a mailbox gives it the same UIDs for other messages.
	for _, act := range []func() error{
		func() error { return s.user.Delete("INBOX") },
		func() error { return s.user.Create("INBOX", nil) },
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	s.put("INBOX", message(2))
	s.restart()
	eventually(t, "the message with the same UID", func() bool { return s.count("Processed") == 2 })
	mu.Lock()
	defer mu.Unlock()
	if d.count() != 2 || len(validities) != 2 {
		t.Errorf("%d taken, UIDVALIDITYs %v", d.count(), validities)
	}
}

func TestStopLetsTheBatchBeMoved(t *testing.T) {
	s := newServer(t, serverOptions{})
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d := &desk{refuse: func(mailfetch.Fetched) error {
		once.Do(func() { close(begun) })
		<-release
		return nil
	}}
	for n := range 40 {
		s.put("INBOX", message(n))
	}
	w := watch(t, options(s.url(), d))
	<-begun
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	stop(t, w)
	if d.count() != 16 || s.count("Processed") != 16 || s.count("INBOX") != 24 {
		t.Errorf("%d taken, Processed %d, INBOX %d", d.count(), s.count("Processed"), s.count("INBOX"))
	}
}

func TestStopDoesNotWaitForever(t *testing.T) {
	s := newServer(t, serverOptions{})
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d := &desk{refuse: func(mailfetch.Fetched) error {
		once.Do(func() { close(begun) })
		<-release
		return nil
	}}
	s.put("INBOX", message(1))
	w, err := mailfetch.New(options(s.url(), d))
	if err != nil {
		t.Fatal(err)
	}
	w.Start()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(release)
	stop(t, w)
	// It was accepted, so it was moved if the connection was still there.
	if s.count("INBOX")+s.count("Processed") != 1 {
		t.Errorf("INBOX %d, Processed %d", s.count("INBOX"), s.count("Processed"))
	}
}

func TestTLS(t *testing.T) {
	implicit, starttls, plain := newServer(t, serverOptions{implicit: true}), newServer(t, serverOptions{starttls: true}), newServer(t, serverOptions{})
	for _, c := range []struct {
		name, url string
		server    *server
		trusted   bool
		want      bool
	}{
		{"implicit", implicit.url(), implicit, true, true},
		{"implicit, unknown signer", implicit.url(), implicit, false, false},
		{"STARTTLS", starttls.url() + "?tls=required", starttls, true, true},
		{"STARTTLS, unknown signer", starttls.url() + "?tls=required", starttls, false, false},
		{"STARTTLS not offered", plain.url() + "?tls=required", plain, true, false},
		{"no password without TLS", starttls.url(), starttls, true, false},
		{"loopback", plain.url(), plain, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, l := &desk{}, &logged{}
			o := options(c.url, d)
			o.Log = l.logger()
			if c.trusted && c.server.roots != nil {
				o.Roots = c.server.roots
			}
			before := c.server.count("Processed")
			c.server.put("INBOX", message(1))
			w := watch(t, o)
			if !c.want {
				eventually(t, "two failures", func() bool { return w.Status().Failures >= 2 })
				if w.Status().Connected || d.offered() != 0 {
					t.Error("it was let in")
				}
				return
			}
			eventually(t, "moved", func() bool { return c.server.count("Processed") > max(before, 0) })
			if strings.Contains(l.String(), password) {
				t.Error("the password is in the log")
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	s, d, l := newServer(t, serverOptions{}), &desk{}, &logged{}
	o := options(s.url(), d)
	o.Login.Password = config.NewSecret("wrong but secret")
	o.Log = l.logger()
	w := watch(t, o)
	eventually(t, "a failure", func() bool { return w.Status().Failures >= 1 })
	stop(t, w)
	text := l.String()
	if !strings.Contains(text, "did not let us in") || !strings.Contains(text, "AUTHENTICATIONFAILED") || strings.Contains(text, "wrong but secret") {
		t.Errorf("the log: %s", text)
	}
}

func TestFoldersUnderAPrefix(t *testing.T) {
	s, d := newServer(t, serverOptions{}), &desk{}
	s.options.NewSession = func(inner func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error)) func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
		return func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			session, g, err := inner(c)
			return &prefixed{session.(*memSession)}, g, err
		}
	}(s.options.NewSession)
	s.restart()
	s.put("INBOX", message(1))
	watch(t, options(s.url(), d))
	eventually(t, "moved", func() bool { return s.count("INBOX/Processed") == 1 })
	if s.count("Processed") != -1 {
		t.Error("a folder at the top")
	}
}

// prefixed is a server on which folders of one's own are in the INBOX.
type prefixed struct{ *memSession }

func (p *prefixed) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Prefix: "INBOX/", Delim: '/'}}}, nil
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := func() mailfetch.Options { return options("imaps://imap.example.org", &desk{}) }
	if _, err := mailfetch.New(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*mailfetch.Options){
		"no server":         func(o *mailfetch.Options) { o.Server = "" },
		"another protocol":  func(o *mailfetch.Options) { o.Server = "pop3://imap.example.org" },
		"password in URL":   func(o *mailfetch.Options) { o.Server = "imaps://u:p@imap.example.org" },
		"plain, not local":  func(o *mailfetch.Options) { o.Server = "imap://imap.example.org?tls=none" },
		"a port too many":   func(o *mailfetch.Options) { o.Server = "imaps://imap.example.org:70000" },
		"unknown parameter": func(o *mailfetch.Options) { o.Server = "imap://imap.example.org?ssl=no" },
		"no user":           func(o *mailfetch.Options) { o.Login.User = "" },
		"no password":       func(o *mailfetch.Options) { o.Login.Password = config.Secret{} },
		"a pattern":         func(o *mailfetch.Options) { o.Processed = "*" },
		"same folder":       func(o *mailfetch.Options) { o.Processed = "inbox" },
		"one for both":      func(o *mailfetch.Options) { o.Failed = "Processed" },
		"no Accept":         func(o *mailfetch.Options) { o.Accept = nil },
		"token over http": func(o *mailfetch.Options) {
			o.Login.OAuth = &mailfetch.OAuth{TokenURL: "http://login.example.org/token", ClientID: "x", ClientSecret: config.NewSecret("y")}
		},
		"token without a grant": func(o *mailfetch.Options) {
			o.Login.OAuth = &mailfetch.OAuth{TokenURL: "https://login.example.org/token", ClientID: "x"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := good()
			change(&o)
			if _, err := mailfetch.New(o); err == nil {
				t.Error("no error")
			} else if strings.Contains(fmt.Sprint(err), "u:p@") {
				t.Error("the password is in the error")
			}
		})
	}
}
