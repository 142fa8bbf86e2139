package fill_test

import (
	"bytes"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/report"
	"github.com/belfry-centre/belfry/internal/report/fill"
)

func TestEveryReportHasItsRows(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		const n = 600 // more than a transaction's
		keys := fill.Keys{
			Reporter:   func(address string) []byte { return []byte(address) },
			Follow:     func(database.ID) []byte { return bytes.Repeat([]byte{1}, 32) },
			Observable: func(t observable.Type, value string) []byte { return []byte(string(t) + value) },
		}
		var told []int
		for range 2 { // what is there already is no hindrance
			if err := fill.Store(t.Context(), db, keys, n, func(done int) { told = append(told, done) }); err != nil {
				t.Fatal(err)
			}
		}
		if len(told) != 4 || told[0] != 500 || told[1] != n {
			t.Errorf("told %v", told)
		}
		for table, want := range map[string]int{
			"report": 2 * n, "message": 2 * n, "assessment": 2 * n, "reporter": 2 * n, "sighting": 6 * 2 * n, "observable": 1 + 4*2*n,
		} {
			var got int
			if err := db.View(t.Context(), func(tx *database.Tx) error {
				return tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&got)
			}); err != nil || got != want {
				t.Errorf("%s: %d rows, %v, want %d", table, got, err, want)
			}
		}
	}, report.Schema)
}
