package test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	centre "github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/report"
)

// schema/VERSION/ENGINE/ holds a small centre as the release VERSION kept it:
// belfry.sql is its database as statements, raw-*.sql its raw bytes beside
// that (SQLite), reports.json what its API listed, and the rest its keys. See
// schema/README.md for how it is made.
const releases = "schema"

// keepRelease names the variable that makes TestKeepRelease write one.
const keepRelease = "BELFRY_KEEP_RELEASE"

// TestUpgrade opens the store of every release with this program: it migrates,
// what is in it is read as it was, and the store is sound.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	versions, err := filepath.Glob(filepath.Join(releases, "v*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("no release is kept: %v", err)
	}
	for _, dir := range versions {
		for _, engine := range []string{"sqlite", "postgres"} {
			t.Run(filepath.Base(dir)+"/"+engine, func(t *testing.T) {
				t.Parallel()
				upgrade(t, filepath.Join(dir, engine), engine)
			})
		}
	}
}

func upgrade(t *testing.T, kept, engine string) {
	o := options{data: t.TempDir()}
	if engine == "postgres" {
		o.database = databasetest.PostgresURL(t)
	}
	loadCentre(t, kept, o)
	a := openApp(t, o)
	pending, err := a.Parts().DB.Pending(t.Context(), centre.Schemas()...)
	if err != nil || len(pending) != 0 {
		t.Errorf("after opening, %v is pending: %v", pending, err)
	}
	var want []listed
	readJSON(t, filepath.Join(kept, "reports.json"), &want)
	page, err := a.Report().List(t.Context(), account.System("test"), report.Query{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range page.Items {
		got := listed{
			ID: s.ID.String(), ReceivedAt: s.ReceivedAt, Channel: string(s.Channel), Subject: s.Subject, Language: s.Language,
			Verdict: string(s.Verdict), Score: s.Score, State: string(s.State),
		}
		if i < len(want) && !got.ReceivedAt.Equal(want[i].ReceivedAt) {
			t.Errorf("report %d was received at %v, want %v", i, got.ReceivedAt, want[i].ReceivedAt)
		}
		if i < len(want) {
			got.ReceivedAt = want[i].ReceivedAt
		}
		if i >= len(want) || got != want[i] {
			t.Errorf("report %d is %+v", i, got)
		}
		if _, err := a.Report().Get(t.Context(), account.System("test"), s.ID); err != nil {
			t.Errorf("report %v: %v", s.ID, err)
		}
	}
	if len(page.Items) != len(want) {
		t.Errorf("%d reports, want %d", len(page.Items), len(want))
	}
	found, err := a.Verify(t.Context(), nil)
	if err != nil || !found.Sound() || found.References != int64(len(want)) {
		t.Errorf("verify: %v, %+v", err, found)
	}
	// A migrated store has the tables of a new one.
	got, fresh := shapeOf(t, a.Parts().DB), freshShape(t, engine)
	if !slices.Equal(got, fresh) {
		t.Errorf("the tables differ from those of a new store:\n%s", difference(got, fresh))
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Error(err)
	}

	// The whole program goes on where the release ended.
	o.world = newWorld(t)
	p := start(t, o)
	if err := p.sendMail("new@"+proved, desk, reportMail("new@"+proved, "Uw pakket", nil)); err != nil {
		t.Fatal(err)
	}
	p.api("analyst").settled(len(want) + 1)
	p.stop()
}

// TestBackupBeforeMigration opens a store that lacks one owner's tables, as
// that of an older release would. It is copied before it is changed, once.
func TestBackupBeforeMigration(t *testing.T) {
	t.Parallel()
	o := options{data: t.TempDir()}
	versions, err := filepath.Glob(filepath.Join(releases, "v*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("no release is kept: %v", err)
	}
	loadCentre(t, filepath.Join(versions[0], "sqlite"), o)
	file := filepath.Join(o.data, "belfry.db")
	older(t, file)

	// A verb migrates as well, but not while a server of the older program runs.
	first := openApp(t, o)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	copies, err := filepath.Glob(filepath.Join(o.data, "backups", "before-*.db"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("the copies are %v (%v)", copies, err)
	}
	for name, want := range map[string]bool{copies[0]: false, file: true} {
		if got := hasTable(t, name, "answer"); got != want {
			t.Errorf("%s has the new table: %v", filepath.Base(name), got)
		}
		if !hasTable(t, name, "report") {
			t.Errorf("%s lost a table", filepath.Base(name))
		}
	}
	second := openApp(t, o)
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, _ := filepath.Glob(filepath.Join(o.data, "backups", "*")); len(again) != 1 {
		t.Errorf("without a migration there are %v", again)
	}

	// A store of a newer release is refused, and left alone.
	execSQLite(t, file, "INSERT INTO schema_version (owner, version, name, applied_at) VALUES ('report', 99, 'future', 0)")
	_, errs, err := belfry(t, "verify", "--data", o.data)
	if err == nil || !strings.Contains(errs, "newer Belfry") {
		t.Errorf("a newer store: %v, %s", err, errs)
	}
	// The copy is a whole database: it can be put back.
	if err := os.Rename(copies[0], file); err != nil {
		t.Fatal(err)
	}
	third := openApp(t, o)
	if err := third.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// older takes the newest owner's tables out of a store.
func older(t *testing.T, file string) {
	t.Helper()
	var drop []string
	for _, name := range querySQLite(t, file, "SELECT name FROM sqlite_master WHERE type = 'table' AND (name = 'answer' OR name LIKE 'answer_%')") {
		drop = append(drop, "DROP TABLE "+name)
	}
	execSQLite(t, file, append(drop, "DELETE FROM schema_version WHERE owner = 'answer'")...)
}

func hasTable(t *testing.T, file, name string) bool {
	t.Helper()
	return len(querySQLite(t, file, "SELECT name FROM sqlite_master WHERE type = 'table' AND name = '"+name+"'")) == 1
}

func openApp(t *testing.T, o options) *centre.App {
	t.Helper()
	s := centre.DefaultSettings()
	s.Data = o.data
	if o.database != "" {
		u, err := config.ParseURL(o.database)
		if err != nil {
			t.Fatal(err)
		}
		s.Database = u
	}
	a, err := centre.New(t.Context(), s, centre.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// loadCentre puts a kept centre into a new folder and database.
func loadCentre(t *testing.T, kept string, o options) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(kept, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: nothing is kept there (%v)", kept, err)
	}
	if err := os.MkdirAll(filepath.Join(o.data, "raw"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		switch base, isSQL := strings.CutSuffix(name, ".sql"); {
		case isSQL && o.database != "":
			db := openPostgres(t, o.database)
			if _, err := db.Exec(string(text)); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			db.Close()
		case isSQL && base == "belfry":
			execSQLite(t, filepath.Join(o.data, base+".db"), string(text))
		case isSQL:
			execSQLite(t, filepath.Join(o.data, "raw", base+".db"), string(text))
		default:
			if err := os.WriteFile(filepath.Join(o.data, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// freshShape is the tables of a new store.
func freshShape(t *testing.T, engine string) []string {
	t.Helper()
	o := options{data: t.TempDir()}
	if engine == "postgres" {
		o.database = databasetest.PostgresURL(t)
	}
	a := openApp(t, o)
	defer a.Stop(t.Context())
	return shapeOf(t, a.Parts().DB)
}

// shapeOf lists columns and indexes, one line each, sorted. Monthly partitions
// are left out: there is one for each month that has bytes.
func shapeOf(t *testing.T, db *database.DB) (all []string) {
	t.Helper()
	queries := []string{
		`SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '-') || ' ' || c.pk
			FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`,
		`SELECT tbl_name || ' ' || coalesce(sql, name) FROM sqlite_master WHERE type = 'index'`,
	}
	if db.Engine() == database.Postgres {
		queries = []string{
			`SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '-')
				FROM information_schema.columns WHERE table_schema = current_schema()`,
			`SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE schemaname = current_schema()`,
		}
	}
	monthly := regexp.MustCompile(`_[0-9]{4}_[0-9]{2}\b|_[0-9]{6}\b`)
	for _, query := range queries {
		err := db.View(t.Context(), func(tx *database.Tx) error {
			rows, err := tx.Query(t.Context(), query)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					return err
				}
				if !monthly.MatchString(line) {
					all = append(all, strings.Join(strings.Fields(line), " "))
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(all)
	return all
}

func difference(got, want []string) string {
	var b strings.Builder
	for _, line := range got {
		if !slices.Contains(want, line) {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	return b.String()
}

// TestKeepRelease writes the store of the present program into schema/ when
// it is told for which release.
func TestKeepRelease(t *testing.T) {
	version := os.Getenv(keepRelease)
	if version == "" {
		t.Logf("nothing to keep: %s is not set", keepRelease)
		return
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		w := newWorld(t)
		o := options{data: t.TempDir(), world: w}
		if engine == "postgres" {
			o.database = databasetest.PostgresURL(t)
		}
		p := start(t, o)
		c := p.api("analyst")
		for i, mail := range []string{
			string(reportMail("an@"+proved, "Uw pakket", nil)),
			"From: tom@unproved.example\r\nTo: " + desk + "\r\nSubject: lunch\r\nMessage-ID: <lunch@unproved.example>\r\n\r\nShall we have lunch?\r\n",
			"From: MAILER-DAEMON@citizens.example\r\nSubject: Undelivered\r\nAuto-Submitted: auto-replied\r\n\r\nNo such user.\r\n",
		} {
			if err := p.sendMail([]string{"an@" + proved, "tom@unproved.example", ""}[i], desk, []byte(mail)); err != nil {
				t.Fatal(err)
			}
			c.settled(i + 1)
		}
		all := c.list(500, "")
		p.stop()
		p.verify()
		dir := filepath.Join(releases, version, engine)
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		write := func(name string, text []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write("reports.json", append(text, '\n'))
		for _, name := range []string{"centre.key", "audit.key", "audit.seal"} {
			text, err := os.ReadFile(filepath.Join(o.data, name))
			if err != nil {
				t.Fatal(err)
			}
			write(name, text)
		}
		if engine == "postgres" {
			write("belfry.sql", dumpPostgres(t, o.database))
			continue
		}
		write("belfry.sql", dumpSQLite(t, filepath.Join(o.data, "belfry.db")))
		months, err := filepath.Glob(filepath.Join(o.data, "raw", "raw-*.db"))
		if err != nil || len(months) != 1 {
			t.Fatalf("the raw files are %v (%v)", months, err)
		}
		write(strings.TrimSuffix(filepath.Base(months[0]), ".db")+".sql", dumpSQLite(t, months[0]))
	}
}

// dumpSQLite writes a database as statements.
func dumpSQLite(t *testing.T, file string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, pragma := range []string{"auto_vacuum", "application_id", "user_version"} {
		fmt.Fprintf(&b, "PRAGMA %s = %s;\n", pragma, querySQLite(t, file, "PRAGMA "+pragma)[0])
	}
	for _, stmt := range querySQLite(t, file, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'index', rowid") {
		b.WriteString(stmt + ";\n")
	}
	for _, table := range querySQLite(t, file, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") {
		var columns []string
		for _, c := range querySQLite(t, file, "SELECT name FROM pragma_table_info('"+table+"')") {
			columns = append(columns, "quote("+c+")")
		}
		for _, row := range querySQLite(t, file, "SELECT "+strings.Join(columns, " || ', ' || ")+" FROM "+table) {
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", table, row)
		}
	}
	return b.Bytes()
}

// dumpPostgres writes the schema of the URL as statements, without its name.
func dumpPostgres(t *testing.T, address string) []byte {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	schema := u.Query().Get("search_path")
	u.RawQuery = ""
	out, err := exec.Command("pg_dump", "--no-owner", "--no-privileges", "--inserts", "--schema", schema, u.String()).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var b bytes.Buffer
	skip := regexp.MustCompile(`^(SET |SELECT pg_catalog\.set_config|\\|CREATE SCHEMA |--|\s*$)`)
	for line := range bytes.Lines(out) {
		if !skip.Match(line) {
			b.Write(bytes.ReplaceAll(line, []byte(schema+"."), nil))
		}
	}
	return b.Bytes()
}

func openPostgres(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func openSQLite(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func execSQLite(t *testing.T, file string, statements ...string) {
	t.Helper()
	db := openSQLite(t, file)
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range statements {
		if _, err := conn.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", filepath.Base(file), err)
		}
	}
}

func querySQLite(t *testing.T, file, query string) (all []string) {
	t.Helper()
	db := openSQLite(t, file)
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
