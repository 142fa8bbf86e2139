package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/archive"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/job"
)

// Schemas are all tables of the program, in the order in which they are made.
func Schemas() []database.Schema {
	all := []database.Schema{Schema, job.Schema, audit.Schema, account.Schema}
	for _, c := range table {
		all = append(all, c.schema)
	}
	return all
}

// migrate brings the tables to this program's version. What holds anything is
// copied first, where the database is embedded; on PostgreSQL that is the
// operator's part, see docs/operations.md.
func (a *App) migrate(ctx context.Context, locked bool) error {
	db := a.parts.DB
	versions, err := db.Versions(ctx)
	if err != nil {
		return err
	}
	pending, err := db.Pending(ctx, Schemas()...)
	if err != nil || len(pending) == 0 {
		return err
	}
	if db.Engine() == database.SQLite {
		if !locked { // nobody may work on the tables while they change
			unlock, err := lock(a.settings.Data)
			if err != nil {
				return err
			}
			defer func() { _ = unlock() }() // only read: closing cannot fail in a way that matters
		}
		if len(versions) > 0 && a.settings.Migration.Backup {
			if err := a.backupBefore(ctx); err != nil {
				return fmt.Errorf("the copy before the migration: %w", err)
			}
		}
	}
	return db.Migrate(ctx, Schemas()...)
}

func (a *App) backupBefore(ctx context.Context) error {
	dir := filepath.Join(a.settings.Data, "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(dir, "before-"+a.parts.DB.Now().Format("20060102T150405.000000")+".db")
	if err := archive.BackupDatabase(ctx, a.parts.DB, name); err != nil {
		return err
	}
	a.log.Info("copied the database before its tables change", "file", name)
	return nil
}
