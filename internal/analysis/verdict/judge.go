package verdict

import (
	"cmp"
	"math"
	"slices"

	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
)

// The measures of the judgement.
const (
	// prior is the log-odds of fraud before any reason is seen.
	prior = -2.4
	// fraudulent is the score from which on a message is called fraud, when
	// two kinds of evidence say so; sure is the one from which on that is
	// said without a person.
	fraudulent = 0.6
	sure       = 0.97
	// counts is the least weight with which a kind of evidence counts as one.
	counts = 0.4
	// innocence is the most that evidence of innocence takes away: what is
	// cheap to forge must not outweigh fraud.
	innocence = -2.0
	// harmless is the score under which verified evidence of innocence makes
	// a message legitimate.
	harmless = 0.1
	// advertising is the strength from which on advertising makes spam.
	advertising = 0.7
)

// ceiling bounds what one family adds, so that no single kind of evidence
// decides alone.
var ceiling = map[reason.Family]float64{
	reason.Authentication: 1,
	reason.Sender:         3,
	reason.Brand:          3.6,
	reason.Link:           2.2,
	reason.Markup:         2.4,
	reason.Attachment:     3,
	reason.Words:          4.2,
	reason.Knowledge:      4,
}

// Judge weighs the reasons for and against fraud in one message. It is pure:
// the same case and evidence give the same assessment.
func Judge(c Case, ev Evidence) Assessment {
	found := reason.Find(c, ev)
	a := Assessment{Verdict: Unclear, Rules: Rules, Language: c.Language, Reasons: found.Reasons}
	w := weigh(a.Reasons)
	a.Score = w.score()
	a.Brand = brandOf(found)
	slices.SortStableFunc(a.Reasons, func(x, y Reason) int { return cmp.Compare(math.Abs(y.Weight), math.Abs(x.Weight)) })
	switch {
	case !found.Readable:
		a.Score = 0
	case a.Score >= fraudulent && w.kinds >= 2:
		a.Verdict = w.says()
		a.Automatic = a.Score >= sure && w.kinds >= 3 || w.known
	case legitimate(c, found, w):
		a.Verdict = Legitimate
		a.Automatic = automatic(c, found)
	case w.advertising >= advertising && w.weights[Spam] > 0 && a.Score < fraudulent:
		a.Verdict = Spam
	}
	return a
}

// weights is the sum of the evidence.
type weights struct {
	families map[reason.Family]float64
	against  float64             // of innocence, not above zero
	weights  map[Verdict]float64 // for fraud, by the verdict that it speaks for
	kinds    int                 // independent kinds of evidence of fraud
	known    bool                // an indicator names it

	advertising float64 // strength
}

// kind is what makes two reasons one kind of evidence: the family and, among
// words, what they are for; the tale of a scam and the pressure put on its
// reader are two.
type kind struct {
	family reason.Family
	says   Verdict
}

// weigh sets the weight of every reason and sums them up.
func weigh(reasons []Reason) weights {
	w := weights{families: make(map[reason.Family]float64, 8), weights: make(map[Verdict]float64, 4)}
	kinds := make(map[kind]float64, 8)
	for i := range reasons {
		r := &reasons[i]
		row, ok := rowOf(r.Code)
		if !ok {
			continue
		}
		r.Weight = math.Round(100*row.Weight*r.Strength) / 100
		if row.Weight < 0 {
			w.against += r.Weight
			continue
		}
		w.families[row.Family] += r.Weight
		w.weights[row.Says] += r.Weight
		k := kind{family: row.Family}
		if row.Family == reason.Words {
			k.says = row.Says
		}
		kinds[k] += r.Weight
		switch r.Code {
		case "known-malicious":
			w.known = true
		case "words-advertising":
			w.advertising = r.Strength
		}
	}
	for k, sum := range kinds {
		if sum >= counts-1e-9 && k.says != Spam {
			w.kinds++
		}
	}
	if w.known {
		w.kinds++ // somebody saw it before: a kind of evidence that needs no second
	}
	return w
}

// score turns the sum into a probability.
func (w *weights) score() float64 {
	sum := prior + math.Max(w.against, innocence)
	for _, family := range families {
		sum += math.Min(w.families[family], ceiling[family])
	}
	return math.Round(1e4/(1+math.Exp(-sum))) / 1e4
}

// families in a fixed order: sums of floats depend on it.
var families = [...]reason.Family{
	reason.Authentication, reason.Sender, reason.Brand, reason.Link, reason.Markup, reason.Attachment, reason.Words, reason.Knowledge,
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
