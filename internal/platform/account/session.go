package account

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// seenEvery is how fine the last use of a session is known.
const seenEvery = time.Minute

// maxSessions bounds the sessions that one token can have open; the oldest
// give way.
const maxSessions = 20

// Session is an open sign-in.
type Session struct {
	Secret string    // for the browser's cookie; shown once
	Ends   time.Time // the absolute end
	Viewer Viewer
}

// SignIn opens a session with a token. Errors: Unauthorized for a token that
// is not valid, Forbidden for a role that has no staff pages.
func (s *Service) SignIn(ctx context.Context, token string) (Session, error) {
	v, err := s.Authenticate(ctx, token)
	if err != nil {
		return Session{}, err
	}
	if err := Require(v, SignIn); err != nil {
		return Session{}, err
	}
	secret, hash := newSecret(sessionPrefix)
	out := Session{Secret: secret, Viewer: v}
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		id := database.NewID(tx.Now)
		out.Ends = tx.Now.Add(s.absolute)
		if _, err := tx.Exec(ctx, `DELETE FROM account_session WHERE id IN (
			SELECT id FROM account_session WHERE token_id = $1 ORDER BY id DESC LIMIT 1000 OFFSET $2)`, v.Account, maxSessions-1); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO account_session (id, secret, token_id, created_at, seen_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6)`,
			id, hash[:], v.Account, database.Micros(tx.Now), database.Micros(tx.Now), database.Micros(out.Ends)); err != nil {
			return err
		}
		return s.record(ctx, tx, v, string(SignIn), "session:"+id.String(), nil)
	})
	if err != nil {
		return Session{}, err
	}
	return out, nil
}

// Resume returns who signed in to the session. The error is of kind
// Unauthorized for one that is unknown or ended, by itself, by SignOut or with
// its token.
func (s *Service) Resume(ctx context.Context, secret string) (Viewer, error) {
	hash, ok := hashOf(sessionPrefix, secret)
	if !ok {
		return Viewer{}, errSession
	}
	v, epoch, ok := s.sessions.get(hash)
	if ok {
		return v, nil
	}
	var t Token
	var id int64
	var ends time.Time
	var stale bool
	err := s.db.View(ctx, func(tx *database.Tx) error {
		var stored []byte
		var seen, expires int64
		var err error
		t, err = scanToken(tx.QueryRow(ctx, `SELECT t.id, t.role, t.label, t.created_at, t.expires_at, t.revoked_at, t.used_at,
			s.id, s.secret, s.seen_at, s.expires_at
			FROM account_session s JOIN account_token t ON t.id = s.token_id WHERE s.secret = $1`, hash[:]),
			&id, &stored, &seen, &expires)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return errSession
		case err != nil:
			return err
		}
		last := database.Time(seen)
		ends = database.Time(expires)
		if idle := last.Add(s.idle); idle.Before(ends) {
			ends = idle
		}
		if subtle.ConstantTimeCompare(stored, hash[:]) != 1 || !t.live(tx.Now) || !tx.Now.Before(ends) {
			return errSession
		}
		stale = tx.Now.Sub(last) >= seenEvery
		return nil
	})
	if err != nil {
		return Viewer{}, err
	}
	if stale {
		if err := s.db.Update(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE account_session SET seen_at = $1 WHERE id = $2", database.Micros(tx.Now), id)
			return err
		}); err != nil {
			return Viewer{}, err
		}
	}
	v = t.viewer()
	s.sessions.put(hash, v, t.ID, epoch, ends)
	return v, nil
}

// SignOut ends the session. One that is unknown or ended is no error.
func (s *Service) SignOut(ctx context.Context, secret string) error {
	hash, ok := hashOf(sessionPrefix, secret)
	if !ok {
		return nil
	}
	err := s.db.Update(ctx, func(tx *database.Tx) error {
		var id, token int64
		err := tx.QueryRow(ctx, "DELETE FROM account_session WHERE secret = $1 RETURNING id, token_id", hash[:]).Scan(&id, &token)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		by := Viewer{Account: database.ID(token), Roles: []Role{Analyst}}
		return s.record(ctx, tx, by, "session.end", "session:"+database.ID(id).String(), nil)
	})
	if err != nil {
		return err
	}
	s.sessions.forget(hash)
	return nil
}

// Sweep deletes the sessions that ended, at most a thousand, and returns how
// many. A periodic job calls it.
func (s *Service) Sweep(ctx context.Context) (n int64, err error) {
	err = s.db.Update(ctx, func(tx *database.Tx) error {
		result, err := tx.Exec(ctx, `DELETE FROM account_session WHERE id IN (
			SELECT id FROM account_session WHERE expires_at <= $1 OR seen_at <= $2 ORDER BY id LIMIT 1000)`,
			database.Micros(tx.Now), database.Micros(tx.Now.Add(-s.idle)))
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

var errSession = fault.New(fault.Unauthorized, "The session has ended.")
