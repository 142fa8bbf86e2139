package reference

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed data/brands.csv
var brandsFile string

// Brand is an organisation whose name is used to deceive.
type Brand struct {
	ID      string
	Kind    string // "bank", "courier", "government", ...
	Names   []Name // as people write them; the first is the one to show
	Domains []string
	// Verified says that the domains were read on a page of the organisation
	// itself or of an authority.
	Verified bool
}

// Name is one spelling of a brand.
type Name struct {
	Text string
	// Ambiguous says that it is also an ordinary word.
	Ambiguous bool
}

// Owns reports whether a registrable domain is one of the brand's own.
func (b *Brand) Owns(registrable string) bool {
	for _, d := range b.Domains {
		if d == registrable {
			return true
		}
	}
	return false
}

// Name returns the name to show.
func (b *Brand) Name() string { return b.Names[0].Text }

type brandIndex struct {
	all      []*Brand
	byDomain map[string]*Brand
	labels   map[string]*Brand // joined names, as a domain label would write them
	skeleton map[string]*Brand // the same, as the eye takes them
	deletion map[string]*Brand // the same, with one character left out
}

// minLabel is the shortest joined name that is looked for inside other names:
// shorter ones stand in too many words.
const minLabel, minTypo = 5, 6

var brands = sync.OnceValue(func() *brandIndex {
	x := &brandIndex{
		byDomain: make(map[string]*Brand), labels: make(map[string]*Brand),
		skeleton: make(map[string]*Brand), deletion: make(map[string]*Brand),
	}
	for _, row := range readCSV(brandsFile, 5) {
		b := &Brand{ID: row[0], Kind: row[1], Domains: strings.Split(row[3], "|"), Verified: row[4] == "V"}
		for _, name := range strings.Split(row[2], "|") {
			text, ambiguous := strings.CutSuffix(name, "!")
			b.Names = append(b.Names, Name{text, ambiguous})
			if !ambiguous {
				x.index(label(text), b)
			}
		}
		for _, d := range b.Domains {
			if x.byDomain[d] == nil {
				x.byDomain[d] = b
			}
		}
		x.all = append(x.all, b)
	}
	return x
})

// label writes a name as a domain would: folded, words joined.
func label(name string) string {
	var joined []byte
	for from := 0; ; {
		start, end := word(name, from)
		if start < 0 {
			return string(joined)
		}
		joined, from = appendFolded(joined, name[start:end]), end
	}
}

func (x *brandIndex) index(l string, b *Brand) {
	if len(l) < minLabel || x.labels[l] != nil {
		return
	}
	x.labels[l] = b
	x.skeleton[skeleton(l)] = b
	if len(l) >= minTypo {
		x.deletion[l] = b
		for i := range l {
			x.deletion[l[:i]+l[i+1:]] = b
		}
	}
}

// Brands returns every brand, in the order of the file. Callers do not change them.
func Brands() []*Brand { return brands().all }

// BrandOf returns the brand that a registrable domain belongs to, or nil.
func BrandOf(registrable string) *Brand { return brands().byDomain[registrable] }

// Trick says how a domain imitates a brand's.
type Trick string

// The tricks of look-alike domains.
const (
	NoTrick    Trick = ""
	Confusable Trick = "confusable" // letters that look like others: paypa1, rnicrosoft
	Typo       Trick = "typo"       // one letter more, less, other or swapped
	AddedWord  Trick = "added"      // the name with words around it: paypal-login
	Ending     Trick = "ending"     // the right name under a cheap ending
	Subdomain  Trick = "subdomain"  // the name in front of somebody else's domain
)

// Imitates tells which brand a folded host imitates, and by which trick.
// unicode is the host as a reader sees it, or empty where it is the same.
// A brand's own domain imitates nobody.
func Imitates(host, unicode, registrable string) (*Brand, Trick) {
	x := brands()
	if registrable == "" || x.byDomain[registrable] != nil {
		return nil, NoTrick
	}
	name, _, _ := strings.Cut(registrable, ".")
	seen := name
	if unicode != "" {
		if labels, want := strings.Split(unicode, "."), strings.Count(host, ".")-strings.Count(registrable, "."); want >= 0 && want < len(labels) {
			seen = labels[want]
		}
	}
	if b := x.labels[name]; b != nil {
		if CheapEnding(registrable) != "" {
			return b, Ending
		}
		return nil, NoTrick // most likely the brand's own in another country
	}
	if b := x.skeleton[skeleton(seen)]; b != nil {
		return b, Confusable
	}
	if b := x.typo(name); b != nil {
		return b, Typo
	}
	if b := x.added(name); b != nil {
		return b, AddedWord
	}
	if front, ok := strings.CutSuffix(host, "."+registrable); ok {
		if b := x.front(front); b != nil {
			return b, Subdomain
		}
	}
	return nil, NoTrick
}

// typo finds a label at an edit distance of one (Damerau) that keeps its first
// letter, as readers notice another first letter.
func (x *brandIndex) typo(name string) *Brand {
	if len(name) < minTypo || len(name) > 40 {
		return nil
	}
	check := func(candidate string) *Brand {
		b := x.deletion[candidate]
		if b == nil {
			return nil
		}
		for _, n := range b.Names {
			if l := label(n.Text); !n.Ambiguous && len(l) >= minTypo && l[0] == name[0] && near(l, name) {
				return b
			}
		}
		return nil
	}
	if b := check(name); b != nil {
		return b
	}
	for i := range name {
		if b := check(name[:i] + name[i+1:]); b != nil {
			return b
		}
	}
	return nil
}

// near reports whether one insertion, deletion, replacement or swap of
// neighbours makes b of a. Equal strings are not near.
func near(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	return a[i+1:] == b[i+1:] ||
		i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// added finds a brand's name with words around it.
func (x *brandIndex) added(name string) *Brand {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' })
	if len(parts) > 1 && len(parts) < 8 {
		for i, p := range parts {
			if b := x.labels[p]; b != nil {
				return b
			}
			if i+1 < len(parts) {
				if b := x.labels[p+parts[i+1]]; b != nil {
					return b
				}
			}
		}
	}
	for _, lure := range lureWords {
		if rest, ok := strings.CutSuffix(name, lure); ok {
			if b := x.labels[rest]; b != nil {
				return b
			}
		}
		if rest, ok := strings.CutPrefix(name, lure); ok {
			if b := x.labels[rest]; b != nil {
				return b
			}
		}
	}
	return nil
}

// front finds a brand in what stands before a foreign registrable domain.
func (x *brandIndex) front(front string) *Brand {
	labels := strings.Split(front, ".")
	for i, l := range labels {
		if i > 8 {
			break
		}
		if b := x.labels[l]; b != nil {
			return b
		}
		if i+1 < len(labels) {
			if b := x.byDomain[l+"."+labels[i+1]]; b != nil {
				return b
			}
		}
		if b := x.added(l); b != nil {
			return b
		}
	}
	return nil
}

// lureWords are what fraud puts before or behind a brand in one label.
var lureWords = []string{
	"login", "secure", "security", "support", "verify", "verification", "update", "service", "services", "account", "online",
	"help", "helpdesk", "wallet", "pay", "bank", "info", "alert", "id", "app", "web", "mail", "customer", "client", "kunde", "klant",
	"client", "prime", "bonus", "gift", "promo", "reward", "rewards", "claim", "airdrop", "refund", "delivery", "tracking", "parcel",
	"paket", "pakket", "colis", "my", "mijn", "mon", "mein", "be", "nl", "fr", "de", "eu", "official", "team", "now", "auth", "connect",
}
