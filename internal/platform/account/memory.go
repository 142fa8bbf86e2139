package account

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

// memory remembers for a short time whom a hashed secret belongs to, so that a
// busy client does not cost a query for each request. It holds no secrets, and
// only what was found: a wrong secret is asked of the store each time.
type memory struct {
	ttl   time.Duration
	clock func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
	epoch uint64 // grows with each forget, so that an answer read before it is not remembered after it
}

type remembered struct {
	viewer Viewer
	token  database.ID
	until  time.Time
}

// maxRemembered bounds the memory; over it, everything is forgotten, which
// costs one query for each secret in use.
const maxRemembered = 4096

func newMemory(ttl time.Duration, clock func() time.Time) *memory {
	return &memory{ttl: ttl, clock: clock, known: map[[sha256.Size]byte]remembered{}}
}

// get returns whom the secret belongs to, and the epoch to hand to put when
// that is not known.
func (m *memory) get(hash [sha256.Size]byte) (v Viewer, epoch uint64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.known[hash]
	if ok && !m.clock().Before(r.until) {
		delete(m.known, hash)
		ok = false
	}
	return r.viewer, m.epoch, ok
}

// put remembers an answer that was read in that epoch, at most until the
// secret itself ends (zero: it does not).
func (m *memory) put(hash [sha256.Size]byte, v Viewer, token database.ID, epoch uint64, ends time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch != m.epoch {
		return
	}
	if len(m.known) >= maxRemembered {
		clear(m.known)
	}
	until := m.clock().Add(m.ttl)
	if !ends.IsZero() && ends.Before(until) {
		until = ends
	}
	m.known[hash] = remembered{viewer: v, token: token, until: until}
}

// forget drops the secret itself.
func (m *memory) forget(hash [sha256.Size]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	delete(m.known, hash)
}

// forgetToken drops every secret that hangs on the token.
func (m *memory) forgetToken(token database.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	for hash, r := range m.known {
		if r.token == token {
			delete(m.known, hash)
		}
	}
}
