package mailauth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// zone is a DNS server on loopback. Records are in zone-file form; a name
// whose only record is "SERVFAIL" fails.
type zone struct {
	addr  string
	asked atomic.Int64
	mu    sync.Mutex
	rrs   map[string][]dns.RR
	fails map[string]bool
}

func newZone(t testing.TB, records ...string) *zone {
	t.Helper()
	z := &zone{rrs: make(map[string][]dns.RR), fails: make(map[string]bool)}
	for _, r := range records {
		if name, ok := strings.CutSuffix(r, " SERVFAIL"); ok {
			z.fails[dns.Fqdn(name)] = true
			continue
		}
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		name := strings.ToLower(rr.Header().Name)
		z.rrs[name] = append(z.rrs[name], rr)
	}
	l, p := listen(t)
	z.addr = l.Addr().String()
	for _, s := range []*dns.Server{{Listener: l, Handler: z}, {PacketConn: p, Handler: z}} {
		var ready, done sync.WaitGroup
		ready.Add(1)
		s.NotifyStartedFunc = ready.Done
		done.Go(func() { s.ActivateAndServe() })
		ready.Wait()
		t.Cleanup(func() { s.Shutdown(); done.Wait() })
	}
	return z
}

// listen finds a port that is free for TCP and UDP.
func listen(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if p, err := net.ListenPacket("udp", l.Addr().String()); err == nil {
			return l, p
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no port is free for both TCP and UDP")
	return nil, nil
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.asked.Add(1)
	z.mu.Lock()
	defer z.mu.Unlock()
	a := new(dns.Msg)
	a.SetReply(q)
	name := strings.ToLower(q.Question[0].Name)
	switch rrs, known := z.rrs[name]; {
	case z.fails[name]:
		a.Rcode = dns.RcodeServerFailure
	case !known:
		a.Rcode = dns.RcodeNameError
	default:
		for _, rr := range rrs {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				a.Answer = append(a.Answer, rr)
			}
		}
	}
	if w.LocalAddr().Network() == "udp" {
		a.Truncate(1232)
	}
	w.WriteMsg(a)
}

// keys are made once: RSA is slow to make.
var keys = sync.OnceValue(func() (k struct {
	rsa, other *rsa.PrivateKey
	ed         ed25519.PrivateKey
},
) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	return k
})

// record returns the TXT record for a key, in strings of 255 bytes.
func record(name string, public crypto.PublicKey) string {
	text := ""
	switch p := public.(type) {
	case ed25519.PublicKey:
		text = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(p)
	default:
		der, _ := x509.MarshalPKIXPublicKey(p)
		text = "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
	}
	out := name + ". 60 IN TXT"
	for len(text) > 0 {
		n := min(len(text), 255)
		out += ` "` + strings.ReplaceAll(text[:n], ";", `\;`) + `"`
		text = text[n:]
	}
	return out
}

// sign puts a signature before the message.
func sign(t testing.TB, msg, domain string, key crypto.Signer, change func(*dkim.SignOptions)) string {
	t.Helper()
	opt := &dkim.SignOptions{
		Domain: domain, Selector: "s", Signer: key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed,
		BodyCanonicalization:   dkim.CanonicalizationRelaxed,
		HeaderKeys:             []string{"From", "From", "Subject", "To"},
	}
	if change != nil {
		change(opt)
	}
	var b bytes.Buffer
	if err := dkim.Sign(&b, strings.NewReader(msg), opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const message = "From: Ann <ann@sender.example>\r\nTo: desk@belfry.example\r\nSubject: suspicious\r\n\r\nPlease look.\r\n"

func expired(o *dkim.SignOptions) { o.Expiration = time.Now().Add(-time.Hour) }
