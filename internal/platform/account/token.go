package account

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// NewToken is what one asks for in a token.
type NewToken struct {
	Role    Role
	Label   string    // what it is for, up to 100 characters; no secret and no person's data
	Expires time.Time // zero: never
}

// Token is what is known of one; its secret is not.
type Token struct {
	ID      database.ID
	Role    Role
	Label   string
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero: not revoked
	Used    time.Time // the last use, to the hour; zero: never
}

const (
	maxLabel  = 100
	maxListed = 1000
	// useEvery is how fine the last use is known, and how often the use of a
	// token is audited: once an hour, not once a request.
	useEvery = time.Hour
)

// Create makes a token and returns its secret, which nobody can learn again.
// Errors: Forbidden or Unauthorized, and Invalid for a role that tokens cannot
// have, a label that is too long, or an end in the past.
func (s *Service) Create(ctx context.Context, by Viewer, n NewToken) (secret string, id database.ID, err error) {
	if err := Require(by, ManageTokens); err != nil {
		return "", 0, err
	}
	label := strings.TrimSpace(database.Clean(n.Label))
	switch {
	case !slices.Contains(Roles(), n.Role):
		return "", 0, fault.Errorf(fault.Invalid, "There is no role %q for a token: analyst, admin and intake are.", string(n.Role))
	case utf8.RuneCountInString(label) > maxLabel:
		return "", 0, fault.Errorf(fault.Invalid, "The label is longer than %d characters.", maxLabel)
	}
	secret, hash := newSecret(tokenPrefix)
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		if !n.Expires.IsZero() && !n.Expires.After(tx.Now) {
			return fault.New(fault.Invalid, "The token would have ended already.")
		}
		id = database.NewID(tx.Now)
		_, err := tx.Exec(ctx, `INSERT INTO account_token
			(id, secret, role, label, created_at, expires_at, revoked_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, 0, 0)`,
			id, hash[:], string(n.Role), label, database.Micros(tx.Now), database.Micros(n.Expires))
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, "token.create", "token:"+id.String(), map[string]string{"role": string(n.Role)})
	})
	if err != nil {
		return "", 0, err
	}
	return secret, id, nil
}

// Authenticate returns whose token that is. The error is of kind Unauthorized
// for a token that is unknown, revoked or past its end, without saying which.
func (s *Service) Authenticate(ctx context.Context, secret string) (Viewer, error) {
	hash, ok := hashOf(tokenPrefix, secret)
	if !ok {
		return Viewer{}, errToken
	}
	v, epoch, ok := s.tokens.get(hash)
	if ok {
		return v, nil
	}
	var t Token
	var stale bool
	err := s.db.View(ctx, func(tx *database.Tx) (err error) {
		t, err = valid(ctx, tx, hash[:])
		stale = tx.Now.Sub(t.Used) >= useEvery
		return err
	})
	if err != nil {
		return Viewer{}, err
	}
	if stale {
		if err := s.use(ctx, t); err != nil {
			return Viewer{}, err
		}
	}
	v = t.viewer()
	s.tokens.put(hash, v, t.ID, epoch, t.Expires)
	return v, nil
}

func (t Token) viewer() Viewer {
	return Viewer{Account: t.ID, Name: t.Label, Roles: []Role{t.Role}}
}

// valid reads the token of that hash, if it may be used now.
func valid(ctx context.Context, tx *database.Tx, hash []byte) (Token, error) {
	var stored []byte
	t, err := scanToken(tx.QueryRow(ctx, `SELECT id, role, label, created_at, expires_at, revoked_at, used_at, secret
		FROM account_token WHERE secret = $1`, hash), &stored)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Token{}, errToken
	case err != nil:
		return Token{}, err
	case subtle.ConstantTimeCompare(stored, hash) != 1, !t.live(tx.Now):
		return Token{}, errToken
	}
	return t, nil
}

// live reports whether the token opens anything at that instant.
func (t Token) live(now time.Time) bool {
	return t.Revoked.IsZero() && (t.Expires.IsZero() || now.Before(t.Expires))
}

// use notes that the token was used in this hour.
func (s *Service) use(ctx context.Context, t Token) error {
	return s.db.Update(ctx, func(tx *database.Tx) error {
		result, err := tx.Exec(ctx, "UPDATE account_token SET used_at = $1 WHERE id = $2 AND used_at <= $3",
			database.Micros(tx.Now), t.ID, database.Micros(tx.Now.Add(-useEvery)))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 { // another request was first
			return err
		}
		return s.record(ctx, tx, t.viewer(), "token.use", "token:"+t.ID.String(), nil)
	})
}

// List returns the tokens, the newest first, revoked and expired ones
// included; at most a thousand.
func (s *Service) List(ctx context.Context, by Viewer) ([]Token, error) {
	if err := Require(by, ManageTokens); err != nil {
		return nil, err
	}
	var tokens []Token
	err := s.db.View(ctx, func(tx *database.Tx) error {
		tokens = nil
		rows, err := tx.Query(ctx, `SELECT id, role, label, created_at, expires_at, revoked_at, used_at
			FROM account_token ORDER BY id DESC LIMIT $1`, maxListed)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			t, err := scanToken(rows)
			if err != nil {
				return err
			}
			tokens = append(tokens, t)
		}
		return rows.Err()
	})
	return tokens, err
}

// Revoke ends a token and every session that was opened with it. Revoking it
// again changes nothing. The error is NotFound for an unknown id.
func (s *Service) Revoke(ctx context.Context, by Viewer, id database.ID) error {
	if err := Require(by, ManageTokens); err != nil {
		return err
	}
	err := s.db.Update(ctx, func(tx *database.Tx) error {
		var revoked int64
		err := tx.QueryRow(ctx, "SELECT revoked_at FROM account_token WHERE id = $1", id).Scan(&revoked)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fault.New(fault.NotFound, "There is no such token.")
		case err != nil || revoked != 0:
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE account_token SET revoked_at = $1 WHERE id = $2", database.Micros(tx.Now), id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM account_session WHERE token_id = $1", id); err != nil {
			return err
		}
		return s.record(ctx, tx, by, "token.revoke", "token:"+id.String(), nil)
	})
	if err != nil {
		return err
	}
	s.tokens.forgetToken(id)
	s.sessions.forgetToken(id)
	return nil
}

// scanToken reads a token's columns, and what else the query selects into more.
func scanToken(row interface{ Scan(...any) error }, more ...any) (Token, error) {
	var t Token
	var id, created, expires, revoked, used int64
	var role string
	err := row.Scan(append([]any{&id, &role, &t.Label, &created, &expires, &revoked, &used}, more...)...)
	t.ID, t.Role = database.ID(id), Role(role)
	t.Created, t.Expires = database.Time(created), database.Time(expires)
	t.Revoked, t.Used = database.Time(revoked), database.Time(used)
	return t, err
}
