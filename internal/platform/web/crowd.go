package web

import (
	"net"
	"net/netip"
	"sync"
)

// perNetwork is how many connections one client network may have open. A
// household, and an office behind one address, stay far below it.
const perNetwork = 256

// crowd is a listener that turns connections away from where too many are
// open: otherwise one client could hold every one that there is.
type crowd struct {
	net.Listener
	free func(netip.Addr) bool // these may have any number: our own proxies

	mu   sync.Mutex
	open map[string]int
}

func newCrowd(l net.Listener, free func(netip.Addr) bool) *crowd {
	return &crowd{Listener: l, free: free, open: map[string]int{}}
}

// Accept returns the next connection that may stay.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := peerOf(conn.RemoteAddr().String())
		if !peer.IsValid() || c.free(peer) {
			return conn, nil
		}
		key := ClientNetwork(peer)
		if !c.enter(key) {
			conn.Close()
			continue
		}
		return &counted{Conn: conn, leave: sync.OnceFunc(func() { c.leave(key) })}, nil
	}
}

func (c *crowd) enter(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key] >= perNetwork {
		return false
	}
	c.open[key]++
	return true
}

func (c *crowd) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key]--; c.open[key] <= 0 {
		delete(c.open, key)
	}
}

// counted is a connection that leaves when it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
