package reference

import (
	"embed"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

//go:embed lexicon/*.toml
var lexiconFiles embed.FS

// Languages are those that the lexicon is written in.
var Languages = []string{"nl", "fr", "de", "en"}

// Group names what a phrase speaks of.
type Group string

// The groups of phrases. Each stands as one table in every lexicon file.
const (
	Urgency     Group = "urgency"     // a short time to act
	Threat      Group = "threat"      // something bad otherwise: police, court, fines
	Suspension  Group = "suspension"  // an account is blocked or about to be
	Credentials Group = "credentials" // confirm, log in, passwords, codes
	Payment     Group = "payment"     // pay something that is due
	Invoice     Group = "invoice"     // a bill or order as a document
	Reward      Group = "reward"      // a prize, gift or survey
	Refund      Group = "refund"      // money back, allowances
	Delivery    Group = "delivery"    // a parcel that cannot be delivered
	Bank        Group = "bank"        // cards, card readers, bank apps
	Tax         Group = "tax"         // tax and government
	Helpdesk    Group = "helpdesk"    // mailbox full, password expires, call support
	Advance     Group = "advance"     // inheritance, beneficiaries, donations, fund transfer
	Extortion   Group = "extortion"   // "I filmed you"
	Job         Group = "job"         // easy money at home
	Friend      Group = "friend"      // "new number", "are you free", gift cards
	Romance     Group = "romance"     // a stranger seeks love
	Crypto      Group = "crypto"      // wallets, tokens, seed phrases, payouts
	Greeting    Group = "greeting"    // to nobody by name
	Click       Group = "click"       // press here
	Secret      Group = "secret"      // the password of the attached archive
	Advertising Group = "advertising" // offers, cures, dating, casinos: spam
)

// Groups returns every group, in the order above.
func Groups() []Group {
	return []Group{
		Urgency, Threat, Suspension, Credentials, Payment, Invoice, Reward, Refund, Delivery, Bank, Tax, Helpdesk,
		Advance, Extortion, Job, Friend, Romance, Crypto, Greeting, Click, Secret, Advertising,
	}
}

// Match is a phrase or name found in a text.
type Match struct {
	Start, End int   // byte offsets in the text
	Group      Group // of a phrase; empty for a brand
	Language   string
	Brand      *Brand // of a name; nil for a phrase
	Name       string // the brand's name in the spelling that matched, as our list writes it
	Ambiguous  bool   // the name is also an ordinary word
}

// MaxScan bounds how much of one text is searched, in bytes.
const MaxScan = 64 << 10

// node is one word of a tree of phrases.
type node struct {
	next map[string]*node
	here []Match // what ends here; Start and End unset
}

func (n *node) insert(phrase string, m Match) {
	at, buf := n, []byte(nil)
	for from := 0; ; {
		start, end := word(phrase, from)
		if start < 0 {
			break
		}
		buf = appendFolded(buf[:0], phrase[start:end])
		if at.next == nil {
			at.next = make(map[string]*node)
		}
		child := at.next[string(buf)]
		if child == nil {
			child = new(node)
			at.next[string(buf)] = child
		}
		at, from = child, end
	}
	if at != n {
		at.here = append(at.here, m)
	}
}

// dictionary is the tree of all phrases and names.
var dictionary = sync.OnceValue(func() *node {
	root := new(node)
	for _, lang := range Languages {
		for group, phrases := range readLexicon(lang) {
			for _, phrase := range phrases {
				root.insert(phrase, Match{Group: group, Language: lang})
			}
		}
	}
	for _, b := range Brands() {
		for _, name := range b.Names {
			root.insert(name.Text, Match{Brand: b, Name: name.Text, Ambiguous: name.Ambiguous})
		}
	}
	return root
})

// readLexicon reads one language's file; that it can be read is tested.
func readLexicon(lang string) map[Group][]string {
	data, err := lexiconFiles.ReadFile("lexicon/" + lang + ".toml")
	if err != nil {
		return nil
	}
	var file map[Group]struct{ Phrases []string }
	if _, err := toml.Decode(string(data), &file); err != nil {
		return nil
	}
	phrases := make(map[Group][]string, len(file))
	for group, list := range file {
		phrases[group] = list.Phrases
	}
	return phrases
}

// Scan finds the phrases and names in text, from left to right; of those that
// begin at one place only the longest. Case, accents, invisible characters and
// what stands between words do not matter.
func Scan(text string) []Match {
	if len(text) > MaxScan {
		text = strings.ToValidUTF8(text[:MaxScan], "")
	}
	root := dictionary()
	var (
		found []Match
		buf   [64]byte
	)
	for from := 0; ; {
		start, end := word(text, from)
		if start < 0 {
			return found
		}
		from = end
		at := root.next[string(appendFolded(buf[:0], text[start:end]))]
		if at == nil {
			continue
		}
		last, lastEnd := at.here, end
		for at.next != nil {
			s, e := word(text, end)
			if s < 0 || s-end > 3 {
				break
			}
			if at = at.next[string(appendFolded(buf[:0], text[s:e]))]; at == nil {
				break
			}
			if end = e; at.here != nil {
				last, lastEnd = at.here, e
			}
		}
		for _, m := range last {
			m.Start, m.End = start, lastEnd
			found = append(found, m)
			from = lastEnd
		}
	}
}
