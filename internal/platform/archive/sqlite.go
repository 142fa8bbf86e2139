package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// BackupDatabase copies a SQLite database that may be in use to the file dst,
// which must not exist: consistent as of one instant, and durable on return.
// It is also what the program does before it migrates. On PostgreSQL it is
// Unsupported: use Dump.
func BackupDatabase(ctx context.Context, db *database.DB, dst string) error {
	_, err := copyPages(ctx, db, dst, defaultMaxLog, nil)
	return err
}

// copied is a finished file of a backup.
type copied struct {
	size int64
	sum  []byte
}

// copyPages copies the database's pages in one view. progress may be nil.
func copyPages(ctx context.Context, db *database.DB, dst string, maxLog int64, progress func(done, total int64)) (copied, error) {
	if db.Engine() != database.SQLite {
		return copied{}, fault.New(fault.Unsupported, "Only a SQLite database can be copied page by page.")
	}
	out, err := create(dst)
	if err != nil {
		return copied{}, fmt.Errorf("archive: %w", err)
	}
	err = db.View(ctx, func(tx *database.Tx) error {
		var path string
		var size, pages int64
		if err := tx.QueryRow(ctx, "SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path); err != nil {
			return err
		}
		// The first statement that reads the file fixes the view's instant.
		if err := tx.QueryRow(ctx, "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &size); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT data FROM sqlite_dbpage('main') ORDER BY pgno")
		if err != nil {
			return err
		}
		defer rows.Close()
		every := max(progressEvery/size, 1)
		n := int64(0)
		var page sql.RawBytes
		for ; rows.Next(); n++ {
			if err := rows.Scan(&page); err != nil {
				return err
			}
			if _, err := out.Write(page); err != nil {
				return err
			}
			if n%every != 0 {
				continue
			}
			if err := checkLog(path, maxLog); err != nil {
				return err
			}
			if progress != nil {
				progress(n*size, pages*size)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if n != pages || out.size != pages*size {
			return fmt.Errorf("%d pages were read instead of %d", n, pages)
		}
		return nil
	})
	if err := out.finish(err); err != nil {
		return copied{}, fmt.Errorf("archive: copying the database: %w", err)
	}
	return copied{out.size, out.sum.Sum(nil)}, nil
}

// checkLog gives up when the write-ahead log, which cannot be recycled while
// the copy's view is open, has grown over the limit.
func checkLog(path string, limit int64) error {
	info, err := os.Stat(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() > limit {
		return fault.New(fault.Busy, "More is being written than can be copied meanwhile; try again at a quieter hour.")
	}
	return nil
}

// integrity runs SQLite's own check, one table with its indexes at a time, so
// that no view stays open for longer than that takes. bad is called for each
// finding.
func integrity(ctx context.Context, db *database.DB, progress func(table string, done, total int64), bad func(string)) error {
	var tables []string
	err := db.View(ctx, func(tx *database.Tx) error {
		rows, err := tx.Query(ctx, "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name")
		if err != nil {
			return err
		}
		return each(rows, func(name string) error {
			tables = append(tables, name)
			return nil
		})
	})
	if err != nil {
		return err
	}
	for i, name := range tables {
		progress(name, int64(i), int64(len(tables)))
		err := db.View(ctx, func(tx *database.Tx) error {
			rows, err := tx.Query(ctx, "SELECT integrity_check FROM pragma_integrity_check($1)", name)
			if err != nil {
				return err
			}
			return each(rows, func(found string) error {
				if found != "ok" {
					bad(name + ": " + found)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for the one text column of the rows, and closes them.
func each(rows *sql.Rows, fn func(string) error) error {
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return err
		}
		if err := fn(s); err != nil {
			return err
		}
	}
	return rows.Err()
}
