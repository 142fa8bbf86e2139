package bench

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/mailin"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

//go:embed sink/*.sql
var sinkFiles embed.FS

var sinkSchema = database.Schema{Owner: "sink", Files: sinkFiles}

// sink is the least that a mail server can do which loses nothing: it commits
// the bytes and a row, which concurrent mails do together, and then says 250.
// It has the program's own SMTP server and database, so that it differs from
// the program in nothing but what the program does besides.
//
// There are two of them. The lean one puts the bytes, as they are, into the
// row: one commit and no processor time, but a database that holds everything
// and from which a month of bytes cannot simply be dropped. The parted one
// keeps the bytes where the program does, compressed, by hash and month, and
// commits the row after them: two commits, and what it shows is what the
// program adds to its own stores.
type sink struct {
	db     *database.DB
	raw    raw.Store // nil in the lean one
	server *mailin.Server
}

// openSink begins a sink in that folder, or on that PostgreSQL.
func openSink(ctx context.Context, dir, url string, parted bool, log *slog.Logger) (_ *sink, err error) {
	s := &sink{}
	s.db, err = database.Open(ctx, database.Options{URL: url, Path: filepath.Join(dir, "sink.db"), Log: log})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.db.Migrate(ctx, sinkSchema); err != nil {
		return nil, err
	}
	accept := s.keep
	if parted {
		if s.raw, err = raw.Open(ctx, raw.Options{Dir: filepath.Join(dir, "raw"), DB: s.db, Log: log}); err != nil {
			return nil, err
		}
		accept = s.part
	}
	s.server, err = listen(log, accept)
	return s, err
}

// keep is the lean way.
func (s *sink) keep(ctx context.Context, e mailin.Envelope, data []byte) error {
	return s.db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO mail (id, received_at, sender, data) VALUES ($1, $2, $3, $4)",
			database.NewID(tx.Now), database.Micros(tx.Now), e.From, data)
		return err
	})
}

// part is the parted way: data is the hash.
func (s *sink) part(ctx context.Context, e mailin.Envelope, data []byte) error {
	ref, err := s.raw.Put(ctx, s.db.Now(), data)
	if err != nil {
		return err
	}
	return s.keep(ctx, e, ref.SHA256[:])
}

func (s *sink) addr() string { return s.server.Addr().String() }

func (s *sink) stop(ctx context.Context) error {
	return errors.Join(s.server.Stop(ctx), s.close())
}

func (s *sink) close() error {
	var err error
	if s.raw != nil {
		err = s.raw.Close()
	}
	return errors.Join(err, s.db.Close())
}

// counter is a relay that takes every mail and forgets it.
type counter struct {
	server *mailin.Server
	taken  atomic.Int64
	bytes  atomic.Int64
	signed atomic.Int64 // of the taken, those with a DKIM-Signature
}

func openCounter(log *slog.Logger) (*counter, error) {
	c := &counter{}
	var err error
	c.server, err = listen(log, func(_ context.Context, _ mailin.Envelope, data []byte) error {
		c.bytes.Add(int64(len(data)))
		if hasField(data, "dkim-signature") {
			c.signed.Add(1)
		}
		c.taken.Add(1)
		return nil
	})
	return c, err
}

// listen begins a server that takes mail for everybody from anybody.
func listen(log *slog.Logger, accept func(context.Context, mailin.Envelope, []byte) error) (*mailin.Server, error) {
	s, err := mailin.New(mailin.Options{
		Addr: "127.0.0.1:0", Accept: accept, Log: log,
		Recipient: func(string) bool { return true },
		Limits:    mailin.Limits{Connections: maxSenders, ConnectionsPerIP: maxSenders, Messages: 1 << 30},
	})
	if err != nil {
		return nil, err
	}
	return s, s.Start()
}
