package original

import (
	"archive/zip"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
)

func zipOf(t *testing.T, name, content string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create(name)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestPasted(t *testing.T) {
	const from = "From: An <an@home.example>\r\nTo: suspicious@desk.example\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
	const sms = "bpost: uw pakket wacht op betaling van 2,99 EUR. https://bpost.evil.example/p"
	for name, tt := range map[string]struct {
		subject, body string
		text, words   string
	}{
		"nl, above":       {"", "Ik kreeg deze sms:\n\n" + sms + "\n\nMvg,\nAn", sms + "\n\nMvg,\nAn", "Ik kreeg deze sms:"},
		"nl, one line":    {"Vraag", "Goedendag, ik heb dit bericht ontvangen: " + sms, sms, "Goedendag, ik heb dit bericht ontvangen:"},
		"nl, a paragraph": {"Vraag", "Hallo,\nzie hieronder, verdachte sms van vandaag.\n\n" + sms, sms, "Hallo,\nzie hieronder, verdachte sms van vandaag."},
		"fr":              {"question", "Bonjour, j’ai reçu ce message :\n" + sms, sms, "Bonjour, j’ai reçu ce message :"},
		"de":              {"Frage", "Guten Tag, folgende SMS habe ich erhalten:\n\n" + sms, sms, "Guten Tag, folgende SMS habe ich erhalten:"},
		"en":              {"hello", "Hi, I got this text message today:\n\n" + sms, sms, "Hi, I got this text message today:"},
		"subject, sms":    {"SMS", sms, sms, ""},
		"subject, nl":     {"FW: Verdachte sms", sms, sms, ""},
		"subject, fr":     {"SMS suspect", sms, sms, ""},
		"a page":          {"", "https://bank.evil.example/login", "https://bank.evil.example/login", ""},
		"a page, defanged": {
			"Phishing", "hxxps://bank[.]evil[.]example/login\nwww.evil.example", "hxxps://bank[.]evil[.]example/login\nwww.evil.example", "",
		},
		"chat": {"mama", "[3/11/2026, 14:05:06] +32 470 12 34 56: Hoi mama\n[3/11/2026, 14:05:09] +32 470 12 34 56: nieuw nummer", "[3/11/2026, 14:05:06] +32 470 12 34 56: Hoi mama\n[3/11/2026, 14:05:09] +32 470 12 34 56: nieuw nummer", ""},
		"chat, Android": {
			"", "03/11/2026, 14:05 - Onbekend: Hoi mama\n03/11/2026, 14:06 - Onbekend: stuur geld", "03/11/2026, 14:05 - Onbekend: Hoi mama\n03/11/2026, 14:06 - Onbekend: stuur geld", "",
		},
	} {
		o := Find(message.Parse([]byte(from+"Subject: "+tt.subject+"\r\n\r\n"+tt.body+"\n"), message.Limits{}))[0]
		if o.How != Pasted || strings.TrimSpace(o.Message.Text) != tt.text || o.Words != tt.words || len(o.Chain) != 1 || len(o.Message.From) != 0 {
			t.Errorf("%s: %s, text %q, words %q", name, o.How, o.Message.Text, o.Words)
		}
	}
}

// TestNotPasted holds mails that are no such thing, or of which it is not sure:
// then they are judged with their sender.
func TestNotPasted(t *testing.T) {
	const head = "From: Bank <alert@evil.example>\r\nTo: an@home.example\r\n"
	for name, raw := range map[string]string{
		"bait with an address":    head + "Subject: Your account\r\n\r\nhttps://evil.example/login\n",
		"bait about a text":       head + "Subject: Security\r\n\r\nWe sent you a code by SMS. Confirm it at https://evil.example/\n",
		"bait on WhatsApp":        head + "Subject: Loan offer\r\n\r\nContact me on WhatsApp +44 7700 900123 today: fast loans\n",
		"subject with more":       head + "Subject: Your SMS code for the bank is 123456 now\r\n\r\nLog in at https://evil.example/\n",
		"long":                    head + "Subject: sms\r\n\r\nIk kreeg deze sms:\n\n" + strings.Repeat("veel tekst ", 300),
		"a list":                  head + "List-Id: <x.example>\r\nSubject: sms\r\n\r\nhttps://evil.example/\n",
		"a link under words":      head + "Subject: sms\r\nContent-Type: text/html\r\n\r\n<p>Ik kreeg deze sms:</p><p><a href=\"https://evil.example/\">betaal</a></p>",
		"a form":                  head + "Subject: sms\r\nContent-Type: text/html\r\n\r\n<p>Ik kreeg deze sms:</p><form action=\"https://evil.example/\"><input></form>",
		"nothing":                 head + "Subject: sms\r\n\r\n\n",
		"only an introduction":    head + "Subject: x\r\n\r\nIk kreeg deze sms:\n",
		"half a word":             head + "Subject: x\r\n\r\nThis smsgateway is new: see https://evil.example/\n",
		"container by its header": head + "X-Belfry-Submission: text\r\nSubject: Your account\r\n\r\nLog in at https://evil.example/\n",
	} {
		if o := Find(message.Parse([]byte(raw), message.Limits{}))[0]; o.How != Itself {
			t.Errorf("%s: %s %q", name, o.How, o.Message.Text)
		}
	}
}

func TestTypedHTMLIsPasted(t *testing.T) {
	raw := "From: an@home.example\r\nSubject: Verdachte SMS\r\nContent-Type: text/html\r\n\r\n" +
		`<div dir="ltr">bpost: betaal <a href="https://evil.example/p">evil.example/p</a></div><div>Mail <a href="mailto:a@evil.example">a@evil.example</a></div>`
	if o := Find(message.Parse([]byte(raw), message.Limits{}))[0]; o.How != Pasted || !strings.Contains(o.Message.Text, "evil.example/p") {
		t.Errorf("%s %q", o.How, o.Message.Text)
	}
}

// TestSubmission finds the originals in what was handed in by form or API.
func TestSubmission(t *testing.T) {
	const head = "X-Belfry-Submission: text files\r\n"
	phish := "Content-Type: message/rfc822\nContent-Disposition: attachment; filename=a.eml\n\n" + mail(bait, "Log in at https://evil.example/login\n")
	text := func(s string) string { return "Content-Type: text/plain; charset=utf-8\n\n" + s }
	outlook := string(outlooktest.MSG(&outlooktest.Item{Props: outlooktest.Props{0x0037001F: "x", 0x0C1F001F: "alert@evil.example", 0x1000001F: "Log in"}}))
	picture := encoded("image/png", "a.png", "\x89PNG\r\n\x1a\n")
	for name, tt := range map[string]struct {
		raw   string
		hows  []How
		words string
		text  string // of the last
	}{
		"text":                 {parts(head, "mixed", text("pay at https://evil.example/")), []How{Pasted}, "", "pay at https://evil.example/"},
		"text with words":      {parts(head, "mixed", text("Ik kreeg deze sms:\n\nbetaal nu")), []How{Pasted}, "Ik kreeg deze sms:", "betaal nu"},
		"page":                 {parts(head, "mixed", text("https://evil.example/")), []How{Pasted}, "", "https://evil.example/"},
		"mails":                {parts(head, "mixed", phish, phish), []How{Attached, Attached}, "", "Log in at https://evil.example/login"},
		"mail with words":      {parts(head, "mixed", text("Is dit echt?"), phish), []How{Attached}, "Is dit echt?", "Log in at https://evil.example/login"},
		"mail and text":        {parts(head, "mixed", text("and https://evil2.example/"), phish), []How{Attached, Pasted}, "", "and https://evil2.example/"},
		"picture":              {parts(head, "mixed", picture), []How{Pictured}, "", ""},
		"picture with words":   {parts(head, "mixed", text("Kreeg ik gisteren"), picture), []How{Pictured}, "Kreeg ik gisteren", ""},
		"picture and its text": {parts(head, "mixed", text("pay at https://evil.example/"), picture), []How{Pasted}, "", "pay at https://evil.example/"},
		"Outlook":              {parts(head, "mixed", encoded("application/vnd.ms-outlook", "x.msg", outlook)), []How{Attached}, "", "Log in"},
		"bare Outlook":         {parts(head, "mixed", encoded("application/vnd.ms-outlook", "message.msg", outlook)), []How{Itself}, "", "Log in"},
		"bare, and broken":     {parts(head, "mixed", encoded("application/vnd.ms-outlook", "message.msg", outlook[:600])), []How{Itself}, "", ""},
		"another file":         {parts(head, "mixed", encoded("application/pdf", "a.pdf", "%PDF-1.7")), []How{Itself}, "", ""},
	} {
		found := Find(message.Parse([]byte(tt.raw), message.Limits{}))
		var hows []How
		for i, o := range found {
			hows = append(hows, o.How)
			if o.Words != tt.words || o.Index != i {
				t.Errorf("%s: words %q, index %d", name, o.Words, o.Index)
			}
		}
		last := found[len(found)-1].Message
		if !slices.Equal(hows, tt.hows) || strings.TrimSpace(last.Text) != tt.text {
			t.Errorf("%s: %v, %q", name, hows, last.Text)
		}
		if strings.Contains(name, "picture") && len(last.Attachments) != 1 {
			t.Errorf("%s: the picture is lost", name)
		}
	}
}
