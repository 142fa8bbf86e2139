package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema is this package's tables.
var Schema = database.Schema{Owner: "account", Files: migrations}

// Auditor is the log of who did what. *audit.Log is one.
type Auditor interface {
	Append(ctx context.Context, tx *database.Tx, entry audit.Entry) error
}

// Options sets how long things last. The zero value of each field is useful.
type Options struct {
	Audit    Auditor       // nil: nothing is audited, for tests of other packages
	Idle     time.Duration // a session that is not used ends after that; 0: one hour
	Absolute time.Duration // every session ends after that; 0: twelve hours
	// Remember is how long an authentication holds without asking the store,
	// so also how long a revoked token may go on working in other processes;
	// in the one that revokes it, it ends at once. 0: three seconds.
	Remember time.Duration
	Clock    func() time.Time // for what is remembered; nil: time.Now
}

// Service keeps tokens and sessions. It is safe for concurrent use.
type Service struct {
	db       *database.DB
	audit    Auditor
	idle     time.Duration
	absolute time.Duration
	tokens   *memory
	sessions *memory
}

// New returns the service on a store that has Schema.
func New(db *database.DB, o Options) *Service {
	if o.Idle <= 0 {
		o.Idle = time.Hour
	}
	if o.Absolute <= 0 {
		o.Absolute = 12 * time.Hour
	}
	if o.Remember <= 0 {
		o.Remember = 3 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Service{
		db: db, audit: o.Audit, idle: o.Idle, absolute: o.Absolute,
		tokens: newMemory(o.Remember, o.Clock), sessions: newMemory(o.Remember, o.Clock),
	}
}

// record appends to the audit log, in the transaction of what it tells.
func (s *Service) record(ctx context.Context, tx *database.Tx, by Viewer, act, object string, detail map[string]string) error {
	if s.audit == nil {
		return nil
	}
	return s.audit.Append(ctx, tx, audit.Entry{Actor: by.Actor(), Act: act, Object: object, Detail: detail})
}

const (
	tokenPrefix   = "bt_"
	sessionPrefix = "bs_"
	secretBytes   = 32
)

// newSecret draws a secret and the hash under which it is stored. 256 random
// bits need no salt and no slow hash.
func newSecret(prefix string) (secret string, hash [sha256.Size]byte) {
	var b [secretBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program rather than return weak bytes
	secret = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return secret, sha256.Sum256([]byte(secret))
}

// hashOf checks a secret's shape and returns its hash. What has not the shape
// costs no query.
func hashOf(prefix, secret string) (hash [sha256.Size]byte, ok bool) {
	if len(secret) != len(prefix)+base64.RawURLEncoding.EncodedLen(secretBytes) || !strings.HasPrefix(secret, prefix) {
		return hash, false
	}
	return sha256.Sum256([]byte(secret)), true
}

var errToken = fault.New(fault.Unauthorized, "The token is not valid, or not any more.")
