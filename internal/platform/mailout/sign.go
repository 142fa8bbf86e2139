package mailout

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/emersion/go-msgauth/dkim"
)

// signed are the fields of the signature. Each is named twice: once for the
// field, and once for the one that somebody might add (RFC 6376, section
// 8.15).
var signed = []string{
	"From", "From", "To", "To", "Cc", "Cc", "Subject", "Subject", "Date", "Date",
	"Reply-To", "Reply-To", "Message-ID", "Message-ID", "In-Reply-To", "In-Reply-To",
	"References", "References", "Auto-Submitted", "Auto-Submitted",
	"MIME-Version", "MIME-Version", "Content-Type", "Content-Type",
	"Content-Transfer-Encoding", "Content-Transfer-Encoding",
}

// signer adds a DKIM signature. A nil signer adds none.
type signer struct{ options dkim.SignOptions }

// newSigner reads the key. It returns nil for the zero DKIM.
func newSigner(d DKIM) (*signer, error) {
	if d == (DKIM{}) {
		return nil, nil
	}
	if d.Domain == "" || d.Selector == "" {
		return nil, errors.New("mailout: DKIM needs a domain and a selector")
	}
	key := d.Key
	if key == nil {
		var err error
		if key, err = readKey(d.KeyFile); err != nil {
			return nil, err
		}
	}
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, fmt.Errorf("mailout: the DKIM key has %d bits; it needs 2,048", k.N.BitLen())
		}
	case ed25519.PublicKey:
	default:
		return nil, errors.New("mailout: the DKIM key must be RSA or Ed25519")
	}
	return &signer{dkim.SignOptions{
		Domain:                 d.Domain,
		Selector:               d.Selector,
		Signer:                 key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed,
		BodyCanonicalization:   dkim.CanonicalizationRelaxed,
		HeaderKeys:             signed,
	}}, nil
}

// readKey reads a private key in PEM.
func readKey(file string) (crypto.Signer, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("mailout: DKIM key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("mailout: DKIM key: %s is not PEM", file)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("mailout: DKIM key: %s holds no private key in PKCS #8 or PKCS #1", file)
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("mailout: DKIM key: %s cannot sign", file)
	}
	return s, nil
}

// sign returns the message with a signature before it. Its lines must end in
// CR LF.
func (s *signer) sign(msg []byte) ([]byte, error) {
	if s == nil {
		return msg, nil
	}
	var b bytes.Buffer
	b.Grow(len(msg) + 1024)
	if err := dkim.Sign(&b, bytes.NewReader(msg), &s.options); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// normalise makes every line end CR LF, whatever it was, so that the
// signature covers what goes over the wire and no bare CR or LF can be taken
// for the end of the message (CVE-2023-51764).
func normalise(msg []byte) []byte {
	out := make([]byte, 0, len(msg)+len(msg)/32+2)
	for i := 0; i < len(msg); i++ {
		switch c := msg[i]; {
		case c == '\r':
			if i+1 < len(msg) && msg[i+1] == '\n' {
				i++
			}
			out = append(out, '\r', '\n')
		case c == '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, c)
		}
	}
	if !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, '\r', '\n')
	}
	return out
}
