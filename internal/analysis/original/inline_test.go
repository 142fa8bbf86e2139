package original

import (
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

func TestFindInline(t *testing.T) {
	const text = "Beste klant,\n\nKlik op https://evil.example/login voor zondag.\n"
	plain := "Subject: FW: Uw rekening\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
	for name, tt := range map[string]struct {
		raw, words, address, from, subject, text string
	}{
		"outlook nl": {
			plain + "Klopt dit?\n\nVan: Bank <alert@evil.example>\nVerzonden: maandag 2 maart 2026 10:00\nAan: An <an@home.example>; Bo <bo@home.example>\nOnderwerp: Uw rekening\n\n" + text,
			"Klopt dit?", "alert@evil.example", "Bank", "Uw rekening", text,
		},
		"outlook fr": {
			plain + "De : Banque [mailto:alert@evil.example]\nEnvoyé : lundi\nÀ : An\nObjet : Votre compte\n\n" + text,
			"", "alert@evil.example", "Banque", "Votre compte", text,
		},
		"gmail nl": {
			plain + "---------- Forwarded message ---------\nVan: Bank <alert@evil.example>\nDate: ma 2 mrt 2026 om 10:00\nSubject: Uw rekening\nTo: <an@home.example>\n\n\n" + text,
			"", "alert@evil.example", "Bank", "Uw rekening", text,
		},
		"apple de": {
			plain + "Ist das echt?\n\nAnfang der weitergeleiteten Nachricht:\n\n> Von: Bank <alert@evil.example>\n> Betreff: Ihr Konto\n> Datum: 2. März 2026\n> An: An\n> \n> " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n> "),
			"Ist das echt?", "alert@evil.example", "Bank", "Ihr Konto", text,
		},
		"yahoo, one line": {
			plain + "Zie hier\n\n   ----- Doorgestuurd bericht ----- Van: Bank <alert@evil.example>Aan: \"an@home.example\" <an@home.example>Verzonden: maandag 2 maart 2026 CETOnderwerp: Uw rekening\n " + text,
			"Zie hier", "alert@evil.example", "Bank", "Uw rekening", text,
		},
		"outlook mobile": {
			plain + "________________________________\nFrom: Bank <alert@evil.example<mailto:alert@evil.example>> on behalf of Shop <shop@other.example<mailto:shop@other.example>>\nSent: Monday\nTo: An\nSubject: Your account\n\n" + text,
			"", "alert@evil.example", "Bank", "Your account", text,
		},
		"one sentence": {
			plain + "Klopt dit?\n\nOp 2 mrt. 2026 om 10:00 schreef \"Bank\" <alert@evil.example>:\n\n    " + text,
			"Klopt dit?", "alert@evil.example", "Bank", "Uw rekening", text,
		},
		"japanese": {
			plain + "差出人：銀行 <alert@evil.example>\n日付：2026年3月2日\n件名：口座\n宛先：花子\n\n" + text,
			"", "alert@evil.example", "銀行", "口座", text,
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := Find(message.Parse([]byte(tt.raw), message.Limits{}))
			if len(found) != 1 || found[0].How != Inline || len(found[0].Chain) != 1 {
				t.Fatalf("got %+v", found[0])
			}
			o := found[0]
			if len(o.Message.From) != 1 {
				t.Fatalf("From %v", o.Message.From)
			}
			if from := o.Message.From[0]; from.Address != tt.address || from.Name != tt.from || o.Message.Subject != tt.subject || o.Words != tt.words {
				t.Errorf("from %+v, subject %q, words %q", from, o.Message.Subject, o.Words)
			}
			if strings.TrimSpace(o.Message.Text) != strings.TrimSpace(tt.text) {
				t.Errorf("text %q, want %q", o.Message.Text, tt.text)
			}
			if o.ForwardHeader == "" {
				t.Error("no forward header")
			}
		})
	}
}

// Above the header stands the reporter's; below it, links keep their targets
// and their places.
func TestFindInlineHTML(t *testing.T) {
	raw := "Subject: Fwd: x\nContent-Type: text/html; charset=utf-8\n\n<p>Klopt dit? <a href=\"https://home.example/me\">mijn site</a></p>" +
		"<div><b>Van:</b> Bank &lt;alert@evil.example&gt;<br><b>Verzonden:</b> maandag<br><b>Aan:</b> An<br><b>Onderwerp:</b> Uw rekening<br></div>" +
		"<p>Beste klant, <a href=\"https://evil.example/login\">log hier in</a>.</p>"
	o := Find(message.Parse([]byte(raw), message.Limits{}))[0]
	if o.How != Inline || o.Message.Subject != "Uw rekening" || o.Message.Markup == nil {
		t.Fatalf("got %+v", o)
	}
	links := o.Message.Markup.Links
	if len(links) != 1 || links[0].URL != "https://evil.example/login" {
		t.Fatalf("links %+v", links)
	}
	if got := o.Message.Markup.Text[links[0].Start:links[0].End]; got != "log hier in" {
		t.Errorf("the link stands at %q", got)
	}
}

func TestNotInline(t *testing.T) {
	const block = "Van: Bank <alert@evil.example>\nVerzonden: maandag\nAan: An\nOnderwerp: Uw rekening\n\nKlik hier\n"
	for name, raw := range map[string]string{
		"a reply":          "Subject: Re: Uw rekening\n\nDank u\n\n" + block,
		"another subject":  "Subject: You have won a kitchen\n\nPlease verify\n\n" + block,
		"a long letter":    "Subject: Verslag\n\n" + strings.Repeat("Een lange regel met veel woorden.\n", 100) + block,
		"nothing below":    "Subject: x\n\nVan: Bank <alert@evil.example>\nOnderwerp: Uw rekening\n",
		"bait above":       "Subject: Uw rekening\n\nBetaal op https://evil.example/\n\n" + block,
		"bait above, HTML": "Subject: Uw rekening\nContent-Type: text/html\n\n<a href=\"https://evil.example/\">Betaal</a><br>" + strings.ReplaceAll(block, "\n", "<br>"),
		"only a label":     "Subject: x\n\nVan: harte gefeliciteerd\n\nGroeten\n",
		"subject, no from": "Subject: x\n\nOnderwerp: a\nDatum: b\n\nc\n",
	} {
		if o := Find(message.Parse([]byte(raw), message.Limits{}))[0]; o.How != Itself {
			t.Errorf("%s: %s", name, o.How)
		}
	}
}

func TestInlineIsBounded(t *testing.T) {
	start := time.Now()
	for _, unit := range []string{"Van: a\n", "From:\n", "----- x ----- Van: ", "> ", "Van: Aan: ", "Op 1 schreef a@b.example:\n", "<mailto:", "-----Van:Aan:Onderwerp:"} {
		Find(&message.Message{Text: strings.Repeat(unit, 2<<20/len(unit))})
		mailbox(strings.Repeat(unit, 500))
	}
	if spent := time.Since(start); spent > 3*time.Second {
		t.Errorf("took %v", spent)
	}
}

// TestInlineUnderOwnSubject reads forwards whose subject the reporter wrote.
func TestInlineUnderOwnSubject(t *testing.T) {
	const block = "Van: Bank <alert@evil.example>\nVerzonden: maandag\nAan: An\nOnderwerp: Uw rekening\n\nKlik hier\n"
	for _, subject := range []string{"", "Uw rekening", "verdachte mail", "Vraag", "Is dit echt?", "phishing: Uw rekening", "FW: iets anders"} {
		if o := Find(message.Parse([]byte("Subject: "+subject+"\n\n"+block), message.Limits{}))[0]; o.How != Inline || o.Message.Subject != "Uw rekening" {
			t.Errorf("%q: %s", subject, o.How)
		}
	}
}
