package demo

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// nameserver answers for the demo's domains on loopback, and denies all
// others: nothing is asked of the internet.
type nameserver struct {
	addr    string
	mu      sync.Mutex
	records map[string][]dns.RR
	servers []*dns.Server
	done    sync.WaitGroup
}

// startNameserver listens on one free port, over UDP and TCP.
func startNameserver() (*nameserver, error) {
	n := &nameserver{records: map[string][]dns.RR{}}
	udp, tcp, err := listenBoth()
	if err != nil {
		return nil, err
	}
	n.addr = udp.LocalAddr().String()
	n.servers = []*dns.Server{{PacketConn: udp, Handler: n}, {Listener: tcp, Handler: n}}
	for _, s := range n.servers {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		n.done.Go(func() { _ = s.ActivateAndServe() }) // ends with Shutdown
		<-up
	}
	return n, nil
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth() (net.PacketConn, net.Listener, error) {
	var faults error
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp, nil
		}
		faults = errors.Join(faults, err, udp.Close())
	}
	return nil, nil, faults
}

// add takes records in the form of a zone file (RFC 1035, section 5).
func (n *nameserver) add(lines ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			return err
		}
		name := strings.ToLower(rr.Header().Name)
		n.records[name] = append(n.records[name], rr)
	}
	return nil
}

// ServeDNS answers one question.
func (n *nameserver) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	a := new(dns.Msg)
	a.SetReply(q)
	a.Authoritative = true
	if len(q.Question) == 1 {
		n.mu.Lock()
		all, known := n.records[strings.ToLower(q.Question[0].Name)]
		n.mu.Unlock()
		if !known {
			a.Rcode = dns.RcodeNameError
		}
		for _, rr := range all {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				a.Answer = append(a.Answer, rr)
			}
		}
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		a.Truncate(size)
	}
	_ = w.WriteMsg(a) // who asked will ask again
}

func (n *nameserver) stop(ctx context.Context) error {
	var all error
	for _, s := range n.servers {
		all = errors.Join(all, s.ShutdownContext(ctx))
	}
	n.done.Wait()
	return all
}
