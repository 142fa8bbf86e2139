package mailfetch_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch/dovecottest"
)

// dovecotTLS writes a certificate into files and returns who signed it.
func dovecotTLS(t *testing.T) (o dovecottest.Options, roots *x509.CertPool) {
	t.Helper()
	c, roots := newCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(c.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o.Certificate, o.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		o.Certificate: {Type: "CERTIFICATE", Bytes: c.Certificates[0].Certificate[0]},
		o.Key:         {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return o, roots
}

func TestDovecot(t *testing.T) {
	tlsFiles, roots := dovecotTLS(t)
	s := dovecottest.Start(t, tlsFiles)
	for name, url := range map[string]string{
		"implicit TLS": "imaps://" + s.IMAPS, "STARTTLS": "imap://" + s.IMAP + "?tls=required", "plain on loopback": "imap://" + s.IMAP,
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{refuse: func(f mailfetch.Fetched) error {
				if strings.Contains(string(f.Raw), "no good") {
					return fault.New(fault.Invalid, "")
				}
				return nil
			}}
			c := s.Client()
			o := options(url, d)
			o.Roots = roots
			base := strings.ReplaceAll(name, " ", "-")
			o.Processed, o.Failed = base+"/Processed", base+"/Failed"
			o.Poll = 10 * time.Minute // so that only IDLE can tell
			o.Limits.MessageBytes = 100_000
			for n := range 120 {
				var flags []imap.Flag
				if n%2 == 0 {
					flags = []imap.Flag{imap.FlagSeen}
				}
				dovecottest.Append(t, c, "INBOX", []byte(message(n)), flags...)
			}
			dovecottest.Append(t, c, "INBOX", []byte("Subject: no good\r\n\r\nx\r\n"))
			dovecottest.Append(t, c, "INBOX", []byte("Subject: large\r\n\r\n"+strings.Repeat("x", 200_000)))
			w := watch(t, o)
			eventually(t, "all moved", func() bool { return dovecottest.Count(c, "INBOX") == 0 })
			eventually(t, "it idles", func() bool { return !w.Status().LastSuccess.IsZero() })
			before := w.Status().LastSuccess
			dovecottest.Append(t, c, "INBOX", []byte(message(500)))
			eventually(t, "the new one moved", func() bool { return dovecottest.Count(c, o.Processed) == 121 })
			if w.Status().LastSuccess.Sub(before) > time.Minute || d.count() != 121 || dovecottest.Count(c, o.Failed) != 2 {
				t.Errorf("%d taken, Failed %d", d.count(), dovecottest.Count(c, o.Failed))
			}
			if _, err := c.Select(o.Processed, nil).Wait(); err != nil {
				t.Fatal(err)
			}
			seen, err := c.Search(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
			if err != nil {
				t.Fatal(err)
			}
			if n := len(seen.AllSeqNums()); n != 60 {
				t.Errorf("%d are marked as read, want the 60 that were", n)
			}
		})
	}
	if strings.Contains(s.Log(), "Panic") {
		t.Error("Dovecot panicked")
	}
}

func TestDovecotTwoNodesAndRestarts(t *testing.T) {
	// Folders under INBOX, as many hosters have them.
	s := dovecottest.Start(t, dovecottest.Options{Separator: ".", Prefix: "INBOX."})
	d := &desk{}
	c := s.Client()
	const many = 200
	for n := range many {
		dovecottest.Append(t, c, "INBOX", []byte(message(n)))
	}
	o := options("imap://"+s.IMAP, d)
	o.Processed = "Belfry/Processed"
	first, second := watch(t, o), watch(t, o)
	eventually(t, "it has begun", func() bool { return d.count() > many/4 })
	s.Restart()
	c = s.Client()
	for n := range 20 {
		dovecottest.Append(t, c, "INBOX", []byte(message(many+n)))
	}
	eventually(t, "the folder is empty", func() bool { return dovecottest.Count(c, "INBOX") == 0 })
	stop(t, first)
	stop(t, second)
	// When two move a message at the same moment, Dovecot may keep two copies.
	if p := dovecottest.Count(c, "INBOX.Belfry.Processed"); d.count() != many+20 || p < many+20 {
		t.Errorf("%d taken, Processed %d", d.count(), p)
	}
}

// provider is where tokens are got and asked about.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	grants  []string
	current string
	deny    bool
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.grants = append(p.grants, r.PostFormValue("grant_type")+" "+r.PostFormValue("refresh_token"))
		w.Header().Set("Content-Type", "application/json")
		if p.deny || r.PostFormValue("client_id") != "belfry" || r.PostFormValue("client_secret") != "the client's secret" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"desk@example.org said: the client's secret"}`)
			return
		}
		p.current = fmt.Sprintf("token-%d", len(p.grants))
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": p.current, "token_type": "Bearer", "expires_in": "3600", "refresh_token": fmt.Sprintf("refresh-%d", len(p.grants)),
		})
	})
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		active := r.URL.Query().Get("token") == p.current && p.current != ""
		_ = json.NewEncoder(w).Encode(map[string]any{"email": user, "active": fmt.Sprint(active)})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// revoke lets the current access token be good no more.
func (p *provider) revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = "another"
}

func (p *provider) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.grants, ", ")
}

func (p *provider) oauth(refresh string) *mailfetch.OAuth {
	return &mailfetch.OAuth{
		TokenURL: p.URL + "/token", ClientID: "belfry", ClientSecret: config.NewSecret("the client's secret"),
		RefreshToken: config.NewSecret(refresh), Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

func TestDovecotXOAUTH2(t *testing.T) {
	p := newProvider(t)
	s := dovecottest.Start(t, dovecottest.Options{TokenInfo: p.URL + "/info?token="})
	for _, c := range []struct{ name, refresh, want string }{
		{"refresh token", "refresh-0", "refresh_token refresh-0, refresh_token refresh-1"},
		{"client credentials", "", "client_credentials , client_credentials "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.mu.Lock()
			p.grants = nil
			p.mu.Unlock()
			d, l := &desk{}, &logged{}
			o := options("imap://"+s.IMAP, d)
			o.Login = mailfetch.Login{User: user, OAuth: p.oauth(c.refresh)}
			o.Log = l.logger()
			w := watch(t, o)
			dovecottest.Append(t, s.Client(), "INBOX", []byte(message(1)))
			eventually(t, "taken", func() bool { return d.count() == 1 })
			s.Restart() // the token is kept: no new one is asked for
			eventually(t, "it is back", func() bool { return w.Status().Connected && w.Status().Failures == 0 })
			p.revoke()
			s.Restart()
			dovecottest.Append(t, s.Client(), "INBOX", []byte(message(2)))
			eventually(t, "taken with a new token", func() bool { return d.count() == 2 })
			if got := p.asked(); got != c.want {
				t.Errorf("asked for %q, want %q", got, c.want)
			}
			for _, secret := range []string{"token-1", "token-2", "refresh-0", "the client's secret"} {
				if strings.Contains(l.String(), secret) {
					t.Errorf("the log holds %q", secret)
				}
			}
		})
	}
}
