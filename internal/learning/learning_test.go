package learning

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
)

// collection is made mail of two honest sources and of fraud and advertising
// in campaigns of three.
func collection() *corpus.Corpus {
	var mails []corpus.Mail
	add := func(class corpus.Class, source string, i int, subject, body string) {
		id := fmt.Sprintf("%s/%s-%03d", class, source, i)
		cluster := id
		if class != corpus.Honest {
			cluster = fmt.Sprintf("%s campaign %d", class, i/3)
		}
		mails = append(mails, corpus.Mail{
			ID: id, Class: class, Source: source, Slice: source, Cluster: cluster, Label: string(class),
			Raw: []byte(fmt.Sprintf("From: Writer %d <w%d@host%d.example.org>\nTo: r@example.net\nSubject: %s\nContent-Type: text/plain; charset=utf-8\n\n%s\n", i, i, i%7, subject, body)),
		})
	}
	// Words apart from the label: each has its own share in every class.
	common := []string{"account", "payment", "garden", "meeting", "transfer", "please", "weather", "picture"}
	for i := range 90 {
		w := common[i%len(common)] + " " + common[i/3%len(common)]
		add(corpus.Fraud, "trap", i, "urgent: transfer", "Dear customer, your account has been suspended, the payment waits: transfer and "+w+" at https://bit.ly/x")
		add(corpus.Spam, "trap", 300+i, "free trial", "limited time offer, the best picture of the garden "+w)
		add(corpus.Honest, "club", i, "meeting", "the meeting about the garden and the weather, no account "+w)
		add(corpus.Honest, "shop", 100+i, "order", "thanks for the payment, the picture and the weather "+w)
	}
	return corpus.New(mails)
}

func TestTrain(t *testing.T) {
	train := func() *model.Model {
		m, err := Train(context.Background(), collection(), Origin{"test", "made mail", "CC0-1.0"}, AssumedPrior)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := train()
	if m.Words["transfe"] <= 0 || m.Words["garden"] >= 0 {
		t.Errorf("weights of transfer and garden: %v, %v", m.Words["transfe"], m.Words["garden"])
	}
	for _, name := range []string{"writer", "customer", "example"} {
		if m.Words[name] != 0 {
			t.Errorf("%q was learned", name)
		}
	}
	first, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	second, err := train().Encode()
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two runs differ: %v", err)
	}
}

func TestEvaluate(t *testing.T) {
	r, err := Evaluate(context.Background(), collection(), model.Default(), AssumedPrior, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Unseen) != 6 || len(r.Known) != 2 || len(r.Given) != 2 {
		t.Fatalf("%d, %d and %d trials", len(r.Unseen), len(r.Known), len(r.Given))
	}
	for _, trial := range append(r.Unseen, r.Known...) {
		if math.Abs(trial.Fraud.Of-30) > 1e-6 || math.Abs(trial.Spam.Of-30) > 1e-6 {
			t.Errorf("%s %s: of %v clusters of fraud and %v of spam", trial.Name, trial.View, trial.Fraud.Of, trial.Spam.Of)
		}
	}
	if got := r.Known[0]; got.AUC < 0.9 || got.Fraud.Share < 0.9 {
		t.Errorf("made mail is told apart badly: AUC %v, %v", got.AUC, got.Fraud.Share)
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil || strings.Contains(b.String(), "NaN") || !strings.Contains(b.String(), "| club | raw |") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestDecisions(t *testing.T) {
	var lines strings.Builder
	for i := range 20 {
		fmt.Fprintf(&lines, `{"id":"%d","label":"scam","campaign":"c%d","reporter":"r1"}`+"\n", i, i)
	}
	lines.WriteString(`{"path":"a/b.eml","label":"scam","campaign":"big"}` + "\n" + `{"path":"c.eml","label":"scam","campaign":"big"}` + "\n" + `{"id":"u","label":"unclear"}` + "\n")
	mails, err := ReadDecisions(strings.NewReader(lines.String()), func(string) ([]byte, error) { return []byte("Subject: x\n\ny"), nil })
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, m := range mails[:20] {
		sum += m.Weight
	}
	if len(mails) != 22 || math.Abs(sum-reporterCap) > 1e-9 {
		t.Errorf("%d mails, one reporter weighs %v", len(mails), sum)
	}
	if mails[20].Weight != 0.5 || mails[21].Cluster != mails[20].Cluster {
		t.Errorf("a campaign's mails weigh %v", mails[20].Weight)
	}
	for _, bad := range []string{`{"path":"../x","label":"scam"}`, `{"path":"/etc/x","label":"scam"}`, `{"label":"scam"}`, `no`, `{"id":"` + strings.Repeat("x", maxLine) + `"}`} {
		if _, err := ReadDecisions(strings.NewReader(bad), func(string) ([]byte, error) { return nil, nil }); err == nil {
			t.Errorf("%.40s was taken", bad)
		}
	}
}

func TestFigures(t *testing.T) {
	if s := shareOf("", 0, 300); math.Abs(s.High-0.01264) > 1e-4 || s.Low > 1e-9 {
		t.Errorf("none of 300: %v to %v", s.Low, s.High)
	}
	if s := shareOf("", 50, 100); math.Abs(s.Low-0.4038) > 1e-3 || math.Abs(s.High-0.5962) > 1e-3 {
		t.Errorf("50 of 100: %v to %v", s.Low, s.High)
	}
	make := func(class corpus.Class, score float64) outcome {
		e := &Example{Mail: &corpus.Mail{Class: class, Cluster: fmt.Sprint(class, score)}}
		return outcome{scored: scored{e: e, mass: 1, judged: judged{score: score}}, weight: 1}
	}
	all := []outcome{make(corpus.Fraud, 0.9), make(corpus.Fraud, 0.4), make(corpus.Honest, 0.4), make(corpus.Honest, 0.1)}
	if got := auc(all); got != 0.875 {
		t.Errorf("AUC %v", got)
	}
	if got := calibrationError(all); math.Abs(got-(0.1+0.2+0.1)/4) > 1e-9 {
		t.Errorf("calibration error %v", got)
	}
}
