package mailin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConversations(t *testing.T) {
	for _, c := range []struct {
		name, script string
		accepted     int
	}{
		{"one message", `
			< 220 mx.belfry.example ESMTP
			> EHLO client.example
			< 250-mx.belfry.example
			> MAIL FROM:<ann@sender.example> SIZE=100 BODY=8BITMIME
			< 250 2.1.0
			> RCPT TO:<desk@belfry.example>
			< 250 2.1.5
			> DATA
			< 354
			> Subject: x
			>  
			> .
			< 250 2.0.0
			> QUIT
			< 221 2.0.0
			!`, 1},
		{"HELO, null sender, postmaster, loose spelling", `
			< 220
			> helo client.example
			< 250 mx
			> mail from: <>
			< 250 2.1.0
			> rcpt to: <Postmaster>
			< 250 2.1.5
			> RCPT TO:desk@belfry.example
			< 250 2.1.5
			> data
			< 354
			> .
			< 250 2.0.0`, 1},
		{"order of commands", `
			< 220
			> MAIL FROM:<ann@sender.example>
			< 503 5.5.1
			> EHLO
			< 501 5.5.4
			> EHLO x
			< 250
			> RCPT TO:<desk@belfry.example>
			< 503 5.5.1
			> DATA
			< 503 5.5.1
			> MAIL FROM:<ann@sender.example>
			< 250
			> MAIL FROM:<ann@sender.example>
			< 503 5.5.1
			> DATA
			< 554 5.5.1
			> RSET
			< 250 2.0.0
			> RCPT TO:<desk@belfry.example>
			< 503
			> NOOP whatever
			< 250 2.0.0`, 0},
		{"a greeting forgets the message", `
			< 220
			> EHLO x
			< 250
			> MAIL FROM:<ann@sender.example>
			< 250
			> EHLO y
			< 250
			> RCPT TO:<desk@belfry.example>
			< 503`, 0},
		{"no relay", `
			< 220
			> EHLO x
			< 250
			> MAIL FROM:<desk@belfry.example>
			< 250
			> RCPT TO:<victim@elsewhere.example>
			< 550 5.1.1
			> RCPT TO:<desk%belfry.example@elsewhere.example>
			< 550 5.1.1
			> RCPT TO:<victim@elsewhere.example@belfry.example>
			< 550 5.1.1
			> RCPT TO:<"desk@belfry.example"@elsewhere.example>
			< 550 5.1.1
			> RCPT TO:<@elsewhere.example:desk@belfry.example>
			< 250 2.1.5
			> RCPT TO:<>
			< 501 5.1.3`, 0},
		{"what is not there", `
			< 220
			> EHLO x
			< 250
			> VRFY desk
			< 502 5.5.1
			> EXPN staff
			< 502 5.5.1
			> AUTH PLAIN AAAA
			< 500 5.5.1
			> STARTTLS
			< 502 5.5.1
			> BDAT 3 LAST
			< 500 5.5.1
			> MAIL FROM:<ann@sender.example> RET=FULL
			< 555 5.5.4
			> MAIL FROM:<ann@sender.example> BODY=BINARYMIME
			< 501 5.5.4
			> MAIL FROM:<ann@sender.example>
			< 250
			> RCPT TO:<desk@belfry.example> NOTIFY=NEVER
			< 555 5.5.4`, 0},
		{"paths that are none", `
			< 220
			> EHLO x
			< 250
			> MAIL ann@sender.example
			< 501 5.1.7
			> MAIL FROM:
			< 501
			> MAIL FROM:<ann@sender.example
			< 501
			> MAIL FROM:<ann>
			< 501
			> MAIL FROM:<"ann@sender.example>
			< 501
			> MAIL FROM:<ann@sender.example>SIZE=3
			< 501
			> MAIL FROM:<{{400}}@sender.example>
			< 501
			> MAIL FROM:<"ann smith\" <x>"@sender.example> SIZE=3
			< 250`, 0},
		{"size declared", `
			< 220
			> EHLO x
			< 250
			> MAIL FROM:<> SIZE=2000000
			< 552 5.3.4
			> MAIL FROM:<> SIZE=99999999999999999999999
			< 552 5.3.4
			> MAIL FROM:<> SIZE=-1
			< 501 5.5.4
			> MAIL FROM:<> SIZE=1000000
			< 250`, 0},
		{"SMTPUTF8", `
			< 220
			> EHLO x
			< 250
			> MAIL FROM:<änn@sender.example>
			< 553 5.6.7
			> MAIL FROM:<änn@sender.example> SMTPUTF8
			< 250
			> RCPT TO:<börse@belfry.example>
			< 250
			> RSET
			< 250
			> MAIL FROM:<ann@sender.example>
			< 250
			> RCPT TO:<börse@belfry.example>
			< 553 5.6.7`, 0},
		{"a browser", `
			< 220
			> POST / HTTP/1.1
			< 421 4.7.0
			!`, 0},
		{"too many errors", `
			< 220
			> A
			< 500
			> B
			< 500
			> C
			< 500
			> D
			< 500
			> E
			< 500
			> F
			< 500
			> G
			< 500
			> H
			< 500
			> I
			< 500
			> J
			< 500
			< 421 4.7.0
			!`, 0},
		{"a long command line", `
			< 220
			> NOOP {{2041}}
			< 250
			> NOOP {{2042}}
			< 500 5.5.2
			> NOOP {{20000}}
			< 500 5.5.2
			> NOOP
			< 250`, 0},
		{"the same recipient twice, and too many", `
			< 220
			> EHLO x
			< 250
			> MAIL FROM:<>
			< 250
			> RCPT TO:<desk@belfry.example>
			< 250
			> RCPT TO:<desk@belfry.example>
			< 250
			> RCPT TO:<Desk@belfry.example>
			< 250
			> RCPT TO:<DESK@belfry.example>
			< 452 4.5.3
			> DATA
			< 354
			> .
			< 250`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, box := start(t, Options{Limits: Limits{MessageBytes: 1_000_000, Recipients: 2}})
			dial(t, s).talk(c.script)
			if box.count() != c.accepted {
				t.Errorf("%d messages were accepted, want %d", box.count(), c.accepted)
			}
		})
	}
}

func TestExtensions(t *testing.T) {
	s, _ := start(t, Options{})
	p := dial(t, s)
	p.expect("220")
	p.send("EHLO x\r\n")
	want := "250-mx.belfry.example\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
	if diff := cmp.Diff(want, p.expect("250")); diff != "" {
		t.Error(diff)
	}
}

func TestEnvelope(t *testing.T) {
	s, box := start(t, Options{})
	p := dial(t, s)
	p.talk(`
		< 220
		> EHLO client.example
		< 250
		> MAIL FROM:<"a b"@sender.example> SMTPUTF8
		< 250
		> RCPT TO:<desk@belfry.example>
		< 250
		> RCPT TO:<börse@belfry.example>
		< 250
		> DATA
		< 354
		> x
		> .
		< 250`)
	env, _ := box.only(t)
	if len(env.Session) != 16 {
		t.Errorf("session %q", env.Session)
	}
	env.Session = ""
	want := Envelope{
		From: `"a b"@sender.example`, To: []string{"desk@belfry.example", "börse@belfry.example"},
		RemoteIP: env.RemoteIP, Helo: "client.example", UTF8: true,
	}
	if env.RemoteIP.String() != "127.0.0.1" {
		t.Errorf("client %v", env.RemoteIP)
	}
	if diff := cmp.Diff(want, env, cmp.Comparer(func(a, b interface{ IsLoopback() bool }) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// Everything up to the last message in one packet; and again, with the
// message after it, as a client in a hurry sends it.
func TestPipelining(t *testing.T) {
	s, box := start(t, Options{})
	p := dial(t, s)
	message := "MAIL FROM:<>\r\nRCPT TO:<nobody@belfry.example>\r\nRCPT TO:<desk@belfry.example>\r\nDATA\r\n"
	p.send("EHLO x\r\n" + message)
	p.talk(`
		< 220
		< 250
		< 250 2.1.0
		< 550 5.1.1
		< 250 2.1.5
		< 354
		> one
		> .
		< 250 2.0.0`)
	p.send(strings.Repeat(message+"two\r\n.\r\n", 3) + "QUIT\r\n")
	for range 3 {
		p.talk(`
			< 250 2.1.0
			< 550 5.1.1
			< 250 2.1.5
			< 354
			< 250 2.0.0`)
	}
	p.talk(`
		< 221
		!`)
	if box.count() != 4 {
		t.Errorf("%d messages, want 4", box.count())
	}
}

// RFC 5321, section 2.3.8: only CR LF ends a line, and so a command.
func TestCommandsEndInCRLF(t *testing.T) {
	for _, line := range []string{"NOOP\n", "NOOP\r", "NO\x00OP\r\n", "NOOP \x1b[2J\r\n", "NOOP \xff\r\n"} {
		s, _ := start(t, Options{})
		p := dial(t, s)
		p.expect("220")
		p.send(line + "RSET\r\n")
		p.expect("500 5.5.2")
	}
}

func TestReplyTextIsOneShortLine(t *testing.T) {
	got := replyText("Hé\r\n250 ok\x00" + strings.Repeat("x", 1000))
	if !strings.HasPrefix(got, "H?  250 ok?xxx") || len(got) != 400 {
		t.Errorf("%q", got)
	}
}

// BenchmarkSession is the cost of SMTP alone: 20 clients, mails of 30 kB,
// an Accept that does nothing.
func BenchmarkSession(b *testing.B) {
	s, _ := start(b, Options{Accept: func(context.Context, Envelope, []byte) error { return nil }})
	mail := strings.Repeat(strings.Repeat("lorem ipsum. ", 6)+"\r\n", 375) + ".\r\n"
	b.SetBytes(int64(len(mail)))
	b.SetParallelism(20)
	b.RunParallel(func(pb *testing.PB) {
		p := dial(b, s)
		p.conn.SetDeadline(time.Time{})
		p.expect("220")
		p.send("EHLO x\r\n")
		p.expect("250")
		for pb.Next() {
			p.send("MAIL FROM:<>\r\nRCPT TO:<desk@belfry.example>\r\nDATA\r\n")
			for range 3 {
				p.reply()
			}
			p.send(mail)
			p.expect("250")
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
