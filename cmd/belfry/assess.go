package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/mailfile"
)

// AssessCmd is the verb "assess": it judges messages in files, offline.
type AssessCmd struct {
	JSON  bool     `help:"Print one JSON object a message (JSON Lines)."`
	Lang  string   `help:"Language of the sentences: nl, fr, de or en; else that of the environment." placeholder:"LANG"`
	Trust []string `help:"Believe the Authentication-Results of this receiver (its authserv-id); may be repeated." placeholder:"ID"`
	Limit int64    `help:"Largest message in MiB." default:"32" placeholder:"MIB"`
	Model string   `help:"A model file (see train) in place of the one built in." type:"existingfile" placeholder:"FILE"`
	Paths []string `arg:"" name:"path" help:"Files (.eml, .msg, mbox) and folders of them."`
}

//go:embed texts/*.toml
var assessTexts embed.FS

// assessed is the JSON object of one message. It is a published interface:
// fields are only ever added.
type assessed struct {
	Path        string                  `json:"path"`
	Verdict     verdict.Verdict         `json:"verdict"`
	Malicious   bool                    `json:"malicious"`
	Automatic   bool                    `json:"automatic"`
	Score       float64                 `json:"score"`
	Reasons     []assessedReason        `json:"reasons"`
	Observables []observable.Observable `json:"observables"`
	Original    assessedOriginal        `json:"original"`
	Language    string                  `json:"language"`
	Brand       string                  `json:"brand,omitempty"`
	Class       analysis.Class          `json:"class,omitempty"`
	Originals   int                     `json:"originals,omitempty"` // found in this report, where more than one
	Error       string                  `json:"error,omitempty"`

	fault error
}

type assessedReason struct {
	Code     string            `json:"code"`
	Weight   float64           `json:"weight"`
	Evidence string            `json:"evidence"`
	Text     map[string]string `json:"text"`
}

type assessedOriginal struct {
	Found   bool   `json:"found"`
	How     string `json:"how"`
	From    string `json:"from"`
	Subject string `json:"subject"`
}

// Run judges every message and prints one line for each, in the order given.
// What cannot be read is a line, too, and no failure.
func (c *AssessCmd) Run(ctx context.Context, s streams) error {
	texts, err := locale.Load(verdict.Wording, assessTexts)
	if err != nil {
		return err
	}
	lang := c.Lang
	if lang == "" {
		lang = environmentLanguage(os.Getenv)
	}
	if !locale.Known(lang) {
		return fault.Errorf(fault.Invalid, "there is no language %q; there are %s", lang, strings.Join(locale.Languages(), ", "))
	}
	if c.Limit <= 0 || c.Limit > 1024 {
		return fault.New(fault.Invalid, "the limit must be between 1 and 1024 MiB")
	}
	judge, err := modelFrom(c.Model)
	if err != nil {
		return err
	}
	a := assessor{texts: texts, lang: lang, evidence: analysis.Evidence{TrustedReceivers: c.Trust, Model: judge}}
	out := bufio.NewWriterSize(s.out, 64<<10)
	if err := a.all(ctx, c.Paths, c.Limit<<20, func(r assessed) error {
		if c.JSON {
			return a.writeJSON(out, r)
		}
		_, err := fmt.Fprintln(out, a.line(r))
		return err
	}); err != nil {
		return err
	}
	return out.Flush()
}

// environmentLanguage returns the language that the environment asks for, as
// POSIX orders its variables; English where that is none of ours.
func environmentLanguage(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			lang, _, _ := strings.Cut(value, ".")
			lang, _, _ = strings.Cut(lang, "_")
			if lang = strings.ToLower(lang); locale.Known(lang) {
				return lang
			}
			break
		}
	}
	return "en"
}

type assessor struct {
	texts    *locale.Catalogue
	lang     string
	evidence analysis.Evidence
}

// all judges the messages at paths on every processor and hands the results
// over in order. Only a few messages are in memory at a time.
func (a *assessor) all(ctx context.Context, paths []string, limit int64, do func(assessed) error) error {
	type task struct {
		file mailfile.File
		done chan assessed
	}
	workers := runtime.GOMAXPROCS(0)
	tasks := make(chan task)
	waiting := make(chan chan assessed, 2*workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(waiting)
		defer close(tasks)
		return mailfile.Each(ctx, paths, mailfile.Options{MaxBytes: limit}, func(f mailfile.File) error {
			t := task{f, make(chan assessed, 1)}
			select {
			case waiting <- t.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case tasks <- t:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for range workers {
		group.Go(func() error {
			for t := range tasks {
				t.done <- a.assess(t.file)
			}
			return nil
		})
	}
	group.Go(func() error {
		for done := range waiting {
			select {
			case r := <-done:
				if err := do(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// assess judges one message. A fault in a decoder costs that message only.
func (a *assessor) assess(f mailfile.File) (r assessed) {
	path := f.Path
	if f.Index > 0 {
		path += "#" + strconv.Itoa(f.Index)
	}
	r = assessed{
		Path: strings.ToValidUTF8(path, "�"), Verdict: verdict.Unclear, Reasons: []assessedReason{}, Observables: []observable.Observable{},
		Original: assessedOriginal{How: "itself"},
	}
	defer func() {
		if p := recover(); p != nil {
			r.fault = fault.Errorf(fault.Internal, "the message could not be read: %v", p)
		}
		if r.fault != nil {
			r.Error = fault.Message(r.fault)
		}
	}()
	switch {
	case f.Err != nil:
		r.fault = f.Err
		return r
	case len(bytes.TrimSpace(f.Raw)) == 0:
		r.fault = fault.New(fault.Invalid, "the message is empty")
		return r
	}
	x := analysis.Examine(f.Raw, a.evidence)
	if f.Outlook && !said(x.Outer) {
		r.fault = fault.New(fault.Invalid, "the Outlook file is damaged: no message could be read in it")
		return r
	}
	item := worst(x.Items)
	r.Class = x.Class
	if len(x.Items) > 1 {
		r.Originals = len(x.Items)
	}
	r.fill(item)
	if r.Language == "" {
		r.Language = x.Language
	}
	for _, why := range item.Assessment.Reasons {
		text := make(map[string]string, 4)
		for _, lang := range locale.Languages() {
			text[lang] = a.texts.Text(lang, "reason."+why.Code, why.Params)
		}
		r.Reasons = append(r.Reasons, assessedReason{why.Code, why.Weight, why.Evidence, text})
	}
	return r
}

// worst returns the original that is judged worst, the first of equals: what a
// person who sent several must know of.
func worst(items []analysis.Item) analysis.Item {
	first := 0
	for i := range items {
		a, b := items[i].Assessment, items[first].Assessment
		if a.Verdict.Malicious() != b.Verdict.Malicious() {
			if a.Verdict.Malicious() {
				first = i
			}
		} else if a.Score > b.Score {
			first = i
		}
	}
	return items[first]
}

func (r *assessed) fill(item analysis.Item) {
	a := item.Assessment
	r.Verdict, r.Malicious, r.Automatic, r.Score = a.Verdict, a.Verdict.Malicious(), a.Automatic, a.Score
	r.Language, r.Brand = a.Language, a.Brand
	if item.Observables != nil {
		r.Observables = item.Observables
	}
	m := item.Original.Message
	r.Original.How = string(item.Original.How)
	r.Original.Subject = m.Subject
	if len(m.From) > 0 {
		r.Original.From = reason.Mailbox(m.From[0])
	}
	r.Original.Found = found(m)
}

// found reports whether there is a message at all in what was read.
func found(m *message.Message) bool {
	return said(m) || len(m.Attachments) > 0
}

// said reports whether the message says anything by itself.
func said(m *message.Message) bool {
	return len(m.From) > 0 || m.Subject != "" || strings.TrimSpace(m.Body()) != ""
}

func (a *assessor) writeJSON(w io.Writer, r assessed) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// line is what a person reads of one message, on one line: the two heaviest
// reasons for what was decided. Foreign words are disarmed for the terminal.
func (a *assessor) line(r assessed) string {
	if r.fault != nil {
		kind := fault.KindOf(r.fault).String()
		if !a.texts.Has("assess.error." + kind) {
			kind = fault.Internal.String()
		}
		return clean(a.texts.Text(a.lang, "assess.failed", map[string]string{
			"Path": r.Path, "Error": a.texts.Text(a.lang, "assess.error."+kind, nil),
		}))
	}
	var why []string
	for _, one := range r.Reasons {
		if len(why) < 2 && (one.Weight > 0) == (r.Verdict != verdict.Legitimate) {
			why = append(why, observable.Defang(one.Text[a.lang]))
		}
	}
	if len(why) == 0 {
		why = append(why, a.texts.Text(a.lang, "assess.nothing", nil))
	}
	return clean(a.texts.Text(a.lang, "assess.line", map[string]string{
		"Path": r.Path, "Verdict": a.texts.Text(a.lang, "assess.verdict."+string(r.Verdict), nil),
		"Score": a.texts.Decimal(a.lang, r.Score, 2), "Why": strings.Join(why, " "),
	}))
}

// clean takes out what a terminal would obey: control and direction-changing
// characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}
