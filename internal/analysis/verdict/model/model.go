package model

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
)

// Format is the version of the file format that this program reads.
const Format = 1

// MaxFile bounds a model file, in bytes.
const MaxFile = 4 << 20

// Model is what was learned, and from what.
type Model struct {
	// Format is the version of the file format.
	Format int `json:"format"`
	// Version names the model; an assessment says by which it was made.
	Version string `json:"version"`
	// Origin says in words what mail it was learned from, Licence under which
	// terms that mail and this file stand.
	Origin  string `json:"origin"`
	Licence string `json:"licence"`
	// Corpus is the SHA-256 of that mail (package corpus says of what).
	Corpus string `json:"corpus"`
	// Mails counts what it was learned from, by class.
	Mails map[string]int `json:"mails"`
	// Prior is the assumed share of each class among what is reported. A
	// score is the probability of fraud under it.
	Prior map[string]float64 `json:"prior"`

	// Fraud is the score from which on a message is called fraud, Sure the
	// one from which on that is said without a person. Both were chosen on
	// mail of sources that were left out of the learning.
	Fraud float64 `json:"fraud"`
	Sure  float64 `json:"sure"`
	// Intercept is the log-odds of fraud before any reason is seen.
	Intercept float64 `json:"intercept"`
	// Reasons holds what each reason adds to the log-odds at full strength. One
	// that is not named keeps the weight of the table of reasons.
	Reasons map[string]float64 `json:"reasons"`
	// Words holds what each content word adds, by stem, in a message of
	// ReferenceWords different ones: above zero evidence of fraud.
	Words map[string]float64 `json:"words"`
}

// ReferenceWords is how many different content words a message has in which a
// word weighs what the model says. In one with n of them it weighs
// √(ReferenceWords/n) times that, so that length is no evidence; shorter
// messages are taken for one of shortest.
const (
	ReferenceWords = 9
	shortest       = 16
)

// The greatest weights that a file may hold, and how many.
const (
	maxWeight = 20
	maxWords  = 50_000
)

// Parse reads a model file: one JSON object with the fields of Model. It
// refuses another format, unknown fields, and numbers that are none.
func Parse(data []byte) (*Model, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("a model file has at most %d MiB", MaxFile>>20)
	}
	var m Model
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("this is no model file: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return &m, nil
}

func (m *Model) check() error {
	switch {
	case m.Format != Format:
		return fmt.Errorf("the model file has format %d, this program reads %d", m.Format, Format)
	case m.Version == "" || m.Origin == "" || m.Licence == "":
		return fmt.Errorf("the model file does not say its version, origin and licence")
	case !within(m.Fraud, 0, 1) || !within(m.Sure, m.Fraud, 1):
		return fmt.Errorf("the model file's thresholds are not 0 ≤ fraud ≤ sure ≤ 1")
	case !within(m.Intercept, -maxWeight, maxWeight):
		return fmt.Errorf("the model file's intercept is no weight")
	case len(m.Words) > maxWords:
		return fmt.Errorf("the model file has more than %d words", maxWords)
	}
	for _, set := range []map[string]float64{m.Reasons, m.Words} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if !within(set[name], -maxWeight, maxWeight) {
				return fmt.Errorf("the model file's weight of %q is none", name)
			}
		}
	}
	return nil
}

func within(x, low, high float64) bool { return x >= low && x <= high } // false for NaN

// Encode writes m as a file, the same bytes for the same model. Weights keep
// three decimals; words that then weigh nothing are left out.
func (m *Model) Encode() ([]byte, error) {
	short := *m
	short.Format = Format
	short.Intercept = rounded(m.Intercept)
	short.Reasons, short.Words = rounding(m.Reasons, true), rounding(m.Words, false)
	if err := short.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(&short); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func rounding(weights map[string]float64, zeros bool) map[string]float64 {
	short := make(map[string]float64, len(weights))
	for name, w := range weights {
		if w = rounded(w); w != 0 || zeros {
			short[name] = w
		}
	}
	return short
}

func rounded(w float64) float64 { return math.Round(1000*w) / 1000 }

//go:embed data/default.json
var defaultFile []byte

// Default returns the model that is built in; docs/decisions/0009 tells what it
// was learned from. Callers do not change it.
var Default = sync.OnceValue(func() *Model {
	m, err := Parse(defaultFile)
	if err != nil {
		// A test reads the file, so this is no program that was released; what
		// follows then judges by the table alone.
		return &Model{Format: Format, Version: "none", Fraud: 1, Sure: 1, Intercept: -2.4}
	}
	return m
})

// Reason returns what a reason weighs at full strength: the model's weight
// where it has one with the sign of the table's, else the table's.
func (m *Model) Reason(code string, table float64) float64 {
	if w, ok := m.Reasons[code]; ok && w*table >= 0 {
		return w
	}
	return table
}

// Scale is what the words of a message with n different ones weigh against
// what the model says of each.
func Scale(n int) float64 { return math.Sqrt(ReferenceWords / float64(max(n, shortest))) }

// Weighed is a word with what it adds to the log-odds.
type Weighed struct {
	Word
	Weight float64
}

// Weigh returns the words that the model knows, those that speak for fraud
// and those against it, each the heaviest first, with their sums.
func (m *Model) Weigh(words []Word) (fraud, honest []Weighed, sumFraud, sumHonest float64) {
	scale := Scale(len(words))
	for _, w := range words {
		switch weight := scale * m.Words[w.Stem]; {
		case weight > 0:
			fraud = append(fraud, Weighed{w, weight})
			sumFraud += weight
		case weight < 0:
			honest = append(honest, Weighed{w, weight})
			sumHonest += weight
		}
	}
	heaviest := func(a, b Weighed) int {
		if d := math.Abs(b.Weight) - math.Abs(a.Weight); d > 0 {
			return 1
		} else if d < 0 {
			return -1
		}
		return a.Start - b.Start
	}
	slices.SortStableFunc(fraud, heaviest)
	slices.SortStableFunc(honest, heaviest)
	return fraud, honest, sumFraud, sumHonest
}
