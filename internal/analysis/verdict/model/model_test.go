package model_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

func small() *model.Model {
	return &model.Model{
		Format: 1, Version: "test", Origin: "own words", Licence: "CC0-1.0", Fraud: 0.7, Sure: 0.95, Intercept: -1,
		Reasons: map[string]float64{"words-reward": 2}, Words: map[string]float64{"account": 1.5, "garden": -1},
	}
}

func TestFile(t *testing.T) {
	data, err := small().Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := model.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := small(); !reflect.DeepEqual(read.Words, want.Words) || read.Fraud != want.Fraud || read.Version != want.Version {
		t.Errorf("read %+v", read)
	}
	again, err := read.Encode()
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("written again it differs: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	data, err := small().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another format":  {`"format": 1`, `"format": 2`},
		"no origin":       {`"own words"`, `""`},
		"unknown field":   {`"fraud"`, `"frauds"`},
		"threshold":       {`"fraud": 0.7`, `"fraud": 1.7`},
		"thresholds":      {`"sure": 0.95`, `"sure": 0.5`},
		"enormous weight": {`"account": 1.5`, `"account": 1e9`},
		"no JSON":         {`{`, `[`},
	} {
		changed := strings.Replace(string(data), change[0], change[1], 1)
		if changed == string(data) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := model.Parse([]byte(changed)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestDefault holds the built-in model against what it must not have: names
// of organisations, addresses, numbers, grammar.
func TestDefault(t *testing.T) {
	m := model.Default()
	if m.Version == "none" || len(m.Words) < 100 || m.Corpus == "" || m.Licence == "" {
		t.Fatalf("the built-in model is %s with %d words", m.Version, len(m.Words))
	}
	for stem := range m.Words {
		if len(stem) < 4 || len(stem) > 7 || strings.Trim(stem, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is no stem", stem)
		}
	}
	for _, b := range reference.Brands() {
		for _, n := range b.Names {
			if stem := reference.Fold(n.Text); !n.Ambiguous && len(stem) <= 7 && m.Words[stem] != 0 {
				t.Errorf("the model knows the name %q", n.Text)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"Please confirm your Accounts, account 12345":         "confirm account",
		"> quoted account\nconfirm":                           "confirm",
		"confirm\n-- \nPayment department":                    "confirm",
		"confirm\n_______________________________\nlist foot": "confirm",
		"write to payment@example.org or confirm":             "write confirm",
		"see https://example.org/payment/login and confirm":   "confirm",
		"Bestätigen Sie die Überweisung":                      "bestati uberwei",
		"with without have this that their":                   "",
		"платёж paiement":                                     "paiemen",
		"confirm.Payment":                                     "",
	} {
		var got []string
		for _, w := range model.Words(text) {
			got = append(got, w.Stem)
			if w.Start < 0 || w.End <= w.Start || w.End > len(text) {
				t.Errorf("%q: place %d to %d", text, w.Start, w.End)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWeigh(t *testing.T) {
	fraud, honest, sumFraud, sumHonest := small().Weigh(model.Words("Your account in the garden"))
	if len(fraud) != 1 || len(honest) != 1 || sumFraud <= 0 || sumHonest >= 0 || fraud[0].Stem != "account" {
		t.Errorf("%v %v %v %v", fraud, honest, sumFraud, sumHonest)
	}
	if w := small().Reason("words-reward", -1); w != -1 {
		t.Errorf("a weight with the other sign was taken: %v", w)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("Confirm\n> a@b\n-- \nx", "\xff\xfe ſtraße")
	f.Fuzz(func(t *testing.T, a, b string) {
		texts := []string{a, b}
		for _, w := range model.Words(texts...) {
			if w.Start < 0 || w.End > len(texts[w.Text]) || w.Start >= w.End || len(w.Stem) < 4 {
				t.Errorf("%+v", w)
			}
		}
	})
}
