package observable

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/language"
	"github.com/belfry-centre/belfry/internal/analysis/observable/contact"
)

// ParseContact reads s, which is nothing but an IBAN, the address of a wallet,
// or a phone number with its country code, and returns it in canonical form.
func ParseContact(s string) (t Type, value string, ok bool) {
	s = strings.TrimSpace(s)
	if value, ok = contact.ParseIBAN(s); ok {
		return IBAN, value, true
	}
	if value, ok = contact.ParseWallet(s); ok {
		return Wallet, value, true
	}
	if value, ok = contact.ParsePhone(s, nil); ok {
		return Phone, value, true
	}
	return "", "", false
}

// maxLetter is how much of a letter is read for its language.
const maxLetter = 4 << 10

// regions returns where a phone number without a country code may be dialled,
// by the language of the letter. Few mails ask for it.
func (c *collector) regions() []string {
	if c.dialed == nil {
		lang := ""
		if c.letter != nil {
			text := c.letter()
			lang, _ = language.Detect(text[:min(len(text), maxLetter)])
		}
		c.dialed = append([]string{}, contact.Regions(lang)...)
	}
	return c.dialed
}

// contacts adds the phone numbers, IBANs and wallets in running text.
func (c *collector) contacts(text string, at Observable, spans bool) {
	contact.Find(text, c.regions, func(f contact.Found) bool {
		o := at
		if spans {
			o.Start, o.End = f.Start, f.End
		}
		o.Type, o.Value, o.Raw = kinds[f.Kind], f.Value, strings.ToValidUTF8(text[f.Start:f.End], "")
		c.add(o)
		return !c.full()
	})
}

var kinds = [...]Type{contact.Phone: Phone, contact.IBAN: IBAN, contact.Wallet: Wallet}

// mailto adds the addresses of a mailto: link (RFC 6068): those it is sent to,
// and those in its to, cc and bcc fields.
func (c *collector) mailto(path string, o Observable) {
	list, query, _ := strings.Cut(path, "?")
	emails := func(list string) {
		for one := range strings.SplitSeq(unescape(list), ",") {
			c.email(strings.TrimSpace(one), o)
		}
	}
	emails(list)
	for field := range strings.SplitSeq(query, "&") {
		switch name, value, _ := strings.Cut(field, "="); strings.ToLower(name) {
		case "to", "cc", "bcc":
			emails(value)
		}
	}
}

// dial adds the numbers of a tel: or sms: link (RFC 3966, RFC 5724).
func (c *collector) dial(path string, o Observable) {
	path, _, _ = strings.Cut(path, "?")
	for one := range strings.SplitSeq(unescape(strings.TrimLeft(path, "/")), ",") {
		if value, ok := contact.ParsePhone(one, nil); ok {
			c.put(Phone, value, one, o)
		} else if value, ok := contact.ParsePhone(one, c.regions()); ok {
			c.put(Phone, value, one, o)
		}
	}
}

// chat adds the number to which a WhatsApp link leads ("https://wa.me/32…").
func (c *collector) chat(l Location, o Observable) {
	if value, ok := contact.ParsePhone("+"+strings.Trim(l.Path, "/+"), nil); ok {
		c.place(&o, Location{})
		c.put(Phone, value, "", o)
	}
}

// pay adds the wallet of a payment link ("bitcoin:1…?amount=1").
func (c *collector) pay(raw string, o Observable) {
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok {
		return
	}
	switch strings.ToLower(strings.TrimSpace(scheme)) {
	case "bitcoin", "litecoin", "ethereum", "monero", "tron":
		rest = strings.TrimPrefix(strings.TrimLeft(rest, "/"), "pay-")
		if i := strings.IndexAny(rest, "?@/#"); i >= 0 {
			rest = rest[:i]
		}
		if value, ok := contact.ParseWallet(rest); ok {
			c.put(Wallet, value, rest, o)
		}
	}
}

// put adds a value that has no host.
func (c *collector) put(t Type, value, raw string, o Observable) {
	o.Type, o.Value, o.Raw = t, value, raw
	c.add(o)
}
