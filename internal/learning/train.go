package learning

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
	"github.com/belfry-centre/belfry/internal/learning/fit"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Origin is what a model file says of itself.
type Origin struct{ Version, Origin, Licence string }

// least is how many mails of fraud and of honest sources learning asks for.
const least = 20

// Train builds a model from a collection.
func Train(ctx context.Context, c *corpus.Corpus, o Origin, prior Prior) (*model.Model, error) {
	counts := make(map[string]int)
	for i := range c.Mails {
		counts[string(c.Mails[i].Class)]++
	}
	if counts[string(corpus.Fraud)] < least || counts[string(corpus.Honest)] < least {
		return nil, fault.Errorf(fault.Invalid, "a model needs at least %d mails of fraud and %d honest ones; there are %d and %d",
			least, least, counts[string(corpus.Fraud)], counts[string(corpus.Honest)])
	}
	examples, err := Examples(ctx, c.Mails)
	if err != nil {
		return nil, err
	}
	if len(sourcesOf(examples)) < 2 {
		return nil, fault.New(fault.Invalid, "a model needs honest mail of at least two sources: thresholds are chosen on what was left out")
	}
	m := Choose(examples, prior)
	m.Version, m.Origin, m.Licence, m.Corpus = o.Version, o.Origin, o.Licence, c.Hash
	delete(counts, string(corpus.Unread))
	m.Mails = counts
	m.Prior = map[string]float64{"fraud": prior.Fraud, "spam": prior.Spam, "honest": 1 - prior.Fraud - prior.Spam}
	return m, nil
}

// Prior is the assumed share of each class among what people report; the rest
// is honest mail.
type Prior struct{ Fraud, Spam float64 }

// The settings of learning. They were chosen on the whole-source-out figures of
// the collection that docs/decisions/0009 names, and few of them matter much.
const (
	total       = 2000.0 // the mass of all examples together, in mails
	trust       = 3.0    // precision of the belief in a reason's weight
	doubt       = 1.0    // precision of the belief that a word says nothing
	maxReason   = 5.0    // greatest weight of a reason
	maxInnocent = 2.0    // the same of innocence
	maxWord     = 4.0    // greatest weight of a word, of either sign
	wordSources = 2      // sources of honest mail that must use a word
	wordFrauds  = 4      // clusters of suspicious mail that must use it
	lowerShare  = 0.4    // share of its uses that must be in lower case: names are not
	nameShare   = 0.8    // the same of a word that begins like an organisation's name
	lowerUses   = 5      // and how many
)

// AssumedPrior is what scores are calibrated for, unless another is asked for.
var AssumedPrior = Prior{Fraud: 0.5, Spam: 0.2}

// entry is a word that may be learned.
type entry struct {
	stem string
	// honest says that it may only speak against fraud.
	honest bool
}

// vocabulary chooses the words that may be learned: those that honest mail of
// several sources and several campaigns of suspicious mail use, in lower case.
// So it has no names, no language that honest mail here does not speak, and
// no product's own terms. What several campaigns of advertising use may only
// speak against fraud: it can make no honest mail suspicious.
func vocabulary(examples []Example) []entry {
	type use struct {
		sources, suspicious, spam map[string]bool
		all, lower                int
	}
	uses := make(map[string]*use)
	for i := range examples {
		e := &examples[i]
		for _, w := range e.views[Raw].findings[0].Words() {
			u := uses[w.Stem]
			if u == nil {
				u = &use{sources: make(map[string]bool), suspicious: make(map[string]bool), spam: make(map[string]bool)}
				uses[w.Stem] = u
			}
			u.all++
			if w.Lower {
				u.lower++
			}
			switch e.Class {
			case corpus.Honest:
				u.sources[e.Source] = true
			case corpus.Spam:
				u.spam[e.Cluster] = true
				u.suspicious[e.Cluster] = true
			case corpus.Fraud:
				u.suspicious[e.Cluster] = true
			}
		}
	}
	names := brandStems()
	var words []entry
	for stem, u := range uses {
		if whole, ok := names[stem]; ok && (whole || float64(u.lower) < nameShare*float64(u.all)) {
			continue
		}
		if u.lower < lowerUses || float64(u.lower) < lowerShare*float64(u.all) {
			continue
		}
		switch {
		case len(u.sources) >= wordSources && len(u.suspicious) >= wordFrauds:
			words = append(words, entry{stem, false})
		case len(u.spam) >= wordFrauds:
			words = append(words, entry{stem, true})
		}
	}
	slices.SortFunc(words, func(a, b entry) int { return cmp.Compare(a.stem, b.stem) })
	return words
}

// brandStems are the names of organisations as stems, and whether the stem is
// the whole name: the reasons know them, and a model shall not. What is also
// the beginning of a word stays where it is nearly always written as one.
func brandStems() map[string]bool {
	names := make(map[string]bool)
	for _, b := range reference.Brands() {
		for _, n := range b.Names {
			if words := model.Words(n.Text); !n.Ambiguous && len(words) == 1 {
				stem := words[0].Stem
				names[stem] = names[stem] || stem == reference.Fold(n.Text)
			}
		}
	}
	return names
}

// fitModel learns the weights of reasons and words. What is no evidence and
// would be learned through it, the language and the form of a mail, gets
// weights of its own, which are then thrown away.
func fitModel(examples []Example, prior Prior) *model.Model {
	p := new(fit.Problem)
	columns := make(map[string]int)
	column := func(name string, belief fit.Prior) {
		columns[name] = len(p.Columns)
		p.Columns = append(p.Columns, nil)
		p.Priors = append(p.Priors, belief)
	}
	column("intercept", fit.Prior{Mean: -2, Precision: 0.01, Low: -20, High: 20})
	for _, row := range verdict.Table() {
		belief := fit.Prior{Mean: row.Weight, Precision: trust, Low: 0, High: maxReason}
		if row.Weight < 0 {
			belief.Low, belief.High = -maxInnocent, 0
		}
		if row.Says == verdict.Spam {
			belief.Low = -maxReason
		}
		if row.Family != reason.Learned {
			column("reason "+row.Code, belief)
		}
	}
	words := vocabulary(examples)
	for _, w := range words {
		belief := fit.Prior{Precision: doubt, Low: -maxWord, High: maxWord}
		if w.honest {
			belief.High = 0
		}
		column("word "+w.stem, belief)
	}
	for _, nuisance := range nuisances {
		column(nuisance, fit.Prior{Precision: 1, Low: -maxWord, High: maxWord})
	}
	// Advertising counts for half of its share: that it is told from fraud
	// matters less than that honest mail is.
	mass := masses(examples, Prior{Fraud: prior.Fraud, Spam: prior.Spam / 2})
	for i := range examples {
		e := &examples[i]
		if mass[i] == 0 {
			continue
		}
		copies := 0
		for v := range e.views {
			if e.views[v].found {
				copies++
			}
		}
		for v := range e.views {
			l := &e.views[v]
			if !l.found {
				continue
			}
			row := int32(len(p.Mass))
			p.Mass = append(p.Mass, total*mass[i]/float64(copies))
			p.Positive = append(p.Positive, e.Class == corpus.Fraud)
			put := func(name string, value float64) {
				if j, ok := columns[name]; ok {
					p.Columns[j] = append(p.Columns[j], fit.Cell{Row: row, Value: float32(value)})
				}
			}
			put("intercept", 1)
			f := &l.findings[0]
			for _, r := range f.Reasons() {
				put("reason "+r.Code, r.Strength)
			}
			scale := model.Scale(len(f.Words()))
			for _, w := range f.Words() {
				put("word "+w.Stem, scale)
			}
			if l.html {
				put("form html", 1)
			}
			put("language "+l.language, 1)
		}
	}
	weights := fit.Solve(p)
	m := &model.Model{Format: model.Format, Fraud: 0.5, Sure: 1, Intercept: weights[0], Reasons: make(map[string]float64), Words: make(map[string]float64)}
	for _, row := range verdict.Table() {
		if j, ok := columns["reason "+row.Code]; ok {
			m.Reasons[row.Code] = weights[j]
		}
	}
	for _, w := range words {
		if weight := weights[columns["word "+w.stem]]; weight != 0 {
			m.Words[w.stem] = weight
		}
	}
	return m
}

// nuisances are what gets weights that are thrown away.
var nuisances = []string{"form html", "language nl", "language fr", "language de", "language en"}

// scaled multiplies all that a model knows by slope and moves it by shift, so
// that its scores are probabilities.
func scaled(m *model.Model, slope, shift float64) *model.Model {
	c := *m
	c.Intercept = slope*m.Intercept + shift
	c.Reasons, c.Words = maps.Clone(m.Reasons), maps.Clone(m.Words)
	for code := range c.Reasons {
		c.Reasons[code] *= slope
	}
	for w := range c.Words {
		c.Words[w] *= slope
	}
	return &c
}

// logit is the log-odds behind a score, kept finite.
func logit(score float64) float64 {
	p := math.Min(math.Max(score/verdict.Most, 1e-4), 1-1e-4)
	return math.Log(p / (1 - p))
}
