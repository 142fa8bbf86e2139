package reason

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// sender looks at who the message says it is from, and where answers go.
func (x *exam) sender() {
	x.nameHoldsAddress()
	x.senderHost()
	x.replyTo()
	if i, j := decorated(x.from.Name); i < j {
		x.add(at("sender-decorated", "from", Mailbox(x.from), i, j, params("Part", x.from.Name[i:j])))
	}
	if i, j := disguised(x.from.Name); i < j {
		x.add(at("sender-disguised", "from", Mailbox(x.from), i, j, nil))
	}
	if i, j := disguised(x.m.Subject); i < j {
		x.add(at("subject-disguised", "subject", x.m.Subject, i, j, nil))
	}
}

// nameHoldsAddress finds an address in the display name that belongs to
// somebody else than the address proper.
func (x *exam) nameHoldsAddress() {
	name := x.from.Name
	i := strings.IndexByte(name, '@')
	if i <= 0 || x.found.Sender == "" || len(name) > 1000 || strings.Contains(name, "via ") {
		return // "via" is how relays and lists name the author behind them
	}
	start := strings.LastIndexAny(name[:i], " \t<>()[]\"',;:|") + 1
	end := i + strings.IndexAny(name[i:]+" ", " \t<>()[]\"',;:|")
	shown, _, ok := observable.FoldDomain(strings.ToLower(strings.Trim(name[i+1:end], ".")))
	if !ok || start == i {
		return
	}
	registrable, _ := observable.RegistrableDomain(shown)
	if registrable == "" || registrable == x.found.Sender {
		return
	}
	x.add(at("sender-name-address", "from", Mailbox(x.from), start, end, params("Shown", name[start:end], "Domain", x.found.Sender)))
}

// trade is what organisations call themselves or their departments, folded.
var trade = map[string]bool{
	"bank": true, "banque": true, "banco": true, "service": true, "services": true, "support": true, "security": true, "team": true, "helpdesk": true,
	"department": true, "billing": true, "accounts": true, "payroll": true, "police": true, "politie": true, "polizei": true,
	"klantendienst": true, "klantenservice": true, "beveiliging": true, "dienst": true, "overheid": true, "ministerie": true, "belastingdienst": true,
	"securite": true, "ministere": true, "assistance": true, "impots": true, "gendarmerie": true,
	"kundendienst": true, "kundenservice": true, "sicherheit": true, "ministerium": true, "finanzamt": true, "zollamt": true,
	"office": true, "official": true, "ministry": true, "foundation": true, "embassy": true, "lottery": true, "delivery": true, "invoice": true,
	"notification": true, "notifications": true, "alert": true, "wallet": true, "admin": true, "administrator": true, "customer": true,
}

func (x *exam) senderHost() {
	host := x.fromHost
	if host == "" && x.from.Domain() == "" {
		// Forwarded inline, an address is often left out; a mail has one.
		how := x.c.Original.How
		if x.from.Name != "" && x.from.Address == "" && (how == original.Itself || how == original.Attached) {
			x.add(x.fromReason("sender-impossible", params("Domain", "<>")))
		}
		return
	}
	switch {
	case host == "" || !reference.Registry(host):
		if host != "localhost" && !documentation(host) {
			x.add(x.fromReason("sender-impossible", params("Domain", x.from.Domain())))
		}
	case reference.Is(reference.FreeMail, host, ""):
		if organisation(x.from.Name) || x.named("from", x.from.Name).Brand != nil {
			x.add(x.fromReason("sender-freemail-organisation", params("Name", x.from.Name, "Domain", host)))
		}
	case reference.Is(reference.Tenant, host, ""), reference.Is(reference.Page, host, ""):
		x.add(x.fromReason("sender-hosted", params("Domain", host)))
	default:
		if ending := reference.CheapEnding(x.found.Sender); ending != "" {
			x.add(x.fromReason("sender-ending", params("Domain", x.found.Sender, "Ending", "."+ending)))
		}
	}
}

// documentation reports whether a host is one that manuals and demonstrations
// use (RFC 2606 section 2): it cannot send, but who writes it deceives nobody.
func documentation(host string) bool { return host == "example" || strings.HasSuffix(host, ".example") }

// organisation reports whether a display name says that an organisation or a
// department writes.
func organisation(name string) bool {
	for from := 0; from < len(name); {
		start, end := nextWord(name, from)
		if start < 0 {
			return false
		}
		if trade[reference.Fold(name[start:end])] {
			return true
		}
		from = end
	}
	return false
}

// replyTo compares where answers go with who writes.
func (x *exam) replyTo() {
	if len(x.m.ReplyTo) == 0 || x.found.Sender == "" {
		return
	}
	to := x.m.ReplyTo[0]
	host, _, ok := observable.FoldDomain(to.Domain())
	registrable, _ := observable.RegistrableDomain(host)
	if !ok || registrable == "" || strings.EqualFold(to.Address, x.from.Address) {
		return
	}
	whole := Mailbox(to)
	switch p := params("Reply", to.Address, "Domain", x.found.Sender); {
	case reference.Is(reference.FreeMail, host, ""):
		if !x.list() {
			x.add(at("sender-reply-freemail", "reply-to", whole, 0, len(whole), p))
		}
	case registrable != x.found.Sender && !x.list():
		x.add(at("sender-reply-differs", "reply-to", whole, 0, len(whole), p))
	}
}

// list reports whether the message came through a mailing list, where answers
// rightly go elsewhere (RFC 2369 section 3.4).
func (x *exam) list() bool { return x.m.Header.Has("List-Post") || x.m.Header.Has("List-Id") }

// disguised finds a word that mixes letters of look-alike scripts, hides
// invisible characters, is written in mathematical letters, or is a name with
// its letters set apart; it returns an empty range when there is none.
func disguised(s string) (start, end int) {
	if len(s) > 2000 {
		s = s[:2000]
	}
	for from := 0; ; {
		start, end = nextWord(s, from)
		if start < 0 {
			return spaced(s)
		}
		if mixed(s[start:end]) {
			return start, end
		}
		from = end
	}
}

// mixed reports whether a word is disguised.
func mixed(word string) bool {
	ascii := true
	for i := 0; i < len(word); i++ {
		if word[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return false
	}
	latin, foreign, inside := 0, 0, 0
	for _, r := range word {
		switch {
		case r == 0x200B || r == 0x200D || r == 0x2060 || r == 0xFEFF || r == 0x00AD || r >= 0xE0100 && r <= 0xE01EF || r >= 0xFE00 && r <= 0xFE0E:
			inside++
		case r >= 0x1D400 && r <= 0x1D7FF || r >= 0xFF21 && r <= 0xFF5A || r >= 0x1F130 && r <= 0x1F189:
			return true
		case unicode.Is(unicode.Cyrillic, r) || unicode.Is(unicode.Greek, r) && r != 'µ' && r != 'Ω':
			foreign++
		case unicode.Is(unicode.Latin, r):
			latin++
		}
	}
	return latin > 0 && (foreign > 0 || inside > 0)
}

// spaced finds five or more single letters that are set apart.
func spaced(s string) (start, end int) {
	run, first := 0, 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		next := i + size
		if unicode.IsLetter(r) && (i == 0 || s[i-1] == ' ') && (next == len(s) || s[next] == ' ') {
			if run == 0 {
				first = i
			}
			if run++; run >= 5 {
				return first, next
			}
		} else if r != ' ' {
			run = 0
		}
		i = next
	}
	return 0, 0
}

// decorated finds what no honest name has: a long number, or a mark or picture
// that shall look official.
func decorated(name string) (start, end int) {
	digits := 0
	for i, r := range name {
		switch {
		case '0' <= r && r <= '9':
			if digits++; digits >= 5 {
				return i + 1 - digits, i + 1
			}
			continue
		case r == '™' || r == '®' || r == '✅' || r == '⚠' || r == '✔' || r >= 0x1F300 && r <= 0x1FAFF:
			return i, i + utf8.RuneLen(r)
		}
		digits = 0
	}
	return 0, 0
}

// nextWord returns the next run of characters that are neither space nor
// ASCII punctuation; start is -1 at the end.
func nextWord(s string, from int) (start, end int) {
	start = -1
	for i := from; i < len(s); i++ {
		c := s[i]
		letter := c >= utf8.RuneSelf || 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if letter && start < 0 {
			start = i
		}
		if !letter && start >= 0 {
			return start, i
		}
	}
	return start, len(s)
}
