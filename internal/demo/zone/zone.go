// Package zone is a name server for invented domains, on loopback: the demo
// and the tests of the whole program prove senders by it, and nothing is ever
// asked of the internet.
package zone

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Server answers what it was told and denies all else.
type Server struct {
	addr    string
	mu      sync.Mutex
	records map[string][]dns.RR
	servers []*dns.Server
	done    sync.WaitGroup
}

// Serve listens on one free port, over UDP and TCP, and knows the records: see
// Add.
func Serve(lines ...string) (*Server, error) {
	s := &Server{records: map[string][]dns.RR{}}
	if err := s.Add(lines...); err != nil {
		return nil, err
	}
	udp, tcp, err := listen()
	if err != nil {
		return nil, err
	}
	s.addr = tcp.Addr().String()
	s.servers = []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}}
	for _, server := range s.servers {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		s.done.Go(func() { _ = server.ActivateAndServe() }) // ends with Stop
		<-up
	}
	return s, nil
}

// listen finds a port that is free for UDP and TCP. What the system gives for
// one may be taken for the other.
func listen() (net.PacketConn, net.Listener, error) {
	var faults error
	for range 50 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp, nil
		}
		faults = errors.Join(faults, err, tcp.Close())
	}
	return nil, nil, faults
}

// Addr returns the address to ask, "host:port".
func (s *Server) Addr() string { return s.addr }

// Add takes records in the form of a zone file (RFC 1035, section 5.1).
func (s *Server) Add(lines ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			return err
		}
		name := strings.ToLower(rr.Header().Name)
		s.records[name] = append(s.records[name], rr)
	}
	return nil
}

// ServeDNS answers one question.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	a := new(dns.Msg)
	a.SetReply(q)
	a.Authoritative = true
	if len(q.Question) == 1 {
		s.mu.Lock()
		all, known := s.records[strings.ToLower(q.Question[0].Name)]
		s.mu.Unlock()
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

// Stop ends the server.
func (s *Server) Stop(ctx context.Context) error {
	var all error
	for _, server := range s.servers {
		all = errors.Join(all, server.ShutdownContext(ctx))
	}
	s.done.Wait()
	return all
}
