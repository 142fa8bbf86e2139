package test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// TestConversations holds SMTP conversations with the running program, as they
// stand in testdata/smtp/*.talk. A line of such a file is
//
//	# …            a comment
//	> TEXT         send the text and CR LF
//	>> "TEXT"      send just these bytes, written as Go does
//	>* N "TEXT"    send them N times
//	< CODE [TEXT]  read a reply, which has that code and the text somewhere in it
//	!              the server has closed the connection
//	redial         close it and open another one
//	tls            go over to TLS
//	lock, unlock   hold the store's write lock from outside, and let it go
//	reports N      since the last time, so many reports came in
//	kept N         the newest report was N bytes long, and they are kept
//
// Bugs and advisories get a file with their name.
func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/smtp/*.talk")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	p := start(t, options{config: fmt.Sprintf(`
[[desk]]
address = "suspicious@centre.example"
[[desk]]
address = "verdacht@centre.example"
language = "nl"
[[desk]]
address = "börse@centre.example"
[intake]
hostname = "mx.centre.example"
certificate = %q
key = %q
max_size = "200KB"
recipients = 2
`, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))})
	c := p.api("analyst")
	before := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".talk"), func(t *testing.T) {
			k := &talk{t: t, p: p, api: &client{t, p, c.token}, pool: pool, before: before}
			defer func() {
				k.end()
				before = len(k.api.list(500, ""))
			}()
			k.play(file)
		})
	}
	p.stop()
	p.verify()
}

// talk is one conversation.
type talk struct {
	t      *testing.T
	p      *server
	api    *client
	pool   *x509.CertPool
	before int // reports that were there

	conn net.Conn
	r    *bufio.Reader
	lock *sql.Conn
	db   *sql.DB
}

func (k *talk) play(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		k.t.Fatal(err)
	}
	k.dial()
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := k.line(line); err != nil {
			k.t.Fatalf("%s:%d: %s: %v", file, n, line, err)
		}
	}
}

func (k *talk) dial() {
	if k.conn != nil {
		k.conn.Close()
	}
	conn, err := net.Dial("tcp", k.p.smtp)
	if err != nil {
		k.t.Fatal(err)
	}
	k.conn, k.r = conn, bufio.NewReader(conn)
}

func (k *talk) end() {
	k.conn.Close()
	if k.lock != nil {
		k.unlock()
	}
}

func (k *talk) line(line string) error {
	if err := k.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case ">":
		return k.send(rest + "\r\n")
	case ">>":
		text, err := strconv.Unquote(rest)
		if err != nil {
			return err
		}
		return k.send(text)
	case ">*":
		count, quoted, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return err
		}
		return k.send(strings.Repeat(text, n))
	case "<":
		return k.expect(rest)
	case "!":
		b, err := k.r.ReadByte()
		if timeout := net.Error(nil); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			return fmt.Errorf("it is open: %q, %v", b, err)
		}
		return nil // an end, or a reset where it did not read all that we sent
	case "redial":
		k.dial()
		return nil
	case "tls":
		c := tls.Client(k.conn, &tls.Config{RootCAs: k.pool, ServerName: "mx.centre.example"})
		if err := c.Handshake(); err != nil {
			return err
		}
		k.conn, k.r = c, bufio.NewReader(c)
		return nil
	case "lock":
		return k.hold()
	case "unlock":
		return k.unlock()
	case "reports":
		all := k.api.list(500, "")
		if got := strconv.Itoa(len(all) - k.before); got != rest {
			return fmt.Errorf("%s reports came in", got)
		}
		k.before = len(all)
		return nil
	case "kept":
		return k.kept(rest)
	}
	return fmt.Errorf("there is no such line")
}

func (k *talk) send(text string) error {
	_, err := io.WriteString(k.conn, text)
	return err
}

// expect reads one reply (RFC 5321, section 4.2), all lines of it.
func (k *talk) expect(want string) error {
	var all []string
	for {
		line, err := k.r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%w after %q", err, all)
		}
		all = append(all, strings.TrimRight(line, "\r\n"))
		if !strings.HasSuffix(line, "\r\n") || len(line) < 6 {
			return fmt.Errorf("no reply: %q", line)
		}
		if line[3] == ' ' {
			break
		}
	}
	code, text, _ := strings.Cut(want, " ")
	got := strings.Join(all, "\n")
	if !strings.HasPrefix(got, code) || !strings.Contains(got[3:], text) {
		return fmt.Errorf("the reply is %q", got)
	}
	return nil
}

// hold takes the write lock of the embedded database, as a foreign program
// would that works on it.
func (k *talk) hold() (err error) {
	if k.db, err = sql.Open("sqlite", filepath.Join(k.p.o.data, "belfry.db")+"?_pragma=busy_timeout(5000)"); err != nil {
		return err
	}
	if k.lock, err = k.db.Conn(context.Background()); err != nil {
		return err
	}
	_, err = k.lock.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	return err
}

func (k *talk) unlock() error {
	_, err := k.lock.ExecContext(context.Background(), "ROLLBACK")
	k.lock.Close()
	k.db.Close()
	k.lock = nil
	return err
}

// kept checks how much is kept of what the newest report's sender sent; that
// it is whole, verify tells at the end.
func (k *talk) kept(want string) error {
	all := k.api.list(1, "")
	if len(all) == 0 {
		return fmt.Errorf("there is no report")
	}
	d := k.api.report(all[0].ID)
	if !d.RawKept || strconv.FormatInt(d.Size, 10) != want {
		return fmt.Errorf("kept: %v, %d bytes", d.RawKept, d.Size)
	}
	return nil
}

// writeCertificate writes cert.pem and key.pem for mx.centre.example.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.centre.example"}, DNSNames: []string{"mx.centre.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}
