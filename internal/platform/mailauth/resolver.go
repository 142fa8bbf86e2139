package mailauth

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Resolver asks the DNS. *net.Resolver and what NewResolver returns are
// resolvers. A name that does not exist, or has nothing of that type, is a
// *net.DNSError with IsNotFound; what may pass has IsTemporary.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
}

// NewResolver returns a resolver that asks the recursive server at addr
// (host:port, or a host with port 53), over UDP and, for what is cut off,
// TCP: 2 s for an answer, asked twice. "" returns nil, the resolver of a
// house without network.
func NewResolver(addr string) Resolver {
	if addr == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), "53")
	}
	return &resolver{addr: addr, timeout: 2 * time.Second}
}

type resolver struct {
	addr    string
	timeout time.Duration
}

const maxAnswers = 100 // records of one answer that are looked at

// ask returns the records of that type in the answer.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, &net.DNSError{Err: "no domain name", Name: name, IsNotFound: true}
	}
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(1232, false) // no fragments: DNS flag day 2020
	answer, err := r.exchange(ctx, q)
	switch {
	case err != nil:
		return nil, &net.DNSError{Err: err.Error(), Name: name, Server: r.addr, IsTemporary: true, IsTimeout: errors.Is(err, context.DeadlineExceeded)}
	case answer.Rcode == dns.RcodeNameError:
		return nil, &net.DNSError{Err: "no such host", Name: name, Server: r.addr, IsNotFound: true}
	case answer.Rcode != dns.RcodeSuccess:
		return nil, &net.DNSError{Err: dns.RcodeToString[answer.Rcode], Name: name, Server: r.addr, IsTemporary: true}
	}
	var found []dns.RR
	for _, rr := range answer.Answer {
		if rr.Header().Rrtype == kind && len(found) < maxAnswers {
			found = append(found, rr)
		}
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no such record", Name: name, Server: r.addr, IsNotFound: true}
	}
	return found, nil
}

// exchange asks over UDP, once more when nothing comes, and over TCP when the
// answer is cut off.
func (r *resolver) exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	networks := []string{"udp", "udp", "tcp"}
	var last error
	for i := 0; i < len(networks); i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := &dns.Client{Net: networks[i], Timeout: r.timeout, UDPSize: 1232}
		q.Id = dns.Id()
		a, err := once(ctx, c, q, r.addr)
		switch {
		case err != nil:
			last = err
			continue
		case len(a.Question) != 1 || !strings.EqualFold(a.Question[0].Name, q.Question[0].Name) || a.Question[0].Qtype != q.Question[0].Qtype:
			last = errors.New("the answer is to another question")
			continue
		case a.Truncated && networks[i] == "udp":
			last = errors.New("the answer is cut off")
			i = len(networks) - 2
			continue
		}
		return a, nil
	}
	return nil, last
}

// once asks once. dns.Client heeds the context's deadline only; here the end of
// the context ends the waiting too.
func once(ctx context.Context, c *dns.Client, q *dns.Msg, addr string) (*dns.Msg, error) {
	conn, err := c.DialContext(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	a, _, err := c.ExchangeWithConnContext(ctx, q, conn)
	return a, err
}

func (r *resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	found, err := r.ask(ctx, name, dns.TypeTXT)
	var out []string
	for _, rr := range found {
		if t, ok := rr.(*dns.TXT); ok {
			out = append(out, strings.Join(t.Txt, ""))
		}
	}
	return out, err
}

func (r *resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	found, err := r.ask(ctx, name, dns.TypeMX)
	var out []*net.MX
	for _, rr := range found {
		if m, ok := rr.(*dns.MX); ok {
			out = append(out, &net.MX{Host: m.Mx, Pref: m.Preference})
		}
	}
	return out, err
}

func (r *resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	var out []net.IPAddr
	four, err4 := r.ask(ctx, host, dns.TypeA)
	six, err6 := r.ask(ctx, host, dns.TypeAAAA)
	for _, rr := range append(four, six...) {
		switch a := rr.(type) {
		case *dns.A:
			out = append(out, net.IPAddr{IP: a.A})
		case *dns.AAAA:
			out = append(out, net.IPAddr{IP: a.AAAA})
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	if e, ok := errors.AsType[*net.DNSError](err6); ok && e.IsTemporary {
		return nil, err6
	}
	return nil, err4
}

func (r *resolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	name, err := dns.ReverseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: "no IP address", Name: addr, IsNotFound: true}
	}
	found, err := r.ask(ctx, name, dns.TypePTR)
	var out []string
	for _, rr := range found {
		if p, ok := rr.(*dns.PTR); ok {
			out = append(out, p.Ptr)
		}
	}
	return out, err
}

// budget is a resolver that answers so many questions only.
type budget struct {
	Resolver
	left atomic.Int64
}

// spend takes one question off. The error is temporary: a check that ran out
// has found nothing out.
func (b *budget) spend(name string) error {
	if b.left.Add(-1) < 0 {
		return &net.DNSError{Err: "too many questions for one message", Name: name, IsTemporary: true}
	}
	return nil
}

func (b *budget) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if err := b.spend(name); err != nil {
		return nil, err
	}
	return b.Resolver.LookupTXT(ctx, name)
}

func (b *budget) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	if err := b.spend(name); err != nil {
		return nil, err
	}
	return b.Resolver.LookupMX(ctx, name)
}

func (b *budget) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	if err := b.spend(host); err != nil {
		return nil, err
	}
	return b.Resolver.LookupIPAddr(ctx, host)
}

func (b *budget) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	if err := b.spend(addr); err != nil {
		return nil, err
	}
	return b.Resolver.LookupAddr(ctx, addr)
}
