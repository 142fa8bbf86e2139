package demo

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/belfry-centre/belfry/internal/demo/zone"
)

// person is somebody who reports.
type person struct {
	name, address, desk string
}

// The people of the demo. All of them, and their domains, are invented.
var (
	an     = person{"An Peeters", "an.peeters@citizens.example", "verdacht@centre.example"}
	luc    = person{"Luc Lambert", "luc.lambert@citizens.example", "suspect@centre.example"}
	greta  = person{"Greta Schmitz", "greta.schmitz@citizens.example", "suspekt@centre.example"}
	tom    = person{"Tom Claes", "tom.claes@ministry.example", "verdacht@centre.example"}
	ines   = person{"Ines Moreau", "ines.moreau@ministry.example", "suspicious@centre.example"}
	nobody = person{"Somebody", "somebody@unproved.example", "suspicious@centre.example"}
)

func (p person) domain() string { return p.address[strings.IndexByte(p.address, '@')+1:] }

// signer signs the mail of a domain (RFC 6376), as its provider would.
type signer struct {
	domain string
	key    *rsa.PrivateKey
}

const selector = "demo"

// newSigner makes a domain's key and publishes it, with the policies that
// prove its mail.
func newSigner(n *zone.Server, domain string) (signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return signer{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return signer{}, err
	}
	record := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)
	return signer{domain, key}, n.Add(
		fmt.Sprintf("%s. 60 IN TXT \"v=spf1 ip4:127.0.0.1 -all\"", domain),
		fmt.Sprintf("%s. 60 IN MX 10 mx.%s.", domain, domain),
		fmt.Sprintf("mx.%s. 60 IN A 127.0.0.1", domain),
		fmt.Sprintf("_dmarc.%s. 60 IN TXT \"v=DMARC1; p=reject\"", domain),
		fmt.Sprintf("%s._domainkey.%s. 60 IN TXT \"%s\" \"%s\"", selector, domain, record[:200], record[200:]),
	)
}

func (s signer) sign(message []byte) ([]byte, error) {
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(message), &dkim.SignOptions{Domain: s.domain, Selector: selector, Signer: s.key})
	return out.Bytes(), err
}

// mailOf writes a person's mail: what they say, and what they attach.
func mailOf(p person, id, subject, words string, now time.Time, attached ...[]byte) []byte {
	var b bytes.Buffer
	from := mail.Address{Name: p.name, Address: p.address}
	fmt.Fprintf(&b, "From: %s\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\nMIME-Version: 1.0\r\n",
		from.String(), p.desk, subject, now.Format(time.RFC1123Z), id, p.domain())
	const boundary = "=_demo"
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n", boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n", boundary, lines(words))
	for _, a := range attached {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"message.eml\"\r\n\r\n%s\r\n", boundary, a)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

// redirected puts the headers of a redirection above a message (RFC 5322,
// section 3.6.6).
func redirected(p person, id string, now time.Time, original []byte) []byte {
	return append(fmt.Appendf(nil, "Resent-From: %s <%s>\r\nResent-To: <%s>\r\nResent-Date: %s\r\nResent-Message-ID: <%s@%s>\r\n",
		p.name, p.address, p.desk, now.Format(time.RFC1123Z), id, p.domain()), original...)
}

// lines gives every line the end that mail wants.
func lines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}
