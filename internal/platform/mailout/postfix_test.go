package mailout_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/mailin"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

const mainCF = `
compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
maillog_file = DIR/log
maillog_file_prefixes = DIR
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
relayhost = [127.0.0.1]:PORT
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
smtp_tls_security_level = encrypt
smtpd_tls_security_level = may
smtpd_tls_cert_file = DIR/cert.pem
smtpd_tls_key_file = DIR/key.pem
smtp_helo_name = relay.example
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
message_size_limit = 40000000
`

const masterCF = `
127.0.0.1:PORT inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
`

// postfix starts an instance of its own that hands everything to next, and
// returns its address.
func postfix(t *testing.T, dir string, next net.Addr) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	_, nextPort, _ := net.SplitHostPort(next.String())
	for file, text := range map[string]string{
		"main.cf":   strings.NewReplacer("DIR", dir, "PORT", nextPort).Replace(mainCF),
		"master.cf": strings.ReplaceAll(masterCF, "PORT", port),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run := func(what string) {
		// Its output goes to files: its children keep a pipe open for ever.
		if err := exec.Command("postfix", "-c", dir, what).Run(); err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Errorf("postfix %s: %v\n%s", what, err, log)
		}
	}
	run("start")
	t.Cleanup(func() {
		run("stop")
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("Postfix's log:\n%s", log)
		}
	})
	return addr
}

// keyPair writes cert.pem and key.pem.
func keyPair(t *testing.T, dir string) mailin.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay.example"},
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
	files := mailin.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, b := range map[string][]byte{
		files.Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		files.Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// A real Postfix (Debian) between mailout and mailin, over TLS on both sides:
// what mailout sends arrives, once, as it was; a 451 makes Postfix come
// again; a 550 makes it send a bounce, which has the null sender.
func TestPostfix(t *testing.T) {
	if _, err := exec.LookPath("postfix"); err != nil {
		t.Skip("this test needs Postfix: apt-get install postfix")
	}
	if os.Geteuid() != 0 {
		t.Skip("this test starts Postfix, which only root can: run it as root")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for the user postfix
		t.Fatal(err)
	}
	files := keyPair(t, dir)

	type received struct {
		mailin.Envelope
		data string
	}
	var mu sync.Mutex
	refused := map[string]bool{}
	arrived := make(chan received, 10)
	in, err := mailin.New(mailin.Options{
		TLS:       files,
		Recipient: func(a string) bool { return a != "unknown@belfry.example" },
		Accept: func(_ context.Context, e mailin.Envelope, data []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if e.To[0] == "later@belfry.example" && !refused[e.To[0]] {
				refused[e.To[0]] = true
				return fault.New(fault.Busy, "")
			}
			arrived <- received{e, string(data)}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		in.Stop(ctx)
	})
	out, err := mailout.New(mailout.Options{URL: "smtp://" + postfix(t, dir, in.Addr()), Hostname: "belfry.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })

	// Dots, 8-bit bytes, a long line, a quoted sender.
	msg := "From: ann@sender.example\r\nSubject: caf\xc3\xa9\r\n\r\n.\r\n..x\r\n" + strings.Repeat("y", 900) + "\r\n\xe9\xff\r\n.\r\nlast\r\n"
	for _, to := range []string{"desk@belfry.example", "later@belfry.example", "unknown@belfry.example"} {
		if err := out.Send(t.Context(), "ann@sender.example", []string{to}, []byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	err = out.Send(t.Context(), "", []string{"desk@belfry.example"}, []byte(strings.Repeat("x\r\n", 9<<20)))
	if e, ok := errors.AsType[*mailout.Error](err); !ok || !e.Permanent {
		t.Errorf("too large a message: %v", err)
	}

	seen := map[string]int{}
	timeout := time.After(20 * time.Second)
	for len(seen) < 3 {
		select {
		case m := <-arrived:
			seen[m.From+" "+m.To[0]]++
			if !m.TLS || m.Helo != "relay.example" {
				t.Errorf("%+v", m.Envelope)
			}
			if m.From == "" {
				if !strings.Contains(m.data, "Content-Type: multipart/report") {
					t.Errorf("the bounce is %.300q", m.data)
				}
				continue
			}
			// Postfix puts its Received field, and the Date and Message-ID that miss, before and into the header.
			_, body, _ := strings.Cut(m.data, "\r\n\r\n")
			if _, want, _ := strings.Cut(msg, "\r\n\r\n"); body != want {
				t.Errorf("the body is %q", body)
			}
		case <-timeout:
			t.Fatalf("only these arrived: %v", seen)
		}
	}
	for _, want := range []string{"ann@sender.example desk@belfry.example", "ann@sender.example later@belfry.example", " ann@sender.example"} {
		if seen[want] != 1 {
			t.Errorf("%q arrived %d times: %v", want, seen[want], fmt.Sprint(seen))
		}
	}
}
