package app

import (
	"context"
	"fmt"
	"strconv"

	"github.com/belfry-centre/belfry/internal/platform/archive"
	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Backup copies everything into a new folder in dst, also while other
// processes work on it. See package archive.
func (a *App) Backup(ctx context.Context, dst string, progress func(archive.Progress)) (archive.Made, error) {
	made, err := archive.Backup(ctx, archive.Centre{
		DB: a.parts.DB, URL: a.settings.Database.Reveal(), Raw: a.parts.Raw,
		Dir: a.settings.Data, Database: databaseFile, RawDir: rawDir,
		Files:   []string{secretFile, audit.KeyFile, audit.SealFile},
		Version: a.version, Progress: progress, Log: a.log,
	}, dst)
	if err != nil {
		return made, err
	}
	return made, a.note(ctx, "backup.made", map[string]string{"files": strconv.Itoa(made.Files), "bytes": strconv.FormatInt(made.Bytes, 10)})
}

// Verify checks the raw bytes against their hashes, the rows against the raw
// bytes, the audit log's chain, and the database file.
func (a *App) Verify(ctx context.Context, progress func(archive.Progress)) (*archive.Report, error) {
	return archive.Verify(ctx, archive.Subject{
		DB: a.parts.DB, Raw: a.parts.Raw, Audit: a.parts.Audit,
		References: a.report.References, Progress: progress,
	})
}

// Restore brings a backup back into the settings' data directory, which must
// be empty.
func Restore(ctx context.Context, s Settings, src string, progress func(archive.Progress)) error {
	_, err := archive.Restore(ctx, src, s.Data, archive.RestoreOptions{URL: s.Database.Reveal(), Progress: progress})
	return err
}

// refuseUnfinished keeps the program from working on a half restored folder.
func (a *App) refuseUnfinished() error {
	if archive.Unfinished(a.settings.Data) {
		return fault.Errorf(fault.Conflict, "A restore into %s was not finished. Empty the folder and restore again.", a.settings.Data)
	}
	return nil
}

// note writes an act of the program as a whole into the audit log.
func (a *App) note(ctx context.Context, act string, detail map[string]string) error {
	err := a.parts.DB.Update(ctx, func(tx *database.Tx) error {
		return a.parts.Audit.Append(ctx, tx, audit.Entry{Actor: "system", Act: act, Object: "centre", Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("the audit log: %w", err)
	}
	return nil
}
