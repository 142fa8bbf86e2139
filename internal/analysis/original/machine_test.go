package original

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
)

// parts makes a multipart of header fields and parts, each with its own header.
func parts(header string, kind string, all ...string) string {
	var b strings.Builder
	b.WriteString(header + "MIME-Version: 1.0\r\nContent-Type: multipart/" + kind + "; boundary=zz\r\n\r\n")
	for _, p := range all {
		b.WriteString("--zz\r\n" + strings.ReplaceAll(strings.ReplaceAll(p, "\r\n", "\n"), "\n", "\r\n") + "\r\n")
	}
	return b.String() + "--zz--\r\n"
}

func encoded(media, name, content string) string {
	return "Content-Type: " + media + "; name=\"" + name + "\"\nContent-Disposition: attachment; filename=\"" + name + "\"\nContent-Transfer-Encoding: base64\nX-Attachment-Id: f_1\n\n" +
		base64.StdEncoding.EncodeToString([]byte(content))
}

// TestReports finds the original in what buttons and programs send.
func TestReports(t *testing.T) {
	phish := mail(bait, "Log in at https://evil.example/login\n")
	outlook := string(outlooktest.MSG(&outlooktest.Item{Props: outlooktest.Props{
		0x001A001F: "IPM.Note", 0x0037001F: "Your account", 0x0C1A001F: "Bank", 0x0C1F001F: "alert@evil.example", 0x1000001F: "Log in at https://evil.example/login",
	}}))
	button := func(subject string) string {
		return "From: An <an@home.example>\r\nTo: report@desk.example\r\nSubject: " + subject + "\r\n"
	}
	text := "Content-Type: text/plain\n\nThis is an abuse report, see https://home.example/arf"
	feedback := func(kind string) string {
		return "Content-Type: message/feedback-report\n\nFeedback-Type: " + kind + "\nUser-Agent: x/1\nVersion: 1\nSource-IP: 192.0.2.1"
	}
	for name, tt := range map[string]struct {
		raw   string
		claim Claim
		words string
	}{
		"Microsoft, phishing": {parts(button("3|08d9-id|192.0.2.1|alert@evil.example|(Your account)"), "mixed", "Content-Type: text/plain\n\nids and more ids", encoded("message/rfc822", "x.eml", phish)), ClaimPhishing, ""},
		"Microsoft, spam":     {parts(button("1|free text"), "mixed", "Content-Type: text/plain\n\nWat is dit?", encoded("application/octet-stream", "x.msg", outlook)), ClaimSpam, "Wat is dit?"},
		"Microsoft, no spam":  {parts(button("Not Junk: Your account"), "mixed", encoded("application/vnd.ms-outlook", "x.msg", outlook)), ClaimLegitimate, ""},
		"Gmail, as attachment": {
			parts(button("verdacht"), "mixed", "Content-Type: text/html\n\n<div dir=\"ltr\">zie bijlage</div>", encoded("message/rfc822", "Your account.eml", phish)), "", "zie bijlage",
		},
		"Outlook file":     {parts(button("FW: x"), "mixed", "\nzie bijlage", encoded("application/octet-stream", "x.msg", outlook)), "", "zie bijlage"},
		"in a zip":         {parts(button("x"), "mixed", "\nzie bijlage", encoded("application/zip", "x.zip", zipOf(t, "a/x.eml", phish))), "", "zie bijlage"},
		"winmail.dat":      {parts(button("verdacht"), "mixed", "\nzie bijlage", encoded("application/ms-tnef", "winmail.dat", winmail(outlook))), "", "zie bijlage"},
		"ARF":              {parts(button("FW: Your account"), "report; report-type=feedback-report", text, feedback("fraud"), "Content-Type: message/rfc822\n\n"+phish), ClaimPhishing, ""},
		"ARF, header only": {parts(button("FW: Your account"), "report; report-type=feedback-report", text, feedback("abuse"), "Content-Type: text/rfc822-headers\n\n"+bait), ClaimSpam, ""},
		"ARF, not spam":    {parts(button("x"), "report; report-type=feedback-report", text, feedback("not-spam"), "Content-Type: message/rfc822\n\n"+phish), ClaimLegitimate, ""},
		"X-ARF":            {parts(button("abuse")+"X-XARF: PLAIN\r\n", "mixed", text, "Content-Type: text/plain; name=report.txt\n\n---\nReported-From: a@b.test\nCategory: fraud", "Content-Type: message/rfc822\n\n"+phish), "", ""},
		"X-ARF, as a text": {parts(button("abuse")+"X-ARF: YES\r\n", "mixed", text, "Content-Type: text/plain; name=report.txt\n\n---\nReported-From: a@b.test", encoded("text/plain", "mail.txt", phish)), "", ""},
		"X-ARF 3":          {parts(button("abuse")+"X-XARF: PLAIN\r\n", "mixed", text, encoded("application/json", "xarf.json", `{"Version":"3","Report":{"Samples":[{"ContentType":"message/rfc822","Base64Encoded":true,"Payload":"`+base64.StdEncoding.EncodeToString([]byte(phish))+`"}]}}`)), "", ""},
		"X-ARF 4":          {parts(button("abuse")+"X-XARF: PLAIN\r\n", "mixed", text, encoded("application/json", "xarf.json", `{"xarf_version":"4","evidence":[{"content_type":"image/png","payload":"eA=="},{"content_type":"message/rfc822","payload":"`+base64.StdEncoding.EncodeToString([]byte(phish))+`"}]}`)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := Find(message.Parse([]byte(tt.raw), message.Limits{}))
			if len(found) != 1 {
				t.Fatalf("%d originals: %+v", len(found), found)
			}
			o := found[0]
			if o.How != Attached || len(o.Message.From) != 1 || o.Message.From[0].Address != "alert@evil.example" || o.Message.Subject != "Your account" || o.Claim != tt.claim || o.Words != tt.words {
				t.Errorf("%s, from %v, subject %q, claim %q, words %q", o.How, o.Message.From, o.Message.Subject, o.Claim, o.Words)
			}
		})
	}
}

// winmail puts a .msg file into a TNEF that has the text of a mail, too.
func winmail(outlook string) string {
	return string(outlooktest.TNEF(&outlooktest.Item{
		Props: outlooktest.Props{0x0037001F: "verdacht", 0x1000001F: "zie bijlage"},
		Files: []outlooktest.File{{Props: outlooktest.Props{0x3707001F: "x.msg", 0x37010102: []byte(outlook)}}},
	}))
}

func TestBounceIsNoReport(t *testing.T) {
	raw := parts("From: mailer-daemon@x.example\r\nSubject: Undelivered\r\n", "report; report-type=delivery-status", "\nIt failed", "Content-Type: message/delivery-status\n\nAction: failed", "Content-Type: text/rfc822-headers\n\n"+bait)
	if o := Find(message.Parse([]byte(raw), message.Limits{}))[0]; o.How != Itself {
		t.Errorf("%s", o.How)
	}
	// X-ARF says so, and has nothing with it.
	raw = "X-ARF: yes\r\n" + mail(bait, "Log in at https://evil.example/\n")
	if o := Find(message.Parse([]byte(raw), message.Limits{}))[0]; o.How != Itself {
		t.Errorf("%s", o.How)
	}
}

func TestManyOutlookFiles(t *testing.T) {
	var files []string
	for range 60 {
		files = append(files, encoded("application/octet-stream", "x.msg", string(outlooktest.MSG(&outlooktest.Item{Props: outlooktest.Props{0x0037001F: "x", 0x1000001F: "y"}}))))
	}
	if found := Find(message.Parse([]byte(parts(reporter, "mixed", files...)), message.Limits{})); len(found) != 60 || found[59].Index != 59 {
		t.Errorf("%d originals", len(found))
	}
}
