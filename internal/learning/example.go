package learning

import (
	"context"
	"hash/fnv"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
	"github.com/belfry-centre/belfry/internal/learning/forward"
)

// View is a way in which a mail reaches a centre.
type View int

// The views.
const (
	Raw       View = iota // as it came
	Forwarded             // inline, as a person forwards it
	views
)

func (v View) String() string {
	if v == Forwarded {
		return "forwarded"
	}
	return "raw"
}

// Example is one mail, looked at in every view.
type Example struct {
	*corpus.Mail
	views [views]look
}

// look is what was found in one view of a mail.
type look struct {
	findings []verdict.Findings // of each original, at least one
	found    bool               // the original is what it should be
	language string
	html     bool
}

// maxOriginals bounds how many originals of one mail are judged.
const maxOriginals = 5

// Examples looks at every mail on all processors.
func Examples(ctx context.Context, mails []corpus.Mail) ([]Example, error) {
	examples := make([]Example, len(mails))
	group, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for k := range workers {
		group.Go(func() error {
			for i := k; i < len(mails); i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				m := &mails[i]
				plain := message.Parse(m.Raw, message.Limits{})
				forwarded := message.Parse(forward.Render(plain, forward.StyleOf(m.ID)), message.Limits{})
				examples[i] = Example{Mail: m, views: [views]look{examine(plain), examine(forwarded)}}
				examples[i].views[Raw].found = true
			}
			return nil
		})
	}
	return examples, group.Wait()
}

func examine(m *message.Message) look {
	var l look
	for i, o := range original.Find(m) {
		if i == maxOriginals {
			break
		}
		c := analysis.Case(o)
		l.findings = append(l.findings, verdict.Look(c, verdict.Evidence{}))
		l.language, l.html = c.Language, o.Message.Markup != nil
		l.found = o.How == original.Inline
	}
	return l
}

// judged is what a model says of one view, as far as figures need it: the
// score where the evidence is enough to call it fraud, or to do that without a
// person, and zero where it is not.
type judged struct {
	score       float64 // the probability of fraud
	fraud, sure float64
}

// judge lets a model judge a view, whatever its thresholds: the worst of the
// originals counts.
func (l *look) judge(m *model.Model) judged {
	open := *m
	open.Fraud, open.Sure = 0, 0
	var worst judged
	for i := range l.findings {
		a := l.findings[i].Judge(&open)
		if a.Score < worst.score || i > 0 && a.Score == worst.score {
			continue
		}
		worst = judged{score: a.Score}
		if a.Verdict.Malicious() {
			worst.fraud = a.Score
			if a.Automatic {
				worst.sure = a.Score
			}
		}
	}
	return worst
}

// fold cuts clusters, and the products of made mail, into n parts.
func (e *Example) fold(n int) int {
	key := e.Cluster
	if e.Source == corpus.Multi {
		key = e.Slice
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32()>>3) % n
}

// masses gives every example its weight in learning: each class its assumed
// share, each source of honest mail the same, and each mail of a cluster one
// over the root of its size.
func masses(examples []Example, prior Prior) []float64 {
	size := make(map[string]int)
	for i := range examples {
		size[examples[i].Cluster]++
	}
	own := make([]float64, len(examples))
	sums := make(map[string]float64)
	sources := make(map[string]bool)
	for i := range examples {
		e := &examples[i]
		if own[i] = e.Weight; own[i] == 0 {
			own[i] = 1 / math.Sqrt(float64(size[e.Cluster]))
		}
		sums[e.group()] += own[i]
		if e.Class == corpus.Honest {
			sources[e.Source] = true
		}
	}
	for i := range examples {
		e := &examples[i]
		share := 0.0
		switch e.Class {
		case corpus.Fraud:
			share = prior.Fraud
		case corpus.Spam:
			share = prior.Spam
		case corpus.Honest:
			share = (1 - prior.Fraud - prior.Spam) / float64(len(sources))
		}
		own[i] *= share / sums[e.group()]
	}
	return own
}

// group is what has one share of the mass.
func (e *Example) group() string {
	if e.Class == corpus.Honest {
		return "honest " + e.Source
	}
	return string(e.Class)
}
