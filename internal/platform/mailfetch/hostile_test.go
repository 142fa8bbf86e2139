package mailfetch_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch"
)

// script is a server that speaks just enough IMAP, and what a test wants in
// place of an answer. {tag} stands for the command's tag.
type script struct {
	addr    string
	mu      sync.Mutex
	answers map[string]string // by command's first words
	hangUp  map[string]bool   // after that answer
	conns   []net.Conn
	seen    []string
}

const bodyFetch = "UID FETCH 7 (UID BODY.PEEK[]"

const listed = "* 1 FETCH (UID 7 FLAGS () RFC822.SIZE 15 INTERNALDATE \"17-Jul-2026 02:44:25 -0700\")\r\n{tag} OK\r\n"

const fetchOne = "* 1 FETCH (UID 7 BODY[] {%d}\r\n%s)\r\n{tag} OK\r\n"

func newScript(t *testing.T, answers map[string]string, hangUp ...string) *script {
	t.Helper()
	s := &script{answers: map[string]string{
		"":             "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN MOVE UIDPLUS] hello\r\n",
		"CAPABILITY":   "* CAPABILITY IMAP4rev1 SASL-IR MOVE UIDPLUS\r\n{tag} OK\r\n",
		"AUTHENTICATE": "{tag} OK [CAPABILITY IMAP4rev1 SASL-IR MOVE UIDPLUS] in\r\n",
		"LIST":         "* LIST () \"/\" Processed\r\n* LIST () \"/\" Failed\r\n{tag} OK\r\n",
		"SELECT":       "* 1 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n{tag} OK [READ-WRITE] x\r\n",
		"FETCH":        listed,
		"UID FETCH":    listed,
		bodyFetch:      fmt.Sprintf(fetchOne, 15, "Subject: x\r\n\r\nx"),
		"UID MOVE":     "* 1 EXPUNGE\r\n{tag} OK\r\n",
	}, hangUp: map[string]bool{}}
	for k, v := range answers {
		s.answers[k] = v
	}
	for _, k := range hangUp {
		s.hangUp[k] = true
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			all.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		all.Wait()
	})
	return s
}

func (s *script) serve(c net.Conn) {
	defer c.Close()
	if !s.say(c, "", "") {
		return
	}
	in := bufio.NewScanner(c)
	for in.Scan() {
		tag, command, _ := strings.Cut(in.Text(), " ")
		key := ""
		for k := range s.answers {
			if strings.HasPrefix(command, k) && len(k) > len(key) {
				key = k
			}
		}
		s.mu.Lock()
		s.seen = append(s.seen, command)
		s.mu.Unlock()
		if key == "" {
			fmt.Fprintf(c, "%s OK\r\n", tag)
		} else if !s.say(c, key, tag) {
			return
		}
	}
}

func (s *script) say(c net.Conn, key, tag string) bool {
	answer := strings.ReplaceAll(s.answers[key], "{tag}", tag)
	if endless, ok := strings.CutPrefix(answer, "endless:"); ok {
		for {
			if _, err := c.Write([]byte(endless)); err != nil {
				return false
			}
		}
	}
	_, err := c.Write([]byte(answer))
	return err == nil && !s.hangUp[key]
}

func (s *script) commands() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.seen, "\n")
}

func TestHostileServers(t *testing.T) {
	large := strings.Repeat("x", 64<<10)
	for name, c := range map[string]struct {
		answers map[string]string
		hangUp  []string
		accept  bool // the message is taken all the same
		moved   string
	}{
		"a good one":                {accept: true, moved: `UID MOVE 7 "Processed"`},
		"hangs up":                  {answers: map[string]string{"": ""}, hangUp: []string{""}},
		"says nothing":              {answers: map[string]string{"": ""}},
		"endless greeting":          {answers: map[string]string{"": "endless:" + large}},
		"says BYE":                  {answers: map[string]string{"": "* BYE no\r\n"}},
		"knows us already":          {answers: map[string]string{"": "* PREAUTH hello\r\n"}},
		"another protocol":          {answers: map[string]string{"": "SSH-2.0-OpenSSH_9.2\r\n"}},
		"challenges for ever":       {answers: map[string]string{"AUTHENTICATE": "+ AAAA\r\n+ AAAA\r\n{tag} NO\r\n"}},
		"wants an empty challenge":  {answers: map[string]string{"AUTHENTICATE": "+ \r\n{tag} NO\r\n"}},
		"repeats the password":      {answers: map[string]string{"AUTHENTICATE": "{tag} NO [ALERT] " + password + "\r\n"}},
		"password as a code":        {answers: map[string]string{"AUTHENTICATE": password + " NO\r\n"}},
		"no answer to the login":    {answers: map[string]string{"AUTHENTICATE": ""}},
		"endless list":              {answers: map[string]string{"LIST": "endless:* LIST () \"/\" Processed\r\n"}},
		"deep lists":                {answers: map[string]string{"SELECT": "* FLAGS " + strings.Repeat("(", 1<<19)}},
		"endless line":              {answers: map[string]string{"SELECT": "endless:" + large}},
		"billions of messages":      {answers: map[string]string{"SELECT": "* 4294967295 EXISTS\r\n{tag} OK\r\n", "FETCH": "{tag} OK\r\n"}},
		"endless listing":           {answers: map[string]string{"FETCH": "endless:* 1 FETCH (UID 7 FLAGS () RFC822.SIZE 15)\r\n"}},
		"a listing of others":       {answers: map[string]string{"FETCH": "* 99 FETCH (UID 99 RFC822.SIZE 15)\r\n{tag} OK\r\n"}},
		"a panic in the parser":     {answers: map[string]string{"FETCH": "* 1 FETCH (BODYSTRUCTURE ((((\r\n"}},
		"a cut message":             {answers: map[string]string{bodyFetch: "* 1 FETCH (UID 7 BODY[] {15}\r\nSubject: x"}, hangUp: []string{bodyFetch}},
		"a message without an end":  {answers: map[string]string{bodyFetch: "* 1 FETCH (UID 7 BODY[] {15}\r\nSubject: x"}},
		"an understated size":       {answers: map[string]string{bodyFetch: fmt.Sprintf(fetchOne, 100_000, strings.Repeat("x", 100_000))}, moved: `UID MOVE 7 "Failed"`},
		"a huge literal":            {answers: map[string]string{bodyFetch: "* 1 FETCH (UID 7 BODY[] {9223372036854775807}\r\n"}, moved: `UID MOVE 7 "Failed"`},
		"a huge literal in a flag":  {answers: map[string]string{bodyFetch: "* 1 FETCH (UID 7 ENVELOPE ({9223372036854775807}\r\n"}},
		"another message":           {answers: map[string]string{bodyFetch: strings.ReplaceAll(fmt.Sprintf(fetchOne, 15, "Subject: x\r\n\r\nx"), "UID 7", "UID 8")}},
		"no size and no body":       {answers: map[string]string{bodyFetch: "{tag} NO what?\r\n", "UID FETCH": "{tag} NO what?\r\n"}},
		"no body":                   {answers: map[string]string{bodyFetch: "* 1 FETCH (UID 7 BODY[] NIL)\r\n{tag} OK\r\n"}},
		"no answer to the move":     {answers: map[string]string{"UID MOVE": ""}, accept: true, moved: `UID MOVE 7 "Processed"`},
		"refuses the move":          {answers: map[string]string{"UID MOVE": "{tag} NO [OVERQUOTA] full\r\n"}, accept: true, moved: `UID MOVE 7 "Processed"`},
		"moves too many":            {answers: map[string]string{"UID MOVE": strings.Repeat("* 1 EXPUNGE\r\n", 1000) + "{tag} OK\r\n"}, accept: true, moved: `UID MOVE 7 "Processed"`},
		"a set without end":         {answers: map[string]string{"UID MOVE": "* OK [COPYUID 1 1:4294967295 1:4294967295] x\r\n{tag} OK\r\n"}, accept: true, moved: `UID MOVE 7 "Processed"`},
		"words that forge a log":    {answers: map[string]string{"SELECT": "{tag} NO \x1b[31mlevel=ERROR\x07 pwned" + large + "\r\n"}},
		"ends every command by BAD": {answers: map[string]string{"LIST": "{tag} BAD what?\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d, l := newScript(t, c.answers, c.hangUp...), &desk{}, &logged{}
			o := options("imap://"+s.addr, d)
			o.Log = l.logger()
			o.Limits.Patience, o.Limits.Transfer = 300*time.Millisecond, 300*time.Millisecond
			o.Limits.MessageBytes = 50_000
			w := watch(t, o)
			eventually(t, "an outcome", func() bool {
				if c.moved != "" {
					return strings.Contains(s.commands(), c.moved)
				}
				return w.Status().Failures >= 2 || w.Status().Deferred > 0 || !w.Status().LastSuccess.IsZero()
			})
			stop(t, w)
			if got := d.count() == 1; got != c.accept {
				t.Errorf("taken: %v", got)
			}
			if strings.Contains(s.commands(), "MOVE") && c.moved == "" {
				t.Errorf("it moved something: %s", s.commands())
			}
			text := l.String()
			if strings.Contains(text, password) || strings.Contains(text, "\x1b") || strings.Contains(text, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") {
				t.Errorf("the log: %.1000s", text)
			}
		})
	}
}

// TestAcceptedButNotMovedIsNotOfferedAgain: as long as the program runs, it
// knows what it owes.
func TestAcceptedButNotMovedIsNotOfferedAgain(t *testing.T) {
	s, d := newScript(t, map[string]string{
		"UID MOVE":               "{tag} NO [OVERQUOTA] full\r\n",
		"UID FETCH 7 (UID FLAGS": "* 1 FETCH (UID 7 FLAGS () RFC822.SIZE 15 INTERNALDATE \"17-Jul-2026 02:44:25 -0700\")\r\n{tag} OK\r\n",
	}), &desk{}
	watch(t, options("imap://"+s.addr, d))
	eventually(t, "several tries to move", func() bool { return strings.Count(s.commands(), "UID MOVE") >= 6 })
	if d.offered() != 1 {
		t.Errorf("offered %d times", d.offered())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s, d := newServer(t, serverOptions{}), &desk{}
	body := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	for n := range 60 {
		s.put("INBOX", fmt.Sprintf("Subject: %d\r\n\r\n%s", n, body))
	}
	d.refuse = func(f mailfetch.Fetched) error { return nil }
	o := options(s.url(), d)
	o.Limits.BatchBytes = 4 << 20
	var peak uint64
	var mu sync.Mutex
	o.Accept = func(_ context.Context, f mailfetch.Fetched) error {
		mu.Lock()
		defer mu.Unlock()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		return nil
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	watch(t, o)
	eventually(t, "all moved", func() bool { return s.count("INBOX") == 0 })
	// The server in this process copies what is moved, at once or later.
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 90<<20 {
		t.Errorf("%d MiB for 60 messages of 1 MiB", grown>>20)
	}
}

func TestTokenServers(t *testing.T) {
	for name, c := range map[string]struct {
		deny bool
		want string
	}{
		"denied": {true, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.deny = c.deny
			s, d, l := newServer(t, serverOptions{}), &desk{}, &logged{}
			o := options(s.url(), d)
			o.Login = mailfetch.Login{User: user, OAuth: p.oauth("refresh-0")}
			o.Log = l.logger()
			w := watch(t, o)
			eventually(t, "a failure", func() bool { return w.Status().Failures >= 1 })
			stop(t, w)
			if !strings.Contains(l.String(), c.want) || strings.Contains(l.String(), "secret") || strings.Contains(l.String(), "refresh-0") {
				t.Errorf("the log: %s", l.String())
			}
		})
	}
}

func TestXOAUTH2(t *testing.T) {
	p := newProvider(t)
	s, d := newServer(t, serverOptions{implicit: true}), &desk{}
	o := options(s.url(), d)
	o.Roots = s.roots
	o.Login = mailfetch.Login{User: user, OAuth: p.oauth("refresh-0"), Password: config.Secret{}}
	s.put("INBOX", message(1))
	s.token = "token-2" // the first one is refused, in a challenge
	watch(t, o)
	eventually(t, "moved", func() bool { return s.count("Processed") == 1 })
	if got, want := p.asked(), "refresh_token refresh-0, refresh_token refresh-1"; got != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
}
