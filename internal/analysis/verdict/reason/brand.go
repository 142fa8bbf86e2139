package reason

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// tricks gives each look-alike trick its reason.
var tricks = map[reference.Trick]string{
	reference.Confusable: "lookalike-letters",
	reference.Typo:       "lookalike-typo",
	reference.AddedWord:  "lookalike-words",
	reference.Ending:     "lookalike-ending",
	reference.Subdomain:  "lookalike-subdomain",
}

// brand looks for known names in foreign hands.
func (x *exam) brand() {
	name := x.named("from", x.from.Name)
	if name.Brand != nil {
		x.found.Claimed = name.Brand
		// One that leads nowhere but to the brand is a service writing for it.
		if n := x.leadsTo(name.Brand); x.from.Domain() != "" && !x.speaksFor(name.Brand) && (n == 0 || n < len(x.links)) {
			code := "brand-foreign-sender"
			if reference.Is(reference.FreeMail, x.fromHost, "") {
				code = "brand-freemail-sender"
			}
			r := at(code, "from", Mailbox(x.from), name.Start, name.End, params("Brand", name.Name, "Domain", x.from.Domain()))
			r.Brand = name.Brand.ID
			x.add(r)
		}
	}
	x.imitations()
	x.foreignLinks()
	if b := x.owner(); b != nil && x.checked != nil && x.checked.Aligned {
		r := x.fromReason("brand-own-sender", params("Brand", b.Name(), "Domain", x.found.Sender))
		r.Brand = b.ID
		x.add(r)
	}
}

// owner returns the brand whose own domain the sender's is; a domain at which
// everybody can have a mailbox is nobody's.
func (x *exam) owner() *reference.Brand {
	if reference.Is(reference.FreeMail, x.fromHost, "") || reference.Is(reference.Tenant, x.fromHost, "") {
		return nil
	}
	return reference.BrandOf(x.found.Sender)
}

// speaksFor reports whether the sender's domain may use a brand's name.
func (x *exam) speaksFor(b *reference.Brand) bool {
	return !reference.Is(reference.FreeMail, x.fromHost, "") && allied(b, x.found.Sender)
}

// allied reports whether a registrable domain is a brand's own, or another
// whose first label is its name: most often a country's branch.
func allied(b *reference.Brand, registrable string) bool {
	if b.Owns(registrable) {
		return true
	}
	label, _, _ := strings.Cut(registrable, ".")
	if reference.CheapEnding(registrable) != "" {
		return false
	}
	for _, n := range b.Names {
		if strings.EqualFold(strings.ReplaceAll(n.Text, " ", ""), label) {
			return true
		}
	}
	return false
}

// leadsTo counts the links that lead to a brand's own domains.
func (x *exam) leadsTo(b *reference.Brand) int {
	n := 0
	for i := range x.links {
		if r := x.links[i].Registrable; r != "" && allied(b, r) {
			n++
		}
	}
	return n
}

// named returns the first brand that a display name or subject names. A name
// that is also an ordinary word counts only where it stands alone or beside a
// word of the trade.
func (x *exam) named(part, name string) reference.Match {
	if name == "" || len(name) > 500 {
		return reference.Match{}
	}
	matches := x.matchesOf(part, name)
	for _, m := range matches {
		if m.Brand == nil || m.Start > 0 && name[m.Start-1] == '@' {
			continue // an address in a name is looked at elsewhere
		}
		if !m.Ambiguous {
			return m
		}
		rest := strings.TrimSpace(name[:m.Start] + name[m.End:])
		if rest == "" {
			return m
		}
		for _, w := range strings.Fields(rest) {
			if trade[reference.Fold(strings.Trim(w, ".,:;!?()\"'"))] {
				return m
			}
		}
	}
	return reference.Match{}
}

func (x *exam) matchesOf(part, value string) []reference.Match {
	for i := range x.texts {
		if x.texts[i].part == part {
			return x.texts[i].matches
		}
	}
	return reference.Scan(value)
}

// imitations looks for domains that imitate a brand's, the sender's first.
func (x *exam) imitations() {
	look := func(host, unicode, registrable string) (*reference.Brand, string) {
		b, trick := reference.Imitates(host, unicode, registrable)
		if b == nil {
			return nil, ""
		}
		return b, tricks[trick]
	}
	shown := func(host, unicode string) string {
		if unicode != "" {
			return unicode
		}
		return host
	}
	if x.found.Sender != "" {
		if b, code := look(x.fromHost, x.from.Domain(), x.found.Sender); b != nil {
			r := x.fromReason(code, params("Brand", b.Name(), "Domain", shown(x.fromHost, x.from.Domain())))
			r.Brand = b.ID
			x.add(r)
		}
	}
	last := ""
	for i := range x.links {
		l := &x.links[i]
		if l.Host == last || i > 100 {
			continue
		}
		last = l.Host
		if b, code := look(l.Host, l.Unicode, l.Registrable); b != nil {
			r := l.reason(x, code, params("Brand", b.Name(), "Domain", shown(l.Host, l.Unicode)))
			r.Brand = b.ID
			x.add(r)
		}
	}
}

// foreignLinks reports a brand in the subject whose message neither comes from
// it nor leads to it.
func (x *exam) foreignLinks() {
	subject := x.named("subject", x.m.Subject)
	if subject.Brand == nil {
		return
	}
	b := subject.Brand
	if x.found.Claimed == nil {
		x.found.Claimed = b
	}
	if x.found.Sender == "" && len(x.links) == 0 || x.found.Sender != "" && x.speaksFor(b) || len(x.links) == 0 {
		return
	}
	if x.leadsTo(b) > 0 {
		return
	}
	r := at("brand-foreign-links", "subject", x.m.Subject, subject.Start, subject.End, params("Brand", subject.Name, "Domain", x.links[0].Host))
	r.Brand = b.ID
	x.add(r)
}

// known asks what is known of the observables.
func (x *exam) known() {
	if x.f.Known == nil {
		return
	}
	for i := range x.c.Observables {
		o := &x.c.Observables[i]
		switch x.f.Known(o.Type, o.Value) {
		case KnownMalicious:
			x.add(Reason{Code: "known-malicious", Params: params("Value", o.Value), Evidence: cut(o.Value)})
		case KnownTrusted:
			if o.Where == observable.InHeader && o.Source == "From" && x.checked != nil && x.checked.Aligned {
				x.add(x.fromReason("known-sender", params("Domain", x.found.Sender)))
			}
		}
	}
}
