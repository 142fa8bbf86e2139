package test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html"
)

// maxMemory is what the program may need at most, whatever it is sent.
const maxMemory = 500 << 20

// hostile is one message that was made to break something.
type hostile struct {
	name string
	mail []byte
	want string // "250", "552", or "" for any clear answer
}

// marker stands in every payload, so that it can be told where it ended up.
const marker = "xsspwn"

const script = `"'><` + marker + ` onmouseover="` + marker + `()"><script>` + marker + `()</script><img src=x onerror=` + marker + `()>{{.}}`

// hostileMails makes them once: packing bombs takes time.
var hostileMails = sync.OnceValue(makeHostileMails)

func makeHostileMails() []hostile {
	head := "From: an@" + proved + "\r\nTo: " + desk + "\r\nDate: Fri, 20 Nov 2026 09:00:00 +0100\r\n"
	mail := func(subject, rest string) []byte { return []byte(head + "Subject: " + subject + "\r\n" + rest) }
	multi := func(subject, boundary, rest string) []byte {
		return mail(subject, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\""+boundary+"\"\r\n\r\n"+rest)
	}
	attachment := func(subject, name, kind string, content []byte) []byte {
		return multi(subject, "b", "--b\r\n\r\nlook\r\n--b\r\nContent-Type: "+kind+"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\""+
			name+"\"\r\n\r\n"+string(wrapped(base64.StdEncoding.EncodeToString(content)))+"\r\n--b--\r\n")
	}
	var all []hostile
	add := func(name, want string, mail []byte) { all = append(all, hostile{name, mail, want}) }

	// MIME: depth, parts, headers.
	var deep strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&deep, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	add("nested parts", "250", multi("nested parts", "b0", deep.String()+"--b3000\r\n\r\nend\r\n"))
	var inner strings.Builder
	for range 3000 {
		inner.WriteString("Content-Type: message/rfc822\r\n\r\n")
	}
	add("nested messages", "250", mail("nested messages", inner.String()+"Subject: innermost\r\n\r\nx\r\n"))
	add("parts", "250", multi("parts", "b", strings.Repeat("--b\r\n\r\nx\r\n", 200_000)+"--b--\r\n"))
	add("attached messages", "250", multi("attached messages", "b",
		strings.Repeat("--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\nSubject: s\r\n\r\nhttps://a.example/x\r\n", 50_000)+"--b--\r\n"))
	add("headers", "250", mail("headers", strings.Repeat("X-Many: y\r\n", 500_000)+"\r\nx\r\n"))
	add("long header", "250", mail("long header", "X-Long: "+strings.Repeat("y", 8<<20)+"\r\n\r\nx\r\n"))
	add("folded header", "250", mail("folded header", "X-Folded: a\r\n"+strings.Repeat(" b\r\n", 1_000_000)+"\r\nx\r\n"))
	add("encoded words", "250", mail(strings.Repeat("=?utf-8?q?=F0=9F=94=94?= ", 100_000), "\r\nx\r\n"))
	add("recipients", "250", mail("recipients", "Cc: "+strings.Repeat("<a@b.example>,\r\n ", 200_000)+"<z@b.example>\r\n\r\nx\r\n"))
	add("comments", "250", mail("comments", "Cc: "+strings.Repeat("(", 500_000)+"\r\n\r\nx\r\n"))
	add("received", "250", mail("received", strings.Repeat("Received: from a by b; Fri, 20 Nov 2026 09:00:00 +0100\r\n", 100_000)+"\r\nx\r\n"))

	// HTML and URLs.
	add("nested tags", "250", mail("nested tags", "Content-Type: text/html\r\n\r\n"+strings.Repeat("<div><b>", 400_000)))
	add("links", "250", mail("links", "Content-Type: text/html\r\n\r\n"+strings.Repeat("<a href='https://a.example/x?y=z'>click</a>\r\n", 300_000)))
	add("unclosed tag", "250", mail("unclosed tag", "Content-Type: text/html\r\n\r\n<a href=\""+strings.Repeat("https://a.example/", 400_000)))
	add("urls", "250", mail("urls", "\r\n"+distinctURLs(100_000)))
	add("style", "250", mail("style", "Content-Type: text/html\r\n\r\n<style>"+strings.Repeat(".a{color:red;display:none}", 300_000)+"</style>x"))
	add("wrapped url", "250", mail("wrapped url", "\r\nhttps://eur01.safelinks.protection.outlook.com/?url="+strings.Repeat("https%3A%2F%2Feur01.safelinks.protection.outlook.com%2F%3Furl%3D", 20_000)+"\r\n"))

	// Expansion.
	add("zip bomb", "250", attachment("zip bomb", "invoice.zip", "application/zip", zipBomb()))
	add("zip of many", "250", attachment("zip of many", "many.zip", "application/zip", zipOfMany()))
	add("zstd bomb", "250", attachment("zstd bomb", "invoice.zst", "application/zstd", zstdBomb()))
	add("compressible", "250", mail("compressible", "\r\n"+strings.Repeat(strings.Repeat("0", 998)+"\r\n", 20_000)))
	add("quoted-printable", "250", mail("quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\n"+strings.Repeat("=\r\n", 2_000_000)))
	add("uuencode", "250", mail("uuencode", "\r\nbegin 644 x.exe\r\n"+strings.Repeat("M"+strings.Repeat("!", 60)+"\r\n", 100_000)))

	// Charsets and bytes.
	random := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 1<<20)
	for i := range garbage {
		garbage[i] = byte(random.Uint32())
	}
	add("garbage", "", garbage)
	add("garbage body", "250", append(mail("garbage body", "\r\n"), garbage...))
	for _, charset := range []string{"utf-7", "iso-2022-jp", "utf-16", "utf-32", "x-unknown", "../../etc/passwd", "\x00", strings.Repeat("c", 100_000)} {
		body := append(mail("charset", "Content-Type: text/plain; charset=\""+charset+"\"\r\n\r\n"), garbage[:50_000]...)
		add("charset "+charset[:min(len(charset), 20)], "250", append(body, charset[:1]...))
	}
	add("NUL", "250", []byte(strings.ReplaceAll(string(mail("a\x00b\x00", "X-\x00: \x00\r\n\r\n\x00https://a.example/\x00x\x00\r\n")), "an@", "a\x00n@")))
	add("NUL only", "", bytes.Repeat([]byte{0}, 100_000))
	add("no header", "250", []byte("\r\n\r\nx\r\n"))
	add("only a header", "250", []byte("Subject: x"))
	add("cut boundary", "250", multi("cut boundary", "b", "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: cut\r\n"))
	add("boundary of blanks", "250", multi("boundary of blanks", "   ", "--   \r\n\r\nx\r\n--   --\r\n"))

	// Names of files.
	for _, name := range []string{
		"../../../../etc/passwd", `..\..\windows\system32\x.dll`, "/etc/shadow", "C:\\x.exe", "a\x00.pdf",
		"invoice\u202Efdp.exe", strings.Repeat("n", 100_000), "\r\nX-Injected: yes", script, "con", ".", "..",
	} {
		clean := strings.NewReplacer("\r\n", "=?utf-8?q?=0D=0A?=", `"`, `\"`).Replace(name)
		add("name "+name[:min(len(name), 12)], "250", attachment("name", clean, "application/pdf", []byte("MZ"+strings.Repeat("x", 100))))
	}

	// A line of 50 MB: more than any mail may be.
	add("50 MB line", "552", append(mail("50 MB line", "\r\n"), bytes.Repeat([]byte("x"), 50_000_000)...))
	return all
}

func distinctURLs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "https://h%d.example/p%d?q=%d\r\n", i, i, i)
	}
	return b.String()
}

func zipBomb() []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for i := range 3 {
		f, err := w.Create(fmt.Sprintf("invoice%d.pdf", i))
		if err != nil {
			panic(err)
		}
		for range 100 {
			if _, err := f.Write(zeros); err != nil {
				panic(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func zipOfMany() []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 50_000 {
		if _, err := w.Create(fmt.Sprintf("../%d.exe", i)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func zstdBomb() []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		panic(err)
	}
	zeros := make([]byte, 1<<20)
	for range 300 {
		if _, err := w.Write(zeros); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestHostileMails sends each through SMTP. Each is taken and assessed, or
// refused with a clear answer; what was taken is kept byte for byte; the next
// report is as if nothing had been; and the memory stays bounded.
func TestHostileMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// What is measured is what it needs, without the garbage that serve lets
	// lie to save processor time.
	p := start(t, options{world: w, env: []string{"GOGC=100"}})
	c := p.api("analyst")
	taken := 0
	for _, h := range hostileMails() {
		err := p.sendMail("an@"+proved, desk, h.mail)
		switch {
		case err == nil:
			taken++
			if h.want != "250" && h.want != "" {
				t.Errorf("%s: it was taken, want %s", h.name, h.want)
			}
		case h.want == "250", h.want != "" && !strings.Contains(err.Error(), h.want):
			t.Errorf("%s: %v", h.name, err)
		}
	}
	all := c.settled(taken)
	for _, r := range all {
		if r.State == "failed" || r.Verdict == "" {
			t.Errorf("the report %q is %s, its verdict %q", r.Subject, r.State, r.Verdict)
		}
	}
	// The next report is unharmed.
	began := time.Now()
	if err := p.sendMail("tom@"+proved, desk, reportMail("tom@"+proved, "Uw pakket", nil)); err != nil {
		t.Fatal(err)
	}
	next := c.report(c.settled(taken + 1)[0].ID)
	if next.Verdict != "phishing" || next.Reporter != "tom@"+proved || next.Answer == nil || next.Answer.Why == "not-proved" {
		t.Errorf("the next report is %+v", next)
	}
	t.Logf("%d taken; the next report was settled after %v; at most %d MB", taken, time.Since(began).Round(time.Millisecond), highWater(p.cmd.Process.Pid)>>20)
	if n := highWater(p.cmd.Process.Pid); n > maxMemory {
		t.Errorf("the server needed %d MB", n>>20)
	}
	p.stop()
	if found := p.verify(); found.References != int64(taken+1) {
		t.Errorf("%d references, want %d", found.References, taken+1)
	}
	if strings.Contains(p.log.String(), "panic") {
		t.Errorf("the log tells of a panic:\n%s", p.log.String())
	}
}

// TestHostileFiles gives the same to "belfry assess": a line for each, exit
// code 0, and bounded memory.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var names []string
	for i, h := range hostileMails() {
		name := filepath.Join(dir, fmt.Sprintf("%02d.eml", i))
		if err := os.WriteFile(name, h.mail, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(), append([]string{"assess", "--json"}, names...)...)
	cmd.Env = cleanEnviron()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The system counts the memory of the test itself into its children's.
	most, watching := int64(0), make(chan struct{})
	go func() {
		defer close(watching)
		for n := highWater(cmd.Process.Pid); n > 0; n = highWater(cmd.Process.Pid) {
			most = n
			time.Sleep(10 * time.Millisecond)
		}
	}()
	err := cmd.Wait()
	<-watching
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	d := json.NewDecoder(&out)
	for i, name := range names {
		var r struct{ Path, Verdict, Error string }
		if err := d.Decode(&r); err != nil || r.Path != name || r.Verdict == "" {
			t.Fatalf("object %d: %+v %v", i, r, err)
		}
		if tooLong := strings.Contains(r.Error, "MiB"); tooLong != (i == len(names)-1) {
			t.Errorf("%s: %s", name, r.Error)
		}
	}
	t.Logf("at most %d MB", most>>20)
	if most > maxMemory {
		t.Errorf("it needed %d MB", most>>20)
	}
}

// TestHostileText puts script, line breaks and changes of direction into every
// field that anybody can fill, and looks at every page, the API's JSON and the
// answer: all of it stays text.
func TestHostileText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := start(t, options{world: w})
	c := p.api("analyst")
	const bidi = "\u202Eevil\u2066"
	encoded := func(s string) string {
		return "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	injected := "Hello\r\nBcc: victim@elsewhere.example\r\nX-Injected: yes\r\n\r\nbody"
	original := "From: " + encoded(script+bidi) + " <info@pakket-herlevering.example>\r\n" +
		"Reply-To: " + encoded(script) + " <x@gmail.com>\r\nSubject: " + encoded("Uw pakket "+script+bidi+injected) + "\r\n" +
		"Message-ID: <" + script + ">\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
		"<p>bpost: betaal binnen 24 uur</p><a href=\"http://bpost.pakket-herlevering.example/" + marker + "?a=&quot;&gt;&lt;script&gt;" + marker + "()&lt;/script&gt;\">" +
		"https://track.bpost.be/" + html.EscapeString(script) + "</a><a href=\"javascript:" + marker + "()\">x</a>" + script + bidi + "\r\n" +
		"--i\r\nContent-Type: application/pdf; name=\"" + encoded(script) + ".pdf.exe\"\r\nContent-Disposition: attachment; filename=\"" + encoded(script) + ".pdf.exe\"\r\n\r\nMZ" + script + "\r\n--i--\r\n"
	from := "an@" + proved
	mail := "From: " + encoded(script+injected) + " <" + from + ">\r\nTo: <" + desk + ">\r\nSubject: " + encoded("Fwd: "+script+bidi+injected) + "\r\n" +
		"Message-ID: <" + strings.ReplaceAll(script, " ", "") + "@x>\r\nReferences: <a@b>\r\n <\"><" + marker + ">@x>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nIs dit echt? " + script + bidi + "\r\n" +
		"--o\r\nContent-Type: message/rfc822\r\n\r\n" + original + "--o--\r\n"
	if err := p.sendMail(from, desk, []byte(mail)); err != nil {
		t.Fatal(err)
	}
	id := c.settled(1)[0].ID
	eventually(t, func() error {
		if len(w.to(from)) != 1 {
			return fmt.Errorf("there is no answer")
		}
		return nil
	})

	// The answer: one recipient, our headers only, text that is inert.
	answer := w.to(from)[0]
	if addresses, _ := w.addressees(); !slices.Equal(addresses, []string{from}) {
		t.Errorf("the answer went to %q", addresses)
	}
	for _, name := range []string{"Bcc", "X-Injected", "Cc"} {
		if answer.header.Get(name) != "" {
			t.Errorf("the answer has a header %s: %q", name, answer.header.Get(name))
		}
	}
	head, _, _ := bytes.Cut(answer.data, []byte("\r\n\r\n"))
	for line := range bytes.Lines(head) {
		if !regexp.MustCompile(`^([A-Za-z-]+: |[ \t])[\x20-\x7e]*\r?\n?$`).Match(line) {
			t.Errorf("a header line of the answer is %q", line)
		}
	}
	for name, part := range textParts(t, answer) {
		if strings.ContainsAny(part, "\u202E\u2066") {
			t.Errorf("%s of the answer changes the direction of its text", name)
		}
		if name == "text/html" {
			checkInert(t, "the answer's HTML", part)
		}
		for _, live := range []string{"http://bpost.pakket", "https://track.bpost", "javascript:"} {
			if strings.Contains(part, live) {
				t.Errorf("%s of the answer holds %q", name, live)
			}
		}
	}

	// Through the form, with the same in each field.
	browser := newBrowser(t, p)
	var form bytes.Buffer
	f := multipart.NewWriter(&form)
	for _, field := range [][2]string{{"text", script + bidi + injected}, {"url", "https://x.example/" + marker + "?'\"<b>"}, {"email", "ines@" + proved}} {
		if err := f.WriteField(field[0], field[1]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := f.CreateFormFile("files", script+"../../x.eml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(file, original); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	status, page, at := browser.post("/report", f.FormDataContentType(), form.Bytes())
	if status != http.StatusOK || !strings.Contains(at, "/follow/") {
		t.Errorf("the form led to %d %s: %.500s", status, at, page)
	}
	// A form that is refused shows what was typed.
	var bad bytes.Buffer
	f = multipart.NewWriter(&bad)
	for _, field := range []string{"text", "url", "email", "language"} {
		if err := f.WriteField(field, script+bidi); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	status, page, _ = browser.post("/report", f.FormDataContentType(), bad.Bytes())
	if status != http.StatusUnprocessableEntity {
		t.Errorf("the bad form was answered with %d", status)
	}
	checkInert(t, "the refused form", page)
	c.settled(2)

	// Every page that the two lead to, as a visitor and as an analyst.
	browser.signIn(c.token)
	follow := regexp.MustCompile(`https?://[^/]+(/follow/[A-Za-z0-9_-]+)`).FindStringSubmatch(textParts(t, answer)["text/plain"])
	if follow == nil {
		t.Fatal("the answer holds no follow link")
	}
	seen := browser.crawl([]string{
		"/", follow[1], "/staff/reports", "/staff/reports/" + id,
		"/staff/reports?q=" + url.QueryEscape(script), "/staff/reports?verdict=" + url.QueryEscape(script), "/staff/reports?after=" + url.QueryEscape(script),
		"/follow/" + url.PathEscape(script), "/" + url.PathEscape(script), "/?lang=" + url.QueryEscape(script), "/sign-in?next=" + url.QueryEscape("javascript:"+marker+"()"),
	})
	if !slices.Contains(seen, "/staff/reports/"+id) {
		t.Errorf("the report's page was not seen; seen were %q", seen)
	}
	t.Logf("%d pages: %q", len(seen), seen)

	// The API tells it all, as JSON and nothing else.
	a := c.do(http.MethodGet, "/api/v1/reports/"+id, nil)
	if !json.Valid(a.body) || a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the API answers %s with %.300s", a.header.Get("Content-Type"), a.body)
	}
	p.stop()
	p.verify()
}
