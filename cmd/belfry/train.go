package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/belfry-centre/belfry/internal/learning"
	"github.com/belfry-centre/belfry/internal/learning/corpus"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// trainCmd is the verb "train": it builds the model from labelled mail.
type trainCmd struct {
	Corpus    string  `help:"Folder of labelled mail: phish with labels.tsv beside it, ham, ham-synth, ham-multi." required:"" type:"existingdir" placeholder:"DIR"`
	Decisions string  `help:"What people decided, as JSON Lines of path or id, label, campaign and reporter; the messages stand beside the file." type:"existingfile" placeholder:"FILE"`
	Out       string  `help:"Where the model is written." required:"" type:"path" placeholder:"FILE"`
	Version   string  `name:"as" help:"Name of the model." default:"own" placeholder:"NAME"`
	Origin    string  `help:"What mail it is learned from, in words." default:"mail of this centre" placeholder:"TEXT"`
	Licence   string  `help:"Terms under which that mail and the model stand." default:"for this centre only" placeholder:"TEXT"`
	Fraud     float64 `help:"Assumed share of fraud among what is reported." default:"0.5"`
	Spam      float64 `help:"Assumed share of advertising." default:"0.2"`
}

// maxDecided is the largest message that a decision may name.
const maxDecided = 32 << 20

// Run builds the model and writes it; it says on one line what came out.
func (c *trainCmd) Run(ctx context.Context, s streams) error {
	prior, err := priorOf(c.Fraud, c.Spam)
	if err != nil {
		return err
	}
	collection, err := corpus.Read(c.Corpus)
	if err != nil {
		return err
	}
	if c.Decisions != "" {
		decided, err := c.decided()
		if err != nil {
			return err
		}
		collection = corpus.New(append(collection.Mails, decided...))
	}
	m, err := learning.Train(ctx, collection, learning.Origin{Version: c.Version, Origin: c.Origin, Licence: c.Licence}, prior)
	if err != nil {
		return err
	}
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, data, 0o644); err != nil {
		return fault.Errorf(fault.Internal, "the model cannot be written: %v", err)
	}
	_, err = fmt.Fprintf(s.out, "%s: %d reasons, %d words, fraud from %.3f, without a person from %.3f\n", m.Version, len(m.Reasons), len(m.Words), m.Fraud, m.Sure)
	return err
}

// decided reads the decisions and the messages beside them.
func (c *trainCmd) decided() ([]corpus.Mail, error) {
	file, err := os.Open(c.Decisions)
	if err != nil {
		return nil, fault.Errorf(fault.NotFound, "the decisions cannot be read: %v", err)
	}
	defer file.Close()
	root, err := os.OpenRoot(filepath.Dir(c.Decisions))
	if err != nil {
		return nil, fault.Errorf(fault.NotFound, "the decisions' folder cannot be read: %v", err)
	}
	defer root.Close()
	return learning.ReadDecisions(file, func(path string) ([]byte, error) {
		mail, err := root.Open(path)
		if err != nil {
			return nil, fault.Errorf(fault.NotFound, "a decided message cannot be read: %v", err)
		}
		defer mail.Close()
		raw, err := io.ReadAll(io.LimitReader(mail, maxDecided))
		if err != nil {
			return nil, fault.Errorf(fault.Internal, "a decided message cannot be read: %v", err)
		}
		return raw, nil
	})
}

func priorOf(fraud, spam float64) (learning.Prior, error) {
	if !(fraud > 0 && spam >= 0 && fraud+spam < 1) {
		return learning.Prior{}, fault.New(fault.Invalid, "the assumed shares of fraud and advertising must leave room for honest mail")
	}
	return learning.Prior{Fraud: fraud, Spam: spam}, nil
}
