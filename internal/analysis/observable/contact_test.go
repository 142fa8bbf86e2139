package observable

import (
	"fmt"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/google/go-cmp/cmp"
)

func contactsOf(all []Observable) []string {
	var got []string
	for _, o := range all {
		switch o.Type {
		case Phone, IBAN, Wallet, Email:
			got = append(got, fmt.Sprintf("%s %s %s x%d", o.Where, o.Type, o.Value, o.Count))
		}
	}
	return got
}

func TestContacts(t *testing.T) {
	raw := "From: a@send.example\r\nSubject: Bel 0470 12 34 56\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
		"<p>Geachte klant, bel ons op <a href=\"tel:+32-470-12-34-56\">0470/12.34.56</a> of <a href='sms:+32471000000?body=hi'>sms</a>.</p>\n" +
		"<p>Gelieve te betalen op rekening BE68 5390 0754 7034 vandaag nog.</p>" +
		"<a href=\"bitcoin:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa?amount=1\">hier</a>" +
		"<a href=\"mailto:x@one.example?cc=y@two.example&amp;subject=z\">mail</a> <a href='https://wa.me/32470123456'>w</a>"
	got := contactsOf(Extract(message.Parse([]byte(raw), message.Limits{})))
	want := []string{
		"html phone +32470123456 x4", "html phone +32471000000 x1",
		"html wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa x1",
		"html email x@one.example x1", "html email y@two.example x1", "html iban BE68539007547034 x1",
		"header email a@send.example x1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseContact(t *testing.T) {
	for in, want := range map[string]string{
		"+32 470 12 34 56": "phone +32470123456", "0032470123456": "phone +32470123456", " be68 5390 0754 7034 ": "iban BE68539007547034",
		"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa": "wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "0470 12 34 56": " ", "": " ", "example.be": " ",
	} {
		kind, value, _ := ParseContact(in)
		if got := string(kind) + " " + value; got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestPhoneRegions(t *testing.T) {
	for in, want := range map[string]string{
		"Bel ons vandaag nog op dit nummer als u niet wil dat uw rekening geblokkeerd wordt: tel 0470 12 34 56":                              "+32470123456",
		"Please call us today on this number if you do not want that your account is closed, and thank you for it: phone (808) 800-2211 now": "+18088002211",
	} {
		all := ExtractText(in, Limits{})
		if len(all) != 1 || all[0].Value != want || all[0].Start == 0 || all[0].End <= all[0].Start {
			t.Errorf("%q: %+v", in, all)
		}
	}
}

func TestPDF(t *testing.T) {
	raw := "From: a@send.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n" +
		"--b\r\nContent-Type: application/pdf; name=bill.pdf\r\n\r\n%PDF-1.7\n1 0 obj <</S/URI/URI(HTTPS://Evil.example/pay)>> endobj\n" +
		"2 0 obj <</S/URI/URI(tel:+3225123456)>> endobj 3 0 obj <</S/URI/URI(mailto:x@evil.example)>> endobj\r\n--b--\r\n"
	var got []string
	for _, o := range Extract(message.Parse([]byte(raw), message.Limits{})) {
		if o.Where == InAttachment && o.Type != SHA256 {
			got = append(got, fmt.Sprintf("%s %s %s", o.Source, o.Type, o.Value))
		}
	}
	want := []string{
		"bill.pdf url https://evil.example/pay", "bill.pdf domain evil.example",
		"bill.pdf phone +3225123456", "bill.pdf email x@evil.example",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
