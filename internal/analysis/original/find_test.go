package original

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// mail makes a message: header fields, a plain body, and messages attached.
func mail(header, body string, attached ...string) string {
	if len(attached) == 0 {
		return header + "\r\n" + strings.ReplaceAll(body, "\n", "\r\n")
	}
	boundary := fmt.Sprintf("b%d", len(body)+len(strings.Join(attached, "")))
	var b strings.Builder
	fmt.Fprintf(&b, "%sMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		header, boundary, boundary, strings.ReplaceAll(body, "\n", "\r\n"))
	for _, a := range attached {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n%s\r\n", boundary, a)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.String()
}

const (
	reporter  = "From: An <an@home.example>\r\nTo: suspicious@desk.example\r\nSubject: FW: verdacht\r\n"
	colleague = "From: Bo <bo@home.example>\r\nTo: an@home.example\r\nSubject: is this real\r\n"
	bait      = "From: Bank <alert@evil.example>\r\nTo: an@home.example\r\nSubject: Your account\r\n"
)

func TestFind(t *testing.T) {
	phish := mail(bait, "Log in at https://evil.example/login\n")
	second := mail("From: post@evil2.example\r\nSubject: Your parcel\r\n", "Pay at https://evil2.example/\n")
	phishWithMail := mail(bait, "Log in at https://evil.example/login\n", second)
	deep := phish
	for range 20 {
		deep = mail(colleague, "fyi\n", deep)
	}
	for name, tt := range map[string]struct {
		raw   string
		how   How
		from  []string // of each original
		chain int      // of the first
		words string
	}{
		"itself":                     {phish, Itself, []string{"alert@evil.example"}, 0, ""},
		"attached":                   {mail(reporter, "Is dit echt?\n\n-- \nAn\nTel. 1234\n", phish), Attached, []string{"alert@evil.example"}, 1, "Is dit echt?"},
		"two attached":               {mail(reporter, "Twee stuks\n", phish, second), Attached, []string{"alert@evil.example", "post@evil2.example"}, 1, "Twee stuks"},
		"forwarded, then attached":   {mail(reporter, "Kreeg ik van Bo\n", mail(colleague, "Strange mail\n", phish)), Attached, []string{"alert@evil.example"}, 2, "Kreeg ik van Bo"},
		"two in a forward":           {mail(reporter, "x\n", mail(colleague, "", phish, second)), Attached, []string{"alert@evil.example", "post@evil2.example"}, 2, "x"},
		"attached, with mail inside": {mail(reporter, "Kijk\n", phishWithMail), Attached, []string{"alert@evil.example"}, 1, "Kijk"},
		"too deep":                   {mail(reporter, "x\n", deep), Attached, []string{"bo@home.example"}, 8, "x"},
		"redirected":                 {"Resent-From: an@home.example\r\nResent-To: suspicious@desk.example\r\nResent-Date: Mon, 2 Mar 2026 10:00:00 +0100\r\n" + phish, Redirected, []string{"alert@evil.example"}, 0, ""},
		"redirected, with mail":      {"Resent-From: an@home.example\r\nResent-To: suspicious@desk.example\r\n" + phishWithMail, Redirected, []string{"alert@evil.example"}, 0, ""},
		"desk's own redirect":        {"Resent-From: suspicious@desk.example\r\nResent-To: belfry@desk.example\r\n" + mail(reporter, "Zie bijlage\n", phish), Attached, []string{"alert@evil.example"}, 1, "Zie bijlage"},
		"one stray field":            {"Resent-From: gateway@home.example\r\n" + phish, Itself, []string{"alert@evil.example"}, 0, ""},
		"empty":                      {"", Itself, []string{""}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := Find(message.Parse([]byte(tt.raw), message.Limits{}))
			if len(found) != len(tt.from) {
				t.Fatalf("%d originals, want %d", len(found), len(tt.from))
			}
			for i, o := range found {
				from := ""
				if len(o.Message.From) > 0 {
					from = o.Message.From[0].Address
				}
				if o.How != tt.how || from != tt.from[i] || o.Index != i || o.Words != tt.words {
					t.Errorf("%d: %s from %q, index %d, words %q", i, o.How, from, o.Index, o.Words)
				}
			}
			if len(found[0].Chain) != tt.chain && name != "too deep" {
				t.Errorf("chain of %d, want %d", len(found[0].Chain), tt.chain)
			}
		})
	}
	if found := Find(nil); len(found) != 1 || found[0].Message == nil {
		t.Error("nil message")
	}
}

func TestFindAttachedEML(t *testing.T) {
	raw := reporter + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n" +
		"--b\r\nContent-Type: application/octet-stream; name=\"suspect.eml\"\r\nContent-Disposition: attachment; filename=\"suspect.eml\"\r\n\r\n" +
		mail(bait, "Log in at https://evil.example/\n") + "\r\n--b--\r\n"
	found := Find(message.Parse([]byte(raw), message.Limits{}))
	if len(found) != 1 || found[0].How != Attached || found[0].Message.Subject != "Your account" {
		t.Errorf("got %+v", found)
	}
}

func TestFindIsBounded(t *testing.T) {
	var many []string
	for range 400 {
		many = append(many, mail(bait, "x\n"))
	}
	if found := Find(message.Parse([]byte(mail(reporter, "all of it\n", many...)), message.Limits{})); len(found) > maxOriginals || len(found) < 100 {
		t.Errorf("%d originals", len(found))
	}
}

func TestOwnWords(t *testing.T) {
	const block = "Van: Bank <alert@evil.example>\nVerzonden: maandag 2 maart 2026\nAan: An\nOnderwerp: Uw rekening\n\nKlik hier\n"
	for name, tt := range map[string]struct {
		body, words string
		forward     bool
	}{
		"plain":            {"Is dit echt?\n", "Is dit echt?", false},
		"signature":        {"Is dit echt?\n-- \nAn\n", "Is dit echt?", false},
		"outlook":          {"Is dit echt?\n\n________________________________\n" + block, "Is dit echt?", true},
		"signature, then":  {"Is dit echt?\n-- \nAn\nStraat 1\n\n" + block, "Is dit echt?", true},
		"phone":            {"Is dit echt?\n\nVerstuurd vanaf mijn iPhone\n\n" + block, "Is dit echt?", true},
		"apple":            {"Is dit echt?\n\nBegin doorgestuurd bericht:\n\n> " + block, "Is dit echt?", true},
		"gmail":            {"C'est vrai ?\n\n---------- Forwarded message ---------\nDe : x <x@evil.example>\n", "C'est vrai ?", true},
		"reply":            {"Klopt dit?\n\nOp ma 2 mrt. 2026 om 10:00 schreef Bank:\n> Klik hier\n> snel\n", "Klopt dit?", false},
		"nothing":          {"", "", false},
		"only a forward":   {block, "", true},
		"colon in a line":  {"Van: mij\nIk weet het niet\n", "Van: mij\nIk weet het niet", false},
		"number and colon": {"Let op:\n", "Let op:", false},
	} {
		t.Run(name, func(t *testing.T) {
			words, forward := ownWords(tt.body)
			if words != tt.words || (forward != "") != tt.forward {
				t.Errorf("got %q, forward %q", words, forward)
			}
		})
	}
}

func TestForwardSubject(t *testing.T) {
	for subject, want := range map[string]bool{
		"FW: a": true, "Fwd: a": true, "[Fwd: a]": true, "TR : a": true, "WG: a": true, "RE: FW: a": true, "转发：a": true,
		"Re: a": false, "Your account": false, "Important: a": false, ":": false, "": false, "Re: Re: Re: Re: Re: Fw: a": false,
	} {
		if got := forwardSubject(subject); got != want {
			t.Errorf("%q: %v", subject, got)
		}
	}
}

func FuzzFind(f *testing.F) {
	phish := mail(bait, "Log in at https://evil.example/login\n")
	f.Add([]byte(mail(reporter, "Is dit echt?\n-- \nAn\n", phish, mail(colleague, "fyi\n", phish))))
	f.Add([]byte("Resent-From: a@b.example\r\nResent-To: c@d.example\r\n" + phish))
	f.Add([]byte(reporter + "\r\nHallo\r\n\r\n-----Oorspronkelijk bericht-----\r\nVan: a\r\nOnderwerp: b\r\n\r\nc\r\n"))
	f.Add([]byte("Subject: FW: x\r\n\r\n----- Doorgestuurd bericht ----- Van: a <a@b.example>Aan: cOnderwerp: d\r\n e\r\n"))
	f.Add([]byte("Subject: FW: x\r\n\r\nOn 2 March \"A\" <a@b.example> wrote:\r\n> e\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		found := Find(message.Parse(raw, message.Limits{}))
		if len(found) == 0 || len(found) > maxOriginals {
			t.Fatalf("%d originals", len(found))
		}
		for i, o := range found {
			if o.Message == nil || o.Index != i || o.How == "" {
				t.Fatalf("bad original %+v", o)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	m := message.Parse([]byte(mail(reporter, strings.Repeat("Een regel met woorden erin.\n", 40), mail(bait, strings.Repeat("Log in at https://evil.example/login\n", 100)))), message.Limits{})
	b.ReportAllocs()
	for b.Loop() {
		Find(m)
	}
}
