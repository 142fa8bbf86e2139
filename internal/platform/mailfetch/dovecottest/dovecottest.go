// Package dovecottest starts a Dovecot of a test's own: an IMAP server that
// people really use.
package dovecottest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// The one account of every server.
const (
	User     = "desk@example.org"
	Password = "a secret that nobody logs"
)

// Options say what the server offers.
type Options struct {
	Certificate, Key string // PEM files; empty is without TLS
	TokenInfo        string // where it asks about access tokens (XOAUTH2), the token to be added; empty is without
	Maildir          string // Dovecot's options of the mailbox, such as ":LAYOUT=fs"
	Separator        string // between levels of folders; empty is /
	Prefix           string // of folders; empty is none
}

// Server is a running Dovecot.
type Server struct {
	IMAP, IMAPS string // addresses
	t           testing.TB
	dir         string
	cmd         *exec.Cmd
}

const conf = `
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = imap
listen = 127.0.0.1
mail_location = maildir:DIR/mail/%uMAILDIR
mail_uid = MAILUSER
mail_gid = MAILUSER
first_valid_uid = 1
disable_plaintext_auth = no
auth_mechanisms = plain OAUTHMECH
auth_failure_delay = 0
mail_fsync = never
maildir_very_dirty_syncs = no
ssl = SSL
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/users
}
userdb {
  driver = static
  args = uid=MAILUSER gid=MAILUSER home=DIR/mail/%u
}
namespace inbox {
  inbox = yes
  separator = SEPARATOR
  prefix = PREFIX
}
service imap-login {
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = SECURE
    ssl = yes
  }
}
service stats {
  client_limit = 100
}
`

const oauth = `
passdb {
  driver = oauth2
  mechanisms = xoauth2
  args = DIR/oauth2.conf
}
`

// Start starts a server, or skips the test where none can be.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	program := "/usr/sbin/dovecot"
	if _, err := os.Stat(program); err != nil {
		t.Skip("needs Dovecot: apt-get install dovecot-imapd")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs to run as root, as Dovecot does: sudo go test")
	}
	// Dovecot's own users have to reach it, so it is not in t.TempDir.
	dir, err := os.MkdirTemp("", "dovecot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, dir: dir, IMAP: free(t), IMAPS: free(t)}
	text := conf
	ssl, mech := "no", ""
	if o.Certificate != "" {
		ssl = "yes"
		text += "ssl_cert = <" + o.Certificate + "\nssl_key = <" + o.Key + "\n"
	}
	if o.TokenInfo != "" {
		mech = "xoauth2"
		text = strings.Replace(text, "passdb {", oauth+"passdb {", 1)
	}
	separator := o.Separator
	if separator == "" {
		separator = "/"
	}
	text = strings.NewReplacer(
		"DIR", dir, "SSL", ssl, "OAUTHMECH", mech, "PORT", port(s.IMAP), "SECURE", port(s.IMAPS),
		"MAILUSER", "mail", "SEPARATOR", separator, "PREFIX", o.Prefix, "MAILDIR", o.Maildir,
	).Replace(text)
	for name, content := range map[string]string{
		"dovecot.conf": text,
		"users":        User + ":{PLAIN}" + Password + "\n",
		"oauth2.conf":  "tokeninfo_url = " + o.TokenInfo + "\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mail := filepath.Join(dir, "mail")
	if err := os.Mkdir(mail, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(mail, 0o777); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("Dovecot's log:\n%s", s.Log())
		}
	})
	s.start(program)
	return s
}

func (s *Server) start(program string) {
	s.t.Helper()
	s.cmd = exec.Command(program, "-F", "-c", filepath.Join(s.dir, "dovecot.conf"))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); !s.answers(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("Dovecot does not answer; its log:\n%s", s.Log())
		}
	}
}

func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.IMAP, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "* OK")
}

func (s *Server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // sessions outlive their master
		s.cmd = nil
	}
}

// Restart ends the server with all its connections and starts it again.
func (s *Server) Restart() {
	s.t.Helper()
	program := s.cmd.Path
	s.stop()
	s.start(program)
}

// Log returns what the server has written.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Client logs somebody else in to the mailbox.
func (s *Server) Client() *imapclient.Client {
	s.t.Helper()
	c, err := imapclient.DialInsecure(s.IMAP, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() }) // the server may have hung up
	if err := c.Login(User, Password).Wait(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// Append puts a message into a folder.
func Append(t testing.TB, c *imapclient.Client, folder string, raw []byte, flags ...imap.Flag) {
	t.Helper()
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Flags: flags})
	_, err := cmd.Write(raw)
	if err == nil {
		err = cmd.Close()
	}
	if err == nil {
		_, err = cmd.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Count returns how many messages are in a folder; -1 without the folder.
func Count(c *imapclient.Client, folder string) int {
	data, err := c.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil || data.NumMessages == nil {
		return -1
	}
	return int(*data.NumMessages)
}

// free returns an address on which nobody listens.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		panic(fmt.Sprintf("%q is no address", addr))
	}
	return p
}
