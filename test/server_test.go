package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// update rewrites the golden files: go test ./test -update
var update = flag.Bool("update", false, "rewrite golden files")

// patience is how long the program may take for anything before the test
// counts it as never happening.
const patience = 60 * time.Second

var built struct {
	dir string // with the binary in it
}

// TestMain builds the program once. The tests wait for processes more than
// they compute, so more of them run at a time than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("8"); err != nil {
			panic(err)
		}
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "belfry-test-")
		if err == nil {
			defer os.RemoveAll(dir)
			built.dir = dir
			err = exec.Command("go", "build", "-o", binary(), "../cmd/belfry").Run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "building belfry:", err, "(go build ./cmd/belfry says why)")
			return 1
		}
		return m.Run()
	}())
}

func binary() string { return filepath.Join(built.dir, "belfry") }

// options say how a program is started. The zero value is a centre of its own
// in a new folder, without a way out for mail.
type options struct {
	data     string   // its folder; empty is a new one
	database string   // PostgreSQL; empty is SQLite
	config   string   // a configuration file's text
	env      []string // NAME=value
	world    *world   // its DNS and its relay
	smtp     string   // the address for mail; empty is a free one
}

// server is one "belfry serve".
type server struct {
	t     testing.TB
	o     options
	cmd   *exec.Cmd
	log   programLog
	ended chan struct{}
	err   error // once it has ended

	http, smtp, metrics string
}

// start runs "belfry serve" and waits until it says that it is ready. It is
// killed at the end of the test if it still runs then.
func start(t testing.TB, o options) *server {
	t.Helper()
	p := launch(t, o)
	if !p.waitReady(patience) {
		t.Fatalf("belfry serve did not get ready; its log:\n%s", p.log.String())
	}
	return p
}

// launch runs "belfry serve" without waiting.
func launch(t testing.TB, o options) *server {
	t.Helper()
	if o.data == "" {
		o.data = t.TempDir()
	}
	p := &server{t: t, o: o, ended: make(chan struct{})}
	p.log.ready = make(chan struct{})
	if o.smtp == "" {
		o.smtp = "127.0.0.1:0"
	}
	args := []string{"serve", "--data", o.data, "--http", "127.0.0.1:0", "--smtp", o.smtp, "--metrics", "127.0.0.1:0", "--log-format", "json"}
	if o.database != "" {
		args = append(args, "--database", o.database)
	}
	if o.world != nil {
		args = append(args, "--relay", o.world.relay())
		o.env = append(o.env, "BELFRY_TRUST_RESOLVER="+o.world.dns.Addr())
	}
	if o.config != "" {
		file := filepath.Join(t.TempDir(), "belfry.toml")
		if err := os.WriteFile(file, []byte(o.config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", file)
	}
	p.cmd = exec.Command(binary(), args...)
	p.cmd.Env = append(cleanEnviron(), o.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	// It must not outlive a test that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// cleanEnviron is the environment without any setting of ours.
func cleanEnviron() (env []string) {
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "BELFRY_") {
			env = append(env, e)
		}
	}
	return env
}

func (p *server) waitReady(within time.Duration) bool {
	select {
	case <-p.log.ready:
	case <-p.ended:
		return false
	case <-time.After(within):
		return false
	}
	line := p.log.readyLine()
	p.http, p.smtp, p.metrics = line.HTTP, line.SMTP, line.Metrics
	return true
}

// kill ends the process as a power cut does, and waits until it is gone.
func (p *server) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// stop ends the process as a service manager does. It must end well.
func (p *server) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("belfry serve had ended: %v; its log:\n%s", p.err, p.log.String())
	}
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Errorf("belfry serve ended with %v; its log:\n%s", p.err, p.log.String())
		}
	case <-time.After(patience):
		p.t.Fatal("belfry serve did not end on SIGTERM")
	}
}

// restart starts the program again on the same store.
func (p *server) restart() *server {
	p.t.Helper()
	return start(p.t, p.o)
}

// highWater returns the most memory that a process has had, in bytes; 0 when
// it is gone, or where there is no /proc.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// belfry runs another verb on the program's store and returns what it wrote.
func (p *server) belfry(args ...string) (out, errs string, err error) {
	args = append(args, "--data", p.o.data)
	if p.o.database != "" {
		args = append(args, "--database", p.o.database)
	}
	return belfry(p.t, args...)
}

// belfry runs a verb.
func belfry(t testing.TB, args ...string) (out, errs string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(), args...)
	cmd.Env = cleanEnviron()
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

func (p *server) token(role string) string {
	p.t.Helper()
	out, errs, err := p.belfry("token", "create", "--role", role)
	if err != nil {
		p.t.Fatalf("token create: %v: %s", err, errs)
	}
	return strings.TrimSpace(out)
}

// verify runs "belfry verify", which must find nothing wrong, and returns what
// it counted.
func (p *server) verify() (found struct {
	Contents, References, Orphans, AuditEntries int64
},
) {
	p.t.Helper()
	out, errs, err := p.belfry("verify", "--json")
	if err != nil {
		p.t.Fatalf("verify: %v: %s%s", err, errs, out)
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		p.t.Fatal(err)
	}
	return found
}

// programLog keeps the newest of what the program wrote, and waits for the
// line that says that it is ready.
type programLog struct {
	mu    sync.Mutex
	all   bytes.Buffer
	seen  readyLine
	ready chan struct{}
}

type readyLine struct{ Msg, HTTP, SMTP, Metrics string }

const keptLog = 4 << 20

func (l *programLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all.Len()+len(b) > keptLog {
		l.all.Next(l.all.Len() / 2)
	}
	l.all.Write(b)
	if l.seen.Msg == "" {
		for line := range bytes.Lines(l.all.Bytes()) {
			var r readyLine
			if json.Unmarshal(line, &r) == nil && r.Msg == "ready" {
				l.seen = r
				close(l.ready)
			}
		}
	}
	return len(b), nil
}

func (l *programLog) readyLine() readyLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

func (l *programLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// exitCode is the code with which a verb ended.
func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// eventually waits until ok returns nil.
func eventually(t testing.TB, ok func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %v", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
