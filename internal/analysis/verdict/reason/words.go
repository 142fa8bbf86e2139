package reason

import (
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// wordCodes gives each group of phrases its reason. Click and Secret have
// none of their own: honest mail says them as often.
var wordCodes = map[reference.Group]string{
	reference.Urgency:     "words-urgency",
	reference.Threat:      "words-threat",
	reference.Suspension:  "words-suspension",
	reference.Credentials: "words-credentials",
	reference.Payment:     "words-payment",
	reference.Invoice:     "words-invoice",
	reference.Reward:      "words-reward",
	reference.Refund:      "words-refund",
	reference.Delivery:    "words-delivery",
	reference.Bank:        "words-bank",
	reference.Tax:         "words-government",
	reference.Helpdesk:    "words-helpdesk",
	reference.Advance:     "words-advance",
	reference.Extortion:   "words-extortion",
	reference.Job:         "words-job",
	reference.Friend:      "words-friend",
	reference.Romance:     "words-romance",
	reference.Crypto:      "words-crypto",
	reference.Greeting:    "words-greeting",
	reference.Advertising: "words-advertising",
}

// full is how many different phrases of a group make its reason hold fully;
// strengths is what fewer make of it. What stands beyond the first near bytes
// of a text counts for far of a phrase: a lure speaks at once, and a long
// newsletter says something of everything.
const (
	full = 3
	near = 2000
	far  = 0.4
)

var strengths = [full + 1]float64{0, 0.4, 0.7, 1}

// strength is what phrases that count for n make of a reason.
func strength(n float64) float64 {
	if n >= full {
		return 1
	}
	whole := int(n)
	return strengths[whole] + (n-float64(whole))*(strengths[whole+1]-strengths[whole])
}

// words looks at what the texts say. The sender's name is read too: many lures
// speak there.
func (x *exam) words() {
	type seen struct {
		phrases [full]string
		count   int
		counts  float64
		part    string
		whole   string
		match   reference.Match
	}
	groups := make(map[reference.Group]*seen, 8)
	look := func(part, whole string, matches []reference.Match) {
		for _, m := range matches {
			if m.Group == "" || wordCodes[m.Group] == "" {
				continue
			}
			phrase := reference.Fold(whole[m.Start:m.End])
			s := groups[m.Group]
			if s == nil {
				s = &seen{part: part, whole: whole, match: m}
				groups[m.Group] = s
			}
			known := s.count >= full
			for i := 0; i < s.count && !known; i++ {
				known = s.phrases[i] == phrase
			}
			if !known {
				s.phrases[s.count] = phrase
				s.count++
				if m.Start < near {
					s.counts++
				} else {
					s.counts += far
				}
			}
		}
	}
	for i := range x.texts {
		look(x.texts[i].part, x.texts[i].value, x.texts[i].matches)
	}
	if name := x.from.Name; name != "" && len(name) <= 500 {
		look("from", Mailbox(x.from), reference.Scan(name))
	}
	for _, group := range reference.Groups() {
		s := groups[group]
		if s == nil {
			continue
		}
		r := at(wordCodes[group], s.part, s.whole, s.match.Start, s.match.End, nil)
		r.Params = params("Words", r.Evidence)
		r.Strength = strength(s.counts)
		x.add(r)
	}
}
