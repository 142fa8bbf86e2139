package learning

import (
	"context"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
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
