package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPostfix puts a real Postfix (Debian) between the reporters and the
// centre, in both directions: it relays their mails to us over STARTTLS, signed
// by their provider, and takes our answers to their mailboxes. A mail that we
// refuse becomes its bounce, and one that we cannot take now it keeps.
func TestPostfix(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("postfix"); err != nil {
		t.Skip("needs Postfix: apt-get install postfix")
	}
	if os.Geteuid() != 0 {
		t.Skip("Postfix can only be started by root: run the test as root")
	}
	w := newWorld(t)
	dir := t.TempDir()
	writeCertificate(t, dir)
	relay := freePort(t)
	config := fmt.Sprintf(`
relay = "smtp://127.0.0.1:%s?tls=none"
[centre]
domain = "centre.example"
[[desk]]
address = %q
[intake]
hostname = "mx.centre.example"
certificate = %q
key = %q
[trust]
relays = ["127.0.0.1"]
receivers = ["mx.centre.example"]
`, relay, desk, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	p := start(t, options{config: config, env: []string{"BELFRY_TRUST_RESOLVER=" + w.dns.Addr()}})
	startPostfix(t, dir, relay, p.smtp, w.mx.Addr().String())

	postfix := &server{t: t, smtp: "127.0.0.1:" + relay}
	from := "an@" + proved
	if err := postfix.sendMail(from, desk, w.sign(t, reportMail(from, "Uw pakket", nil))); err != nil {
		t.Fatal(err)
	}
	// To an address at the centre's own domain that is no desk.
	if err := postfix.sendMail("tom@"+proved, "nobody@localhost", reportMail("tom@"+proved, "x", nil)); err != nil {
		t.Fatal(err)
	}
	c := p.api("analyst")
	r := c.report(c.settled(1)[0].ID)
	if !r.Proved || r.Reporter != from || r.Verdict != "phishing" {
		t.Errorf("the report is %+v", r)
	}
	eventually(t, func() error {
		if len(w.to(from)) == 0 || len(w.to("tom@"+proved)) == 0 {
			return fmt.Errorf("%d answers, %d bounces", len(w.to(from)), len(w.to("tom@"+proved)))
		}
		return nil
	})
	answer := w.to(from)[0]
	if answer.header.Get("In-Reply-To") != "<fwd-"+from+">" || answer.header.Get("Auto-Submitted") != "auto-replied" ||
		!strings.Contains(answer.header.Get("Received"), "relay.example") {
		t.Errorf("the answer's header is %v", answer.header)
	}
	if bounce := w.to("tom@" + proved)[0]; !bytes.Contains(bounce.data, []byte("550 5.1.1")) {
		t.Errorf("the bounce is %.1000s", bounce.data)
	}

	// While we are away Postfix keeps what comes, and brings it when we are back.
	p.stop()
	if err := postfix.sendMail("ines@"+proved, desk, w.sign(t, reportMail("ines@"+proved, "Uw pakket", nil))); err != nil {
		t.Fatal(err)
	}
	o := p.o
	o.smtp = p.smtp
	p = start(t, o)
	c = &client{t, p, c.token}
	c.settled(2)
	eventually(t, func() error {
		if len(w.to("ines@"+proved)) != 1 {
			return fmt.Errorf("no answer")
		}
		return nil
	})
	// Its bounce comes back to us as a report: it is never answered.
	bounce := w.to("tom@" + proved)[0].data
	if err := postfix.sendMail("", desk, bounce); err != nil {
		t.Fatal(err)
	}
	if b := c.report(c.settled(3)[0].ID); b.Class != "bounce" || b.Answer == nil || b.Answer.Why != "bounce" || b.Answer.State != "withheld" {
		t.Errorf("the bounce is %+v, answered %+v", b.listed, b.Answer)
	}
	p.stop()
	p.verify()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// startPostfix runs an instance of its own: what is for the desk's domain it
// gives to us, all else to the reporters' mail server.
func startPostfix(t *testing.T, dir, port, us, them string) {
	t.Helper()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) { // for the user postfix
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, ours, _ := net.SplitHostPort(us)
	_, theirs, _ := net.SplitHostPort(them)
	fill := strings.NewReplacer("DIR", dir, "PORT", port, "OURS", ours, "THEIRS", theirs)
	for file, text := range map[string]string{"main.cf": postfixMain, "master.cf": postfixMaster, "transport": "localhost smtp:[127.0.0.1]:OURS\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(fill.Replace(text)), 0o644); err != nil {
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
		// Without a pipe: its children would keep it open for ever.
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
}

const postfixMain = `
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
transport_maps = texthash:DIR/transport
relayhost = [127.0.0.1]:THEIRS
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
smtp_tls_security_level = may
smtp_helo_name = relay.example
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
smtp_destination_concurrency_failed_cohort_limit = 0
`

const postfixMaster = `
127.0.0.1:PORT inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
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
