package web

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// One client that opens connections and keeps them must not leave none for
// everybody else.
func TestOneClientTakesNotEveryConnection(t *testing.T) {
	for _, ours := range []bool{false, true} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := newCrowd(inner, func(netip.Addr) bool { return ours })
		taken := make(chan net.Conn, 2*perNetwork)
		go func() {
			for {
				conn, err := c.Accept()
				if err != nil {
					close(taken)
					return
				}
				taken <- conn
			}
		}()
		var clients []net.Conn
		dial := func() net.Conn {
			t.Helper()
			conn, err := net.Dial("tcp", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, conn)
			return conn
		}
		var served []net.Conn
		for range perNetwork {
			dial()
			served = append(served, <-taken)
		}
		if last := dial(); ours {
			served = append(served, <-taken) // a proxy brings everybody
		} else {
			last.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := last.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
				t.Errorf("one too many is not turned away: %v", err)
			}
		}
		served[0].Close()
		served[0].Close() // net/http may do so twice
		dial()
		served = append(served, <-taken)
		for _, conn := range append(served, clients...) {
			conn.Close()
		}
		inner.Close()
		if _, more := <-taken; more {
			t.Error("more were served than had a place")
		}
		if len(c.open) != 0 {
			t.Errorf("still counted: %v", c.open)
		}
	}
}

func isReset(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && !e.Timeout()
}
