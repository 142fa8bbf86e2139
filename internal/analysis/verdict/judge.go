package verdict

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
)

// The measures of the judgement.
const (
	// counts is the least weight with which a kind of evidence counts as one.
	counts = 0.4
	// little is the same of learned words.
	little = 0.2
	// innocence is the most that evidence of innocence takes away: what is
	// cheap to forge must not outweigh fraud.
	innocence = -3.0
	// harmless is the score under which verified evidence of innocence makes
	// a message legitimate.
	harmless = 0.1
	// advertising is the strength from which on advertising makes spam.
	advertising = 0.7
)

// Findings are the reasons and words found in one message, before anything is
// weighed.
type Findings struct {
	c     Case
	found reason.Found
	words []model.Word
}

// Look finds what there is to be weighed in a case.
func Look(c Case, ev Evidence) Findings {
	f := Findings{c: c, found: reason.Find(c, ev)}
	texts := make([]string, len(f.found.Texts))
	for i := range f.found.Texts {
		texts[i] = f.found.Texts[i].Value
	}
	f.words = model.Words(texts...)
	return f
}

// Reasons returns what was found, without weights.
func (f *Findings) Reasons() []Reason { return f.found.Reasons }

// Words returns the content words.
func (f *Findings) Words() []model.Word { return f.words }

// Judge weighs the reasons for and against fraud in one message. It is pure:
// the same case and evidence give the same assessment.
func Judge(c Case, ev Evidence) Assessment {
	f := Look(c, ev)
	m := ev.Model
	if m == nil {
		m = model.Default()
	}
	return f.Judge(m)
}

// Judge weighs the findings by a model.
func (f *Findings) Judge(m *model.Model) Assessment {
	a := Assessment{Verdict: Unclear, Rules: Rules, Model: m.Version, Language: f.c.Language}
	a.Reasons = append(append(make([]Reason, 0, len(f.found.Reasons)+2), f.found.Reasons...), f.learned(m)...)
	w := weigh(a.Reasons, m)
	a.Score = w.score()
	a.Brand = brandOf(f.found)
	slices.SortStableFunc(a.Reasons, func(x, y Reason) int { return cmp.Compare(math.Abs(y.Weight), math.Abs(x.Weight)) })
	switch {
	case !f.found.Readable:
		a.Score = 0
	case a.Score >= m.Fraud && w.kinds >= 2 && has(f.found.Reasons, "brand-own-sender") && !w.known:
		// An organisation's own domain, verified, and full of fraud: its
		// account may be in other hands, or our reading wrong. For a person.
	case a.Score >= m.Fraud && w.kinds >= 2:
		a.Verdict = w.says()
		a.Automatic = a.Score >= m.Sure && w.kinds >= 2 || w.known
	case legitimate(f.c, f.found, w):
		a.Verdict = Legitimate
		a.Automatic = automatic(f.c, f.found)
	case w.advertising >= advertising && a.Score < m.Fraud:
		a.Verdict = Spam
	}
	return a
}

// shown is how many words a reason of the model names.
const shown = 4

// learned makes reasons of the words that the model knows: one of those that
// speak for fraud and one of those that speak against it.
func (f *Findings) learned(m *model.Model) []Reason {
	fraud, honest, sumFraud, sumHonest := m.Weigh(f.words)
	var reasons []Reason
	add := func(code string, words []model.Weighed, sum float64) {
		row, _ := rowOf(code)
		strength := math.Min(1, sum/row.Weight)
		if strength < 0.01 {
			return
		}
		names := make([]string, 0, shown)
		for _, w := range words[:min(shown, len(words))] {
			names = append(names, f.found.Texts[w.Text].Value[w.Start:w.End])
		}
		w := words[0]
		r := reason.At(code, f.found.Texts[w.Text], w.Start, w.End, "Words", strings.Join(names, ", "))
		r.Strength = strength
		reasons = append(reasons, r)
	}
	add("model-words", fraud, sumFraud)
	add("model-words-honest", honest, sumHonest)
	return reasons
}

// weights is the sum of the evidence.
type weights struct {
	prior   float64             // before any reason
	fraud   float64             // evidence of it, not below zero
	against float64             // of innocence, not above zero
	weights map[Verdict]float64 // for fraud, by the verdict that it speaks for
	kinds   int                 // independent kinds of evidence of fraud
	known   bool                // an indicator names it

	advertising float64 // strength
	advert      float64 // what it takes away: advertising is no fraud
}

// kind is what makes two reasons one kind of evidence: the family and, among
// words, what they are for; the tale of a scam and the pressure put on its
// reader are two.
type kind struct {
	family reason.Family
	says   Verdict
}

// weigh sets the weight of every reason and sums them up.
func weigh(reasons []Reason, m *model.Model) weights {
	w := weights{prior: m.Intercept, weights: make(map[Verdict]float64, 4)}
	kinds := make(map[kind]float64, 8)
	for i := range reasons {
		r := &reasons[i]
		row, ok := rowOf(r.Code)
		if !ok {
			continue
		}
		r.Weight = math.Round(100*m.Reason(r.Code, row.Weight)*r.Strength) / 100
		switch {
		case row.Says == Spam:
			w.advertising, w.advert = r.Strength, r.Weight
			continue
		case row.Weight < 0:
			w.against += r.Weight
			continue
		}
		w.fraud += r.Weight
		w.weights[row.Says] += r.Weight
		k := kind{family: row.Family}
		if row.Family == reason.Words {
			k.says = row.Says
		}
		kinds[k] += math.Max(row.Weight*r.Strength, r.Weight)
		w.known = w.known || r.Code == "known-malicious"
	}
	for k, sum := range kinds {
		if sum >= counts-1e-9 || k.family == reason.Learned && sum >= little {
			w.kinds++
		}
	}
	if w.known {
		w.kinds++ // somebody saw it before: a kind of evidence that needs no second
	}
	return w
}

// Most is the greatest score: those who read the mail that all this was
// learned from agreed no more often.
const Most = 0.99

// score turns the sum into a probability.
func (w *weights) score() float64 {
	sum := w.prior + w.fraud + math.Max(w.against, innocence) + w.advert
	return math.Round(1e4*Most/(1+math.Exp(-sum))) / 1e4
}

// says returns the verdict for a message that is fraud: malware where the
// evidence of it outweighs the rest, otherwise scam or phishing, whichever
// more speaks for.
func (w *weights) says() Verdict {
	switch phishing, scam, malware := w.weights[Phishing], w.weights[Scam], w.weights[Malware]; {
	case malware >= 1.5 && malware >= phishing && malware >= scam:
		return Malware
	case scam > phishing:
		return Scam
	}
	return Phishing
}

// legitimate asks for positive evidence that was verified: an organisation
// that is known, by its own domain, under aligned authentication, and nothing
// that speaks for fraud. A low score is not evidence.
func legitimate(c Case, found reason.Found, w weights) bool {
	if c.Original.How == original.Inline || c.Original.How == original.Pasted || c.Original.How == original.Pictured {
		return false
	}
	if found.Checked == nil || !found.Checked.Aligned || w.against > -1.5 || w.score() > harmless {
		return false
	}
	return has(found.Reasons, "brand-own-sender") || has(found.Reasons, "known-sender")
}

// automatic says of a legitimate message whether that is sure enough: every
// link leads back to the sender, who is on the operator's own list.
func automatic(c Case, found reason.Found) bool {
	return (c.Original.How == original.Attached || c.Original.How == original.Itself) &&
		found.OwnLinks == found.Links && has(found.Reasons, "known-sender")
}

func has(reasons []Reason, code string) bool {
	return slices.ContainsFunc(reasons, func(r Reason) bool { return r.Code == code })
}

// brandOf returns the brand that is imitated, or that the message speaks for.
func brandOf(found reason.Found) string {
	for _, r := range found.Reasons {
		if r.Brand != "" {
			return r.Brand
		}
	}
	if found.Claimed != nil {
		return found.Claimed.ID
	}
	return ""
}

func rowOf(code string) (Row, bool) {
	for i := range table {
		if table[i].Code == code {
			return table[i], true
		}
	}
	return Row{}, false
}
