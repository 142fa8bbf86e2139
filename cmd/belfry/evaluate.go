package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
	"github.com/belfry-centre/belfry/internal/learning"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// evaluateCmd is the verb "evaluate": it measures how well mail is judged.
type evaluateCmd struct {
	Corpus string  `help:"Folder of labelled mail: phish with labels.tsv beside it, ham, ham-synth, ham-multi." required:"" type:"existingdir" placeholder:"DIR"`
	Model  string  `help:"A model file to measure in place of the one built in." type:"existingfile" placeholder:"FILE"`
	Quick  bool    `help:"Measure the given model only; no learning."`
	JSON   bool    `help:"Print one JSON object."`
	Fraud  float64 `help:"Assumed share of fraud among what is reported." default:"0.5"`
	Spam   float64 `help:"Assumed share of advertising." default:"0.2"`
}

// Run measures, and prints the tables.
func (c *evaluateCmd) Run(ctx context.Context, s streams) error {
	prior, err := priorOf(c.Fraud, c.Spam)
	if err != nil {
		return err
	}
	given, err := modelFrom(c.Model)
	if err != nil {
		return err
	}
	collection, err := corpus.Read(c.Corpus)
	if err != nil {
		return err
	}
	report, err := learning.Evaluate(ctx, collection, given, prior, c.Quick)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", " ")
		return e.Encode(report)
	}
	return report.Write(s.out)
}

// modelFrom reads a model file; without one it is the model that is built in.
func modelFrom(path string) (*model.Model, error) {
	if path == "" {
		return model.Default(), nil
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > model.MaxFile {
		return nil, fault.New(fault.Invalid, "the model file cannot be read, or is too large")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Errorf(fault.NotFound, "the model file cannot be read: %v", err)
	}
	m, err := model.Parse(data)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, err.Error())
	}
	return m, nil
}
