package learning

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
)

// Report is what an evaluation found.
type Report struct {
	// Corpus is the SHA-256 of the collection, Mails how many it has by class.
	Corpus string         `json:"corpus"`
	Mails  map[string]int `json:"mails"`
	Prior  Prior          `json:"prior"`
	// Unseen leaves out each source of honest mail in turn, and with it a half
	// of the campaigns; weights, calibration and thresholds come from the rest.
	Unseen []Trial `json:"unseen,omitempty"`
	// Known leaves out a fifth of the campaigns, of the near-duplicates and of
	// the products of made mail; every source is known.
	Known []Trial `json:"known,omitempty"`
	// Curve is what the models of Unseen would flag at other thresholds: what
	// more fraud costs.
	Curve []Point `json:"curve,omitempty"`
	// Given is a given model on everything; of the collection that it was
	// learned from that says little.
	Given []Trial `json:"given"`
	Model string  `json:"model"`
}

// Trial is one model, or several that were tried in turn, on mail in one view.
type Trial struct {
	Name string `json:"name"` // the source that was left out, or "all"
	View string `json:"view"`
	// Fraud and Spam count near-duplicate clusters, Honest mails by slice.
	Fraud  Share   `json:"fraud"`
	Spam   Share   `json:"spam"`
	Honest []Share `json:"honest"`
	// AUC is the chance that a fraud scores higher than an honest mail, every
	// source having the same mass; Calibration the expected calibration error
	// under the prior, in ten bins.
	AUC         float64 `json:"auc"`
	Calibration float64 `json:"calibration"`
	// Automatic is the share of fraud clusters called so without a person.
	// Precise is how much of what is called so is fraud, of all that was
	// tested; Honestly the same without spam.
	Automatic Share   `json:"automatic"`
	Precise   Share   `json:"precise"`
	Honestly  Share   `json:"honestly"`
	Threshold float64 `json:"threshold"` // the mean of the models'
	Sure      float64 `json:"sure"`
}

// outcome is one view of a mail, judged by a model that had not seen it.
type outcome struct {
	scored
	name           string // of the trial
	flagged, alone bool
	weight         float64 // of this outcome among those of its mail
	fraudAt, sure  float64
}

// folds is in how many parts known sources are cut.
const folds = 5

// Evaluate measures a given model on a collection and, unless it shall be
// quick, what Choose makes of that collection.
func Evaluate(ctx context.Context, c *corpus.Corpus, given *model.Model, prior Prior, quick bool) (*Report, error) {
	examples, err := Examples(ctx, c.Mails)
	if err != nil {
		return nil, err
	}
	r := &Report{Corpus: c.Hash, Mails: make(map[string]int), Prior: prior, Model: given.Version}
	for i := range examples {
		r.Mails[string(examples[i].Class)]++
	}
	for v := range views {
		r.Given = append(r.Given, trial("", v, apply(given, examples, "", 1, func(*Example) bool { return true }), prior))
	}
	if quick {
		return r, nil
	}
	unseen, err := unseenSources(ctx, examples, prior)
	if err != nil {
		return nil, err
	}
	known, err := knownSources(ctx, examples, prior)
	if err != nil {
		return nil, err
	}
	for v := range views {
		for _, source := range sourcesOf(examples) {
			r.Unseen = append(r.Unseen, trial(source, v, unseen, prior))
		}
		r.Unseen = append(r.Unseen, trial("", v, unseen, prior))
		r.Known = append(r.Known, trial("", v, known, prior))
		r.Curve = append(r.Curve, curve(v, unseen)...)
	}
	return r, nil
}

// unseenSources leaves out every source of honest mail with every half of the
// suspicious mail.
func unseenSources(ctx context.Context, examples []Example, prior Prior) ([]outcome, error) {
	sources := sourcesOf(examples)
	return inTurn(ctx, len(sources)*parts, func(k int) []outcome {
		source, part := sources[k/parts], k%parts
		// Another cut than the one by which thresholds are chosen.
		held := func(e *Example) bool {
			return e.Class == corpus.Honest && e.Source == source || e.suspicious() && e.fold(2*parts)/parts == part
		}
		m := Choose(without(examples, held), prior)
		return apply(m, examples, source, parts, held)
	})
}

// knownSources leaves out every fifth of all mail.
func knownSources(ctx context.Context, examples []Example, prior Prior) ([]outcome, error) {
	return inTurn(ctx, folds, func(k int) []outcome {
		held := func(e *Example) bool { return e.fold(folds) == k }
		return apply(Choose(without(examples, held), prior), examples, "", 1, held)
	})
}

// inTurn does n things on all processors and joins the results in order.
func inTurn(ctx context.Context, n int, do func(int) []outcome) ([]outcome, error) {
	var (
		mu      sync.Mutex
		results = make([][]outcome, n)
	)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for k := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			found := do(k)
			mu.Lock()
			defer mu.Unlock()
			results[k] = found
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(results...), err
}

func without(examples []Example, held func(*Example) bool) []Example {
	return slices.DeleteFunc(slices.Clone(examples), func(e Example) bool { return held(&e) })
}

// apply judges the held examples by a model. Honest mail is judged by several
// models in turn where suspicious mail was cut in parts; it then counts for
// that much less.
func apply(m *model.Model, examples []Example, name string, turns int, held func(*Example) bool) []outcome {
	var out []outcome
	for i := range examples {
		e := &examples[i]
		if !held(e) || e.Class == corpus.Unread {
			continue
		}
		weight := 1.0
		if e.Class == corpus.Honest {
			weight = 1 / float64(turns)
		}
		for v := range e.views {
			j := e.views[v].judge(m)
			out = append(out, outcome{
				scored: scored{e: e, view: View(v), judged: j}, name: name, weight: weight,
				flagged: j.fraud >= m.Fraud, alone: j.sure >= m.Sure && j.sure > 0, fraudAt: m.Fraud, sure: m.Sure,
			})
		}
	}
	return out
}
