package reason

import (
	"net/netip"
	"strings"
	"unicode"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// link is one address that a reader can follow.
type link struct {
	*observable.Observable
	path    string // beginning with a slash, without query
	wrapped bool   // another address was found inside this one
}

// maxLinks bounds how many links of one message are looked at.
const maxLinks = 500

// gather collects the links that a reader can follow: in the text, in the
// HTML, and in attached HTML.
func (x *exam) gather() {
	inside := make(map[string]bool)
	for i := range x.c.Observables {
		o := &x.c.Observables[i]
		if o.Type == observable.URL && o.From != "" {
			inside[o.From] = true
		}
	}
	for i := range x.c.Observables {
		o := &x.c.Observables[i]
		if o.Type != observable.URL || !followed(o) || len(x.links) == maxLinks {
			continue
		}
		x.links = append(x.links, link{Observable: o, path: pathOf(o.Value), wrapped: inside[o.Value]})
	}
}

// followed reports whether a click leads to o, rather than its being loaded.
func followed(o *observable.Observable) bool {
	switch o.Where {
	case observable.InBody, observable.InSubject:
		return true
	case observable.InHTML:
		element, attr, ok := strings.Cut(o.Source, " ")
		return !ok || attr == "href" && element != "link" && element != "base" || attr == "xlink:href" ||
			attr == "action" || attr == "formaction" || attr == "location" || element == "meta"
	}
	return false
}

// pathOf returns the path of a canonical URL.
func pathOf(url string) string {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return ""
	}
	rest = rest[i:]
	if j := strings.IndexAny(rest, "?#"); j >= 0 {
		rest = rest[:j]
	}
	return rest
}

// reason makes a reason that the link shows.
func (l *link) reason(x *exam, code string, p map[string]string) Reason {
	r := Reason{Code: code, Params: p, Evidence: cut(l.Value)}
	if l.Start >= l.End {
		return r
	}
	switch l.Where {
	case observable.InBody:
		r.Span = &Span{Part: "body", Start: l.Start, End: l.End}
	case observable.InSubject:
		r.Span = &Span{Part: "subject", Start: l.Start, End: l.End}
	case observable.InHTML:
		part := "body"
		if strings.TrimSpace(x.m.Text) != "" {
			part = "html"
		}
		r.Span = &Span{Part: part, Start: l.Start, End: l.End}
	}
	return r
}

// programs are the endings of files that run, or that carry what runs past
// the receiver's filter.
var programs = map[string]bool{
	"exe": true, "scr": true, "com": true, "pif": true, "bat": true, "cmd": true, "ps1": true, "vbs": true, "vbe": true, "js": true, "jse": true,
	"wsf": true, "wsh": true, "hta": true, "msi": true, "msix": true, "appx": true, "jar": true, "cpl": true, "dll": true, "lnk": true, "url": true,
	"chm": true, "reg": true, "apk": true, "dmg": true, "pkg": true, "scf": true, "inf": true, "library-ms": true, "search-ms": true, "appref-ms": true,
}

// containers are the endings of files that bring others past the mark that
// systems put on what was downloaded.
var containers = map[string]bool{"iso": true, "img": true, "vhd": true, "vhdx": true, "udf": true, "one": true, "onepkg": true}

// link looks at where the links lead.
func (x *exam) link() {
	own, counted := 0, 0
	for i := range x.links {
		l := &x.links[i]
		scheme, _, _ := strings.Cut(l.Value, ":")
		switch scheme {
		case "javascript", "vbscript", "data":
			x.add(l.reason(x, "link-script", params("Scheme", scheme+":")))
			continue
		}
		if counted++; l.Registrable != "" && l.Registrable == x.found.Sender {
			own++
		}
		if l.Hidden {
			continue
		}
		x.shape(l)
		x.place(l)
		x.textAgainstTarget(l)
	}
	x.found.Links, x.found.OwnLinks = counted, own
	x.alone()
	x.foreign()
	if counted > 0 && 2*own >= counted && reference.CheapEnding(x.found.Sender) == "" &&
		!reference.Is(reference.FreeMail, x.fromHost, "") && !reference.Is(reference.Tenant, x.fromHost, "") && !reference.Is(reference.Page, x.fromHost, "") {
		r := Reason{Code: "links-own", Params: params("Domain", x.found.Sender), Strength: 1}
		if own < counted {
			r.Strength = 0.5
		}
		x.add(r)
	}
}

// few is the size in bytes under which a text says nothing beside its link.
const few = 120

// alone finds a message that is hardly more than a link.
func (x *exam) alone() {
	if len(x.links) == 0 || len(x.links) > 5 || x.found.OwnLinks > 0 {
		return
	}
	for _, t := range x.texts {
		if t.part == "subject" {
			continue
		}
		n := 0
		for w := range strings.FieldsSeq(t.value[:min(len(t.value), 4<<10)]) {
			if !strings.Contains(w, "://") {
				n += len(w) + 1
			}
		}
		if n > few {
			return
		}
	}
	if len(x.m.Attachments) == 0 {
		x.add(x.links[0].reason(x, "link-alone", params("Domain", x.links[0].Host)))
	}
}

// foreign finds a message all of whose links lead to one place that is not the
// sender's.
func (x *exam) foreign() {
	if x.found.Sender == "" || x.found.OwnLinks > 0 {
		return
	}
	one := ""
	for i := range x.links {
		l := &x.links[i]
		if l.Registrable == "" || l.wrapped {
			continue
		}
		if one != "" && one != l.Registrable {
			return
		}
		one = l.Registrable
	}
	if one != "" {
		x.add(x.links[0].reason(x, "links-foreign", params("Sender", x.found.Sender, "Domain", one)))
	}
}

// shape looks at how the address is written.
func (x *exam) shape(l *link) {
	_, rest, _ := strings.Cut(l.Value, "://")
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i > 0 {
		x.add(l.reason(x, "link-userinfo", params("Shown", authority[:i], "Domain", l.Host)))
	}
	if ip, err := netip.ParseAddr(l.Host); err == nil && ip.IsGlobalUnicast() && !ip.IsPrivate() {
		x.add(l.reason(x, "link-ip", params("Address", l.Host)))
	}
	if l.Unicode != "" && confusing(l.Unicode) {
		x.add(l.reason(x, "link-disguised", params("Domain", l.Unicode)))
	}
	if i := strings.LastIndexByte(l.path, '.'); i >= 0 {
		if ending := strings.ToLower(l.path[i+1:]); (programs[ending] || containers[ending]) && ending != "com" && ending != "js" && ending != "url" {
			x.add(l.reason(x, "link-program", params("Name", l.path[strings.LastIndexByte(l.path, '/')+1:], "Domain", l.Host)))
		}
	}
}

// place looks at whose place it is.
func (x *exam) place(l *link) {
	switch {
	case l.Host == "" || l.Registrable != "" && l.Registrable == x.found.Sender:
	case reference.Is(reference.Shortener, l.Host, ""):
		x.add(l.reason(x, "link-shortener", params("Domain", l.Host)))
	case reference.Is(reference.Page, l.Host, l.path), reference.Is(reference.Storage, l.Host, l.path):
		x.add(l.reason(x, "link-free-host", params("Domain", l.Host)))
	case reference.Is(reference.Form, l.Host, l.path):
		x.add(l.reason(x, "link-form", params("Domain", l.Host)))
	case l.wrapped && reference.Is(reference.Redirect, l.Host, l.path):
		x.add(l.reason(x, "link-redirect", params("Domain", l.Host)))
	}
	if ending := reference.CheapEnding(l.Registrable); ending != "" && l.Registrable != x.found.Sender {
		x.add(l.reason(x, "link-ending", params("Domain", l.Host, "Ending", "."+ending)))
	}
}

// textAgainstTarget compares the address that a link shows with the one it
// leads to.
func (x *exam) textAgainstTarget(l *link) {
	shown := strings.TrimSpace(l.Text)
	if len(shown) < 4 || len(shown) > 300 || strings.ContainsAny(shown, " \n\t@") || !strings.Contains(shown, ".") || l.wrapped || l.Via != "" {
		return
	}
	if _, rest, ok := strings.Cut(shown, "://"); ok {
		shown = rest
	}
	if i := strings.IndexAny(shown, "/?#:"); i >= 0 {
		shown = shown[:i]
	}
	host, _, ok := observable.FoldDomain(strings.ToLower(shown))
	if !ok {
		return
	}
	registrable, _ := observable.RegistrableDomain(host)
	if registrable == "" || registrable == l.Registrable || !realEnding(host) {
		return
	}
	if b := reference.BrandOf(registrable); b != nil && b.Owns(l.Registrable) {
		return
	}
	r := l.reason(x, "link-text-differs", params("Shown", host, "Domain", l.Host))
	// A sender's click counter stands between text and target in much honest
	// mail; the address of a known organisation is another matter.
	if reference.BrandOf(registrable) == nil {
		r.Strength = 0.4
	}
	x.add(r)
}

// realEnding guards against file names, which look like hosts.
func realEnding(host string) bool {
	ending := host[strings.LastIndexByte(host, '.')+1:]
	switch ending {
	case "pdf", "doc", "xls", "zip", "txt", "jpg", "png", "gif", "htm", "php", "asp", "exe", "msg", "eml", "csv":
		return false
	}
	return reference.Registry(host)
}

// confusing reports whether a label mixes Latin with look-alike scripts, or is
// wholly of letters that look Latin.
func confusing(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if mixed(label) {
			return true
		}
		foreign := false
		for _, r := range label {
			if unicode.Is(unicode.Cyrillic, r) || unicode.Is(unicode.Greek, r) {
				foreign = true
			}
		}
		if foreign && isASCII(reference.Fold(label)) {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
