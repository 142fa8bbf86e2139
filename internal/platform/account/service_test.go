package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// book is an audit log that keeps only what was committed.
type book struct {
	mu      sync.Mutex
	entries []string
	fail    error
}

func (b *book) Append(_ context.Context, tx *database.Tx, e audit.Entry) error {
	if b.fail != nil {
		return b.fail
	}
	tx.OnCommit(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.entries = append(b.entries, e.Act)
	})
	return nil
}

var (
	_     account.Auditor = (*audit.Log)(nil)
	admin                 = account.System("test")
)

// desk is a service with its log and an hour hand for what it remembers.
type desk struct {
	*account.Service
	db    *database.DB
	book  *book
	clock func(time.Duration) // moves on what is remembered
}

func each(t *testing.T, test func(t *testing.T, d desk)) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var mu sync.Mutex
		now := time.Now()
		b := &book{}
		test(t, desk{
			Service: account.New(db, account.Options{Audit: b, Clock: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			}}),
			db: db, book: b,
			clock: func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				now = now.Add(d)
			},
		})
	}, account.Schema)
}

func (d desk) token(t *testing.T, role account.Role, expires time.Time) (string, database.ID) {
	t.Helper()
	secret, id, err := d.Create(t.Context(), admin, account.NewToken{Role: role, Label: "test", Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return secret, id
}

// exec changes the store behind the service's back.
func (d desk) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	if err := d.db.Update(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), query, args...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestATokensLife(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, id := d.token(t, account.Analyst, time.Time{})
		if !strings.HasPrefix(secret, "bt_") || len(secret) != 46 {
			t.Errorf("secret %q", secret)
		}
		for range 3 {
			v, err := d.Authenticate(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(account.Viewer{Account: id, Name: "test", Roles: []account.Role{account.Analyst}}, v); diff != "" {
				t.Error(diff)
			}
			d.clock(time.Minute)
		}
		tokens, err := d.List(t.Context(), admin)
		if err != nil || len(tokens) != 1 || tokens[0].ID != id || tokens[0].Used.IsZero() || !tokens[0].Revoked.IsZero() {
			t.Errorf("List = %+v, %v", tokens, err)
		}
		for range 2 {
			if err := d.Revoke(t.Context(), admin, id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Authenticate(t.Context(), secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("a revoked token: %v", err)
		}
		if diff := cmp.Diff([]string{"token.create", "token.use", "token.revoke"}, d.book.entries); diff != "" {
			t.Errorf("audit: %s", diff)
		}
	})
}

func TestNoSecretIsStored(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, _ := d.token(t, account.Analyst, time.Time{})
		session, err := d.SignIn(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		for table, secret := range map[string]string{"account_token": secret, "account_session": session.Secret} {
			var stored []byte
			if err := d.db.View(t.Context(), func(tx *database.Tx) error {
				return tx.QueryRow(t.Context(), "SELECT secret FROM "+table).Scan(&stored)
			}); err != nil {
				t.Fatal(err)
			}
			if len(stored) != 32 || strings.Contains(secret, string(stored)) {
				t.Errorf("%s holds %x", table, stored)
			}
		}
	})
}

func TestTokensThatOpenNothing(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, _ := d.token(t, account.Analyst, time.Now().Add(time.Hour))
		for name, s := range map[string]string{
			"empty": "", "prefix": "bt_", "short": secret[:45], "long": secret + "x",
			"other prefix": "bs_" + secret[3:], "other": secret[:45] + "!", "NUL": secret[:45] + "\x00", "huge": strings.Repeat("a", 1<<20),
		} {
			if v, err := d.Authenticate(t.Context(), s); !fault.Is(err, fault.Unauthorized) || v.SignedIn() {
				t.Errorf("%s: %v, %v", name, v, err)
			}
		}
		if _, err := d.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		d.exec(t, "UPDATE account_token SET expires_at = $1", database.Micros(time.Now().Add(-time.Second)))
		d.clock(5 * time.Second)
		if _, err := d.Authenticate(t.Context(), secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("past its end: %v", err)
		}
	})
}

// Another process revokes: what is remembered here ends within seconds.
func TestRevokedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, id := d.token(t, account.Analyst, time.Time{})
		session, err := d.SignIn(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resume(t.Context(), session.Secret); err != nil {
			t.Fatal(err)
		}
		other := account.New(d.db, account.Options{})
		if err := other.Revoke(t.Context(), admin, id); err != nil {
			t.Fatal(err)
		}
		d.clock(3 * time.Second)
		if _, err := d.Authenticate(t.Context(), secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("token: %v", err)
		}
		if _, err := d.Resume(t.Context(), session.Secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("session: %v", err)
		}
	})
}

func TestWhoMayManageTokens(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		analyst := account.Viewer{Account: 1, Roles: []account.Role{account.Analyst}}
		if _, _, err := d.Create(t.Context(), analyst, account.NewToken{Role: account.Admin}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("Create: %v", err)
		}
		if _, err := d.List(t.Context(), account.Viewer{}); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("List: %v", err)
		}
		if err := d.Revoke(t.Context(), analyst, 1); !fault.Is(err, fault.Forbidden) {
			t.Errorf("Revoke: %v", err)
		}
		if err := d.Revoke(t.Context(), admin, 1); !fault.Is(err, fault.NotFound) {
			t.Errorf("Revoke of none: %v", err)
		}
		for name, n := range map[string]account.NewToken{
			"no role": {}, "system": {Role: "system"}, "past": {Role: account.Admin, Expires: time.Now().Add(-time.Hour)},
			"label": {Role: account.Admin, Label: strings.Repeat("é", 101)},
		} {
			if _, _, err := d.Create(t.Context(), admin, n); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestASessionsLife(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, id := d.token(t, account.Analyst, time.Time{})
		s, err := d.SignIn(t.Context(), secret)
		if err != nil || s.Viewer.Account != id || s.Secret == secret {
			t.Fatalf("%+v, %v", s, err)
		}
		if v, err := d.Resume(t.Context(), s.Secret); err != nil || v.Account != id {
			t.Fatalf("%v, %v", v, err)
		}
		if err := d.SignOut(t.Context(), s.Secret); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Resume(t.Context(), s.Secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("after signing out: %v", err)
		}
		if err := d.SignOut(t.Context(), s.Secret); err != nil {
			t.Errorf("signing out twice: %v", err)
		}
		intake, _ := d.token(t, account.Intake, time.Time{})
		if _, err := d.SignIn(t.Context(), intake); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a machine signs in: %v", err)
		}
		if !slices.Contains(d.book.entries, "session.create") || !slices.Contains(d.book.entries, "session.end") {
			t.Errorf("audit: %v", d.book.entries)
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, _ := d.token(t, account.Analyst, time.Time{})
		for name, query := range map[string]string{
			"idle":     "UPDATE account_session SET seen_at = $1",
			"absolute": "UPDATE account_session SET expires_at = $1",
			"token":    "UPDATE account_token SET expires_at = $1",
		} {
			d.exec(t, "UPDATE account_token SET expires_at = 0")
			s, err := d.SignIn(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			d.exec(t, query, database.Micros(time.Now().Add(-time.Hour)))
			if _, err := d.Resume(t.Context(), s.Secret); !fault.Is(err, fault.Unauthorized) {
				t.Errorf("%s: %v", name, err)
			}
		}
		n, err := d.Sweep(t.Context())
		if err != nil || n < 2 {
			t.Errorf("Sweep = %d, %v", n, err)
		}
	})
}

func TestUsingASessionKeepsItOpen(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, _ := d.token(t, account.Analyst, time.Time{})
		s, err := d.SignIn(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			d.exec(t, "UPDATE account_session SET seen_at = seen_at - $1", (40 * time.Minute).Microseconds())
			d.clock(time.Hour)
			if _, err := d.Resume(t.Context(), s.Secret); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOneTokenHasFewSessions(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, _ := d.token(t, account.Analyst, time.Time{})
		var first account.Session
		for i := range 25 {
			s, err := d.SignIn(t.Context(), secret)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = s
			}
		}
		var n int
		if err := d.db.View(t.Context(), func(tx *database.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM account_session").Scan(&n)
		}); err != nil || n != 20 {
			t.Errorf("%d sessions, %v", n, err)
		}
		if _, err := d.Resume(t.Context(), first.Secret); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("the oldest session: %v", err)
		}
	})
}

// What cannot be audited does not happen.
func TestWithoutTheAuditNothingHappens(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, id := d.token(t, account.Analyst, time.Time{})
		d.book.fail = errors.New("disk full")
		if _, _, err := d.Create(t.Context(), admin, account.NewToken{Role: account.Admin}); err == nil {
			t.Error("a token was made")
		}
		if _, err := d.Authenticate(t.Context(), secret); err == nil {
			t.Error("a token was used")
		}
		if err := d.Revoke(t.Context(), admin, id); err == nil {
			t.Error("a token was revoked")
		}
		d.book.fail = nil
		if tokens, err := d.List(t.Context(), admin); err != nil || len(tokens) != 1 || !tokens[0].Revoked.IsZero() {
			t.Errorf("%+v, %v", tokens, err)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d desk) {
		secret, _ := d.token(t, account.Analyst, time.Time{})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := d.Authenticate(t.Context(), secret); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(d.book.entries); n != 2 {
			t.Errorf("%d entries of %v, want one use", n, d.book.entries)
		}
	})
}
