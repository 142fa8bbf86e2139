package corpus

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"mime"
	"strings"
	"time"
)

// Mail is one report as it comes over SMTP.
type Mail struct {
	From    string // the envelope's sender, another one in each mail
	Content []byte // with CR LF
}

// Receiver is the authserv-id in each mail's Authentication-Results: whoever
// trusts it takes the reporter for proved.
const Receiver = "mx.centre.example"

// Desk is where the mails are addressed to.
const Desk = "suspicious@centre.example"

const (
	meanSize = 30 << 10 // bytes
	// spread is the standard deviation of the size's logarithm: half of the
	// mails are under 18 kB, one in a hundred is over 180 kB.
	spread  = 1.0
	minSize = 2 << 10
	maxSize = 400 << 10
)

// Writer writes mails. It is not safe for concurrent use.
type Writer struct {
	rand      *rand.Rand
	seed      uint64
	n         int
	now       time.Time
	languages []language
}

// New returns the writer of a seed's mails. Two seeds share neither reporters
// nor Message-IDs.
func New(seed uint64) (*Writer, error) {
	all, err := languages()
	if err != nil {
		return nil, err
	}
	return &Writer{
		rand: rand.New(rand.NewPCG(seed, 0xbe1f)), seed: seed, languages: all,
		now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC),
	}, nil
}

// Next writes the next mail.
func (w *Writer) Next() Mail {
	w.n++
	l := w.languages[w.rand.IntN(len(w.languages))]
	from := fmt.Sprintf("p%d.%d@%s", w.seed, w.n, w.pick(domains))
	_, domain, _ := strings.Cut(from, "@")
	size := w.size()
	var b strings.Builder
	b.Grow(size + 4<<10)
	fmt.Fprintf(&b, "Authentication-Results: %s; dkim=pass header.d=%s; spf=pass smtp.mailfrom=%s\r\n", Receiver, domain, from)
	fmt.Fprintf(&b, "Received: from out.%s (out.%s [192.0.2.%d]) by %s; %s\r\n", domain, domain, 1+w.rand.IntN(254), Receiver, w.date(0))
	if w.rand.IntN(4) == 0 {
		w.message(&b, l, from, size)
	} else {
		w.forward(&b, l, from, size)
	}
	return Mail{From: from, Content: []byte(b.String())}
}

var domains = []string{"citizens.example", "people.example", "town.example", "post.example.org", "school.example.net"}

// forward writes a report with the message attached.
func (w *Writer) forward(b *strings.Builder, l language, from string, size int) {
	boundary := fmt.Sprintf("=_f%016x", w.rand.Uint64())
	subject := w.pick(l.subjects)
	w.header(b, l, from, "Fw: "+subject)
	fmt.Fprintf(b, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary)
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	fmt.Fprintf(b, "%s\r\n\r\n%s %d\r\n\r\n--%s\r\n", w.pick(l.remarks), w.pick(l.words), w.rand.IntN(10000), boundary)
	fmt.Fprintf(b, "Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"%s.eml\"\r\n\r\n", w.token(8))
	w.message(b, l, "", size)
	fmt.Fprintf(b, "\r\n--%s--\r\n", boundary)
}

// message writes the suspicious message itself; from is the reporter's address
// when the reporter sends it on as it is.
func (w *Writer) message(b *strings.Builder, l language, from string, size int) {
	sender := from
	if sender == "" {
		sender = fmt.Sprintf("%s@%s", w.pick([]string{"service", "info", "noreply", "billing", w.token(5)}), w.host())
	}
	w.header(b, l, sender, w.pick(l.subjects)+" "+w.token(4))
	start := b.Len()
	mixed := ""
	if w.rand.IntN(8) == 0 && size > 8<<10 {
		mixed = fmt.Sprintf("=_m%016x", w.rand.Uint64())
		fmt.Fprintf(b, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", mixed, mixed)
	}
	room := size
	if mixed != "" {
		room = size / 3
	}
	alternative := fmt.Sprintf("=_a%016x", w.rand.Uint64())
	fmt.Fprintf(b, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n--%s\r\n", alternative, alternative)
	links := w.links(min(2+room/(5<<10), 20))
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	w.text(b, l, links, room/5)
	fmt.Fprintf(b, "\r\n--%s\r\n", alternative)
	b.WriteString("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	w.html(b, l, links, room-room/5)
	fmt.Fprintf(b, "\r\n--%s--\r\n", alternative)
	if mixed == "" {
		return
	}
	kind := w.rand.IntN(len(attachments))
	fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: %s; name=\"%s.%s\"\r\n", mixed, attachments[kind].media, w.token(6), attachments[kind].suffix)
	b.WriteString("Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	w.file(b, attachments[kind].magic, max(size-(b.Len()-start), 1<<10)*3/4)
	fmt.Fprintf(b, "\r\n--%s--\r\n", mixed)
}

var attachments = []struct{ media, suffix, magic string }{
	{"application/pdf", "pdf", "%PDF-1.4\n"},
	{"image/png", "png", "\x89PNG\r\n\x1a\n"},
	{"image/jpeg", "jpg", "\xff\xd8\xff\xe0"},
	{"application/zip", "zip", "PK\x03\x04"},
}

func (w *Writer) header(b *strings.Builder, l language, from, subject string) {
	fmt.Fprintf(b, "From: %s <%s>\r\n", mime.QEncoding.Encode("utf-8", w.pick(l.words)+" "+w.pick(l.words)), from)
	fmt.Fprintf(b, "To: %s\r\nSubject: %s\r\nDate: %s\r\n", Desk, mime.QEncoding.Encode("utf-8", subject), w.date(w.rand.IntN(72)))
	fmt.Fprintf(b, "Message-ID: <%d.%d.%s@%s>\r\nMIME-Version: 1.0\r\n", w.seed, w.n, w.token(12), w.host())
}

// text writes about n bytes of running text, with the links strewn in.
func (w *Writer) text(b *strings.Builder, l language, links []string, n int) {
	for end := b.Len() + n; ; {
		w.sentence(b, l, 8+w.rand.IntN(12))
		b.WriteString("\r\n")
		if len(links) > 0 {
			b.WriteString("\r\n" + links[0] + "\r\n\r\n")
			links = links[1:]
		}
		if b.Len() >= end {
			return
		}
	}
}

// html writes about n bytes of the tables that mails consist of.
func (w *Writer) html(b *strings.Builder, l language, links []string, n int) {
	end := b.Len() + n
	fmt.Fprintf(b, "<html><head><style>.c%s{color:#%06x;font-size:%dpx}</style></head>\r\n<body bgcolor=\"#%06x\"><table width=\"%d\">\r\n",
		w.token(4), w.rand.IntN(1<<24), 10+w.rand.IntN(9), w.rand.IntN(1<<24), 500+w.rand.IntN(200))
	for i := 0; i == 0 || b.Len() < end; i++ {
		fmt.Fprintf(b, "<tr><td style=\"padding:%dpx;font-family:Arial,sans-serif;color:#%06x\" class=\"%s\">\r\n<p>", w.rand.IntN(20), w.rand.IntN(1<<24), w.token(5))
		w.sentence(b, l, 20+w.rand.IntN(40))
		b.WriteString("</p>\r\n")
		if i < len(links) {
			fmt.Fprintf(b, "<a href=\"%s\" style=\"background:#%06x\">%s</a>\r\n", links[i], w.rand.IntN(1<<24), w.pick(l.calls))
		}
		b.WriteString("</td></tr>\r\n")
	}
	b.WriteString("</table></body></html>\r\n")
}

// links returns n addresses on a handful of hosts.
func (w *Writer) links(n int) []string {
	hosts := []string{w.host(), w.host(), w.host()}
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("https://%s/%s/%s?id=%s", hosts[w.rand.IntN(len(hosts))], w.token(4), w.token(6), w.token(10))
	}
	return all
}

// host returns one that all see, one that some see, or one of its own.
func (w *Writer) host() string {
	switch n := w.rand.IntN(10); {
	case n < 3:
		return fmt.Sprintf("www.big%d.example.com", w.rand.IntN(20))
	case n < 7:
		return fmt.Sprintf("h%d.campaign.example.net", int(math.Pow(w.rand.Float64(), 3)*20000))
	default:
		return w.token(9) + ".example.org"
	}
}

// file writes n bytes of an attachment that nothing can compress.
func (w *Writer) file(b *strings.Builder, magic string, n int) {
	content := make([]byte, len(magic)+n)
	copy(content, magic)
	for i := len(magic); i < len(content); i++ {
		content[i] = byte(w.rand.Uint32())
	}
	text := base64.StdEncoding.EncodeToString(content)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
}

func (w *Writer) sentence(b *strings.Builder, l language, words int) {
	width := 0
	for i := range words {
		word := w.pick(l.words)
		if width += len(word) + 1; width > 70 {
			b.WriteString("\r\n")
			width = len(word)
		} else if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		if w.rand.IntN(12) == 0 {
			fmt.Fprintf(b, " %d", w.rand.IntN(100000))
		}
	}
	b.WriteByte('.')
}

// size draws how large the message shall be.
func (w *Writer) size() int {
	n := meanSize * math.Exp(w.rand.NormFloat64()*spread-spread*spread/2)
	return int(min(max(n, minSize), maxSize))
}

func (w *Writer) date(hoursBefore int) string {
	return w.now.Add(time.Duration(w.n)*time.Second - time.Duration(hoursBefore)*time.Hour).Format(time.RFC1123Z)
}

func (w *Writer) pick(list []string) string { return list[w.rand.IntN(len(list))] }

const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

func (w *Writer) token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[w.rand.IntN(26+10*min(i, 1))]
	}
	return string(b)
}
