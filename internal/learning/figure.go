package learning

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/belfry-centre/belfry/internal/learning/corpus"
)

// Share is how many of how many, with the interval in which the true share
// lies with 95 % confidence (Wilson 1927).
type Share struct {
	Name  string  `json:"name,omitempty"`
	Of    float64 `json:"of"`
	Count float64 `json:"count"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func shareOf(name string, count, of float64) Share {
	s := Share{Name: name, Of: of, Count: count}
	if of <= 0 {
		s.High = 1
		return s
	}
	const z = 1.959964
	p := count / of
	centre, spread := p+z*z/(2*of), z*math.Sqrt(p*(1-p)/of+z*z/(4*of*of))
	s.Share, s.Low, s.High = p, math.Max(0, (centre-spread)/(1+z*z/of)), math.Min(1, (centre+spread)/(1+z*z/of))
	return s
}

// trial sums up the outcomes of one view, of one trial or of all ("").
func trial(name string, view View, all []outcome, prior Prior) Trial {
	t := Trial{Name: name, View: view.String()}
	if name == "" {
		t.Name = "all"
	}
	mine := slices.DeleteFunc(slices.Clone(all), func(o outcome) bool { return o.view != view || name != "" && o.name != name })
	if len(mine) == 0 {
		return t
	}
	clusters := make(map[string]float64) // how many outcomes a cluster has
	for i := range mine {
		clusters[mine[i].e.Cluster]++
		t.Threshold += mine[i].fraudAt / float64(len(mine))
		t.Sure += mine[i].sure / float64(len(mine))
	}
	type count struct{ of, flagged, alone float64 }
	sums := make(map[string]*count)
	for i := range mine {
		o := &mine[i]
		names := []string{string(o.e.Class)}
		weight := 1 / clusters[o.e.Cluster]
		if o.e.Class == corpus.Honest {
			names, weight = []string{o.e.slice()}, o.weight
			if o.e.Source == corpus.Multi {
				names = append(names, "multi "+o.e.Language)
			}
		}
		for _, n := range names {
			c := sums[n]
			if c == nil {
				c = new(count)
				sums[n] = c
			}
			c.of += weight
			if o.flagged {
				c.flagged += weight
			}
			if o.alone {
				c.alone += weight
			}
		}
	}
	get := func(name string) count {
		if c := sums[name]; c != nil {
			return *c
		}
		return count{}
	}
	fraud, spam := get(string(corpus.Fraud)), get(string(corpus.Spam))
	honest := 0.0
	for _, n := range slices.Sorted(maps.Keys(sums)) {
		if n == string(corpus.Fraud) || n == string(corpus.Spam) {
			continue
		}
		c := sums[n]
		t.Honest = append(t.Honest, shareOf(n, c.flagged, c.of))
		if len(n) != len("multi nl") || n[:6] != "multi " {
			honest += c.alone
		}
	}
	t.Fraud, t.Spam = shareOf("", fraud.flagged, fraud.of), shareOf("", spam.flagged, spam.of)
	t.Automatic = shareOf("", fraud.alone, fraud.of)
	t.Precise = shareOf("", fraud.alone, fraud.alone+spam.alone+honest)
	t.Honestly = shareOf("", fraud.alone, fraud.alone+honest)
	weigh(mine, prior)
	t.AUC, t.Calibration = auc(mine), calibrationError(mine)
	return t
}

// weigh gives every outcome its mass under the prior: honest sources have the
// same, clusters of suspicious mail, too.
func weigh(mine []outcome, prior Prior) {
	clusters := make(map[string]float64)
	for i := range mine {
		clusters[mine[i].e.Cluster]++
	}
	sums := make(map[string]float64)
	own := func(o *outcome) float64 {
		if o.e.Class == corpus.Honest {
			return o.weight
		}
		return 1 / clusters[o.e.Cluster]
	}
	sources := make(map[string]bool)
	for i := range mine {
		sums[mine[i].e.group()] += own(&mine[i])
		if mine[i].e.Class == corpus.Honest {
			sources[mine[i].e.Source] = true
		}
	}
	for i := range mine {
		o := &mine[i]
		share := (1 - prior.Fraud - prior.Spam) / float64(max(len(sources), 1))
		switch o.e.Class {
		case corpus.Fraud:
			share = prior.Fraud
		case corpus.Spam:
			share = prior.Spam
		}
		o.mass = share * own(o) / sums[o.e.group()]
	}
}

// auc is the chance that a fraud scores higher than an honest mail; equal
// scores count half.
func auc(mine []outcome) float64 {
	order := slices.DeleteFunc(slices.Clone(mine), func(o outcome) bool { return o.e.Class == corpus.Spam })
	slices.SortFunc(order, func(a, b outcome) int { return cmp.Compare(a.score, b.score) })
	var below, won, fraud float64
	for i := 0; i < len(order); {
		j, honest, frauds := i, 0.0, 0.0
		for ; j < len(order) && order[j].score == order[i].score; j++ {
			if order[j].e.Class == corpus.Fraud {
				frauds += order[j].mass
			} else {
				honest += order[j].mass
			}
		}
		won += frauds * (below + honest/2)
		below, fraud, i = below+honest, fraud+frauds, j
	}
	if below == 0 || fraud == 0 {
		return 0
	}
	return won / (below * fraud)
}

// calibrationError is the mean distance between what scores say and what is
// so, over ten bins of scores.
func calibrationError(mine []outcome) float64 {
	var said, so, mass [10]float64
	total := 0.0
	for i := range mine {
		o := &mine[i]
		bin := min(int(10*o.score), 9)
		said[bin] += o.mass * o.score
		mass[bin] += o.mass
		total += o.mass
		if o.e.Class == corpus.Fraud {
			so[bin] += o.mass
		}
	}
	sum := 0.0
	for bin := range mass {
		sum += math.Abs(said[bin] - so[bin])
	}
	if total == 0 {
		return 0
	}
	return sum / total
}

// Point is what one threshold would flag.
type Point struct {
	View      string  `json:"view"`
	Threshold float64 `json:"threshold"`
	Fraud     float64 `json:"fraud"` // share of clusters
	Spam      float64 `json:"spam"`
	Worst     float64 `json:"worst"` // share of the large slice of honest mail that fares worst
	Slice     string  `json:"slice"` // which that is
}

// curve tries thresholds on outcomes of one view.
func curve(view View, all []outcome) []Point {
	var points []Point
	for _, at := range []float64{0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95} {
		moved := slices.Clone(all)
		for i := range moved {
			moved[i].flagged = moved[i].fraud >= at
		}
		t := trial("", view, moved, AssumedPrior)
		p := Point{View: view.String(), Threshold: at, Fraud: t.Fraud.Share, Spam: t.Spam.Share}
		for _, s := range t.Honest {
			if s.Of >= large && s.Share >= p.Worst {
				p.Worst, p.Slice = s.Share, s.Name
			}
		}
		points = append(points, p)
	}
	return points
}
