package learning

import (
	"cmp"
	"math"
	"slices"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
	"github.com/belfry-centre/belfry/internal/learning/fit"
)

// The aims by which thresholds are chosen, on sources that were left out.
const (
	large     = 80    // mails from which on a slice's share means something
	flagged   = 0.01  // of any large slice of honest mail
	spamShare = 0.1   // of spam, by cluster
	wrong     = 0.005 // of what is said without a person
	parts     = 2     // of the suspicious mail, in turn left out together with a source
)

// scored is one view of a mail judged by a model that saw neither the mail's
// source, where that is honest, nor its campaign.
type scored struct {
	e    *Example
	view View
	judged
	mass float64
}

// Choose builds a model the whole way: weights on all examples; calibration
// and thresholds on scores of each source of honest mail, and of a part of the
// suspicious, by models that did not see them.
func Choose(examples []Example, prior Prior) *model.Model {
	out := leftOut(examples, prior)
	slope, shift := calibrate(out)
	for i := range out {
		out[i].recalibrate(slope, shift)
	}
	m := scaled(fitModel(examples, prior), slope, shift)
	m.Fraud = threshold(out)
	m.Sure = math.Max(m.Fraud, certain(out, m.Fraud))
	return m
}

// leftOut judges every source of honest mail by a model learned without it,
// and each part of the suspicious mail by all models that were learned without
// that part.
func leftOut(examples []Example, prior Prior) []scored {
	mass := masses(examples, prior)
	var out []scored
	sources := sourcesOf(examples)
	for _, source := range sources {
		for part := range parts {
			var seen []Example
			for i := range examples {
				e := &examples[i]
				if e.Class == corpus.Honest && e.Source != source || e.suspicious() && e.fold(parts) != part {
					seen = append(seen, *e)
				}
			}
			m := fitModel(seen, prior)
			for i := range examples {
				e := &examples[i]
				share := mass[i] / float64(views)
				switch {
				case e.Class == corpus.Honest && e.Source == source:
					share /= parts
				case e.suspicious() && e.fold(parts) == part:
					share /= float64(len(sources))
				default:
					continue
				}
				for v := range e.views {
					out = append(out, scored{e, View(v), e.views[v].judge(m), share})
				}
			}
		}
	}
	return out
}

func (e *Example) suspicious() bool { return e.Class == corpus.Fraud || e.Class == corpus.Spam }

func sourcesOf(examples []Example) []string {
	var sources []string
	for i := range examples {
		if e := &examples[i]; e.Class == corpus.Honest && !slices.Contains(sources, e.Source) {
			sources = append(sources, e.Source)
		}
	}
	slices.Sort(sources)
	return sources
}

// calibrate finds the line that turns log-odds into those of the truth
// (Platt 1999).
func calibrate(out []scored) (slope, shift float64) {
	p := &fit.Problem{
		Columns: make([][]fit.Cell, 2),
		Priors:  []fit.Prior{{Precision: 0.01, Low: -20, High: 20}, {Mean: 1, Precision: 0.01, Low: 0.1, High: 5}},
	}
	for i := range out {
		row := int32(i)
		p.Mass = append(p.Mass, total*out[i].mass)
		p.Positive = append(p.Positive, out[i].e.Class == corpus.Fraud)
		p.Columns[0] = append(p.Columns[0], fit.Cell{Row: row, Value: 1})
		p.Columns[1] = append(p.Columns[1], fit.Cell{Row: row, Value: float32(logit(out[i].score))})
	}
	w := fit.Solve(p)
	return w[1], w[0]
}

func (s *scored) recalibrate(slope, shift float64) {
	for _, score := range []*float64{&s.score, &s.fraud, &s.sure} {
		if *score > 0 {
			*score = verdict.Most / (1 + math.Exp(-slope*logit(*score)-shift))
		}
	}
}

// threshold is the least score at which no large slice of honest mail, and not
// too much spam, is called fraud in either view.
func threshold(out []scored) float64 {
	type pile struct {
		scores []float64
		share  float64
	}
	piles := make(map[string]*pile)
	for i := range out {
		s := &out[i]
		name, share := s.e.slice(), flagged
		switch s.e.Class {
		case corpus.Fraud:
			continue
		case corpus.Spam:
			share = spamShare
		}
		name += " " + s.view.String()
		if piles[name] == nil {
			piles[name] = &pile{share: share}
		}
		piles[name].scores = append(piles[name].scores, s.fraud)
	}
	least := 0.5
	for _, p := range piles {
		if len(p.scores) < large*parts {
			continue
		}
		slices.Sort(p.scores)
		least = math.Max(least, p.scores[len(p.scores)-1-int(p.share*float64(len(p.scores)))])
	}
	return above(least)
}

// slice is what is counted as one: a slice of a source, or all products of made
// mail together.
func (e *Example) slice() string {
	if e.Source == corpus.Multi {
		return e.Source
	}
	return e.Source + " " + e.Slice
}

// above is the next score that is shown differently.
func above(score float64) float64 { return math.Min(math.Floor(1e4*score+1)/1e4, 1) }

// certain is the least score at which hardly anything that is called fraud
// without a person is not.
func certain(out []scored, least float64) float64 {
	size := make(map[string]float64)
	for i := range out {
		size[out[i].e.Cluster+out[i].view.String()]++
	}
	sure := slices.DeleteFunc(slices.Clone(out), func(s scored) bool { return s.sure < least })
	slices.SortFunc(sure, func(a, b scored) int { return cmp.Compare(b.sure, a.sure) })
	best, right, bad := 1.0, 0.0, 0.0
	for i := range sure {
		share := 1 / size[sure[i].e.Cluster+sure[i].view.String()]
		if sure[i].e.Class == corpus.Fraud {
			right += share
		} else {
			bad += share
		}
		last := i+1 == len(sure) || sure[i+1].sure < sure[i].sure
		if last && bad <= wrong*(right+bad) {
			best = math.Floor(1e4*sure[i].sure) / 1e4
		}
	}
	return best
}
