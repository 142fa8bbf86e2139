package verdict_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
	"github.com/rogpeppe/go-internal/txtar"
)

// facts are what the examples assume to be known from outside.
var facts = verdict.Evidence{
	TrustedReceivers: []string{"mx.example.net"},
	Known: func(t observable.Type, value string) verdict.Knowledge {
		switch {
		case t == observable.Domain && value == "bad.example":
			return reason.KnownMalicious
		case t == observable.Email && value == "jan@example.org":
			return reason.KnownTrusted
		}
		return ""
	},
}

// examine judges raw as the mail itself.
func examine(raw string, ev verdict.Evidence) verdict.Assessment {
	m := message.Parse([]byte(raw), message.Limits{})
	return verdict.Judge(verdict.Case{
		Original:    original.Original{How: original.Itself, Message: m},
		Observables: observable.Extract(m),
	}, ev)
}

// TestReasons holds every reason against an example that must yield it and
// one that must not, and fails for a reason without both.
func TestReasons(t *testing.T) {
	examples := make(map[string]string)
	files, err := filepath.Glob("testdata/reasons/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if _, twice := examples[f.Name]; twice {
				t.Errorf("%s: %s stands twice", file, f.Name)
			}
			examples[f.Name] = string(f.Data)
		}
	}
	used := 0
	for _, row := range verdict.Table() {
		for _, kind := range []string{"yes", "no"} {
			raw, ok := examples[row.Code+" "+kind]
			if !ok {
				t.Errorf("%s has no example %q", row.Code, kind)
				continue
			}
			used++
			t.Run(row.Code+"/"+kind, func(t *testing.T) {
				a := examine(raw, facts)
				i := slices.IndexFunc(a.Reasons, func(r verdict.Reason) bool { return r.Code == row.Code })
				if (i >= 0) != (kind == "yes") {
					t.Fatalf("found %v", codes(a))
				}
				if i >= 0 {
					checkReason(t, raw, a.Reasons[i], row)
				}
			})
		}
	}
	if used != len(examples) {
		t.Errorf("%d examples, of which %d belong to a reason", len(examples), used)
	}
}

func codes(a verdict.Assessment) []string {
	var all []string
	for _, r := range a.Reasons {
		all = append(all, r.Code)
	}
	return all
}

// checkReason checks what holds for every reason: its weight, the length of
// what it quotes, and that its span shows the evidence.
func checkReason(t *testing.T, raw string, r verdict.Reason, row verdict.Row) {
	t.Helper()
	if r.Weight*row.Weight < 0 {
		t.Errorf("weight %v, its row says %v", r.Weight, row.Weight)
	}
	if len(r.Evidence) > reason.MaxEvidence || !utf8.ValidString(r.Evidence) {
		t.Errorf("evidence %q", r.Evidence)
	}
	if r.Span == nil {
		return
	}
	m := message.Parse([]byte(raw), message.Limits{})
	var whole string
	switch part := r.Span.Part; {
	case part == "subject":
		whole = m.Subject
	case part == "from":
		whole = reason.Mailbox(m.From[0])
	case part == "reply-to":
		whole = reason.Mailbox(m.ReplyTo[0])
	case part == "body":
		whole = m.Body()
	case part == "html":
		whole = m.Markup.Text
	case part == "attachment:0":
		whole = m.Attachments[0].Name
	default:
		t.Fatalf("span in unknown part %q", part)
	}
	if r.Span.Start < 0 || r.Span.Start >= r.Span.End || r.Span.End > len(whole) {
		t.Fatalf("span %+v of a text of %d bytes", *r.Span, len(whole))
	}
	shown := strings.Join(strings.Fields(whole[r.Span.Start:r.Span.End]), " ")
	if row.Family != reason.Link && row.Family != reason.Brand && r.Code != "link-alone" && shown != r.Evidence {
		t.Errorf("span shows %q, evidence is %q", shown, r.Evidence)
	}
}

func TestTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, row := range verdict.Table() {
		if seen[row.Code] {
			t.Errorf("%s stands twice", row.Code)
		}
		seen[row.Code] = true
		if row.Weight == 0 || row.Family == "" {
			t.Errorf("%s has no weight or family", row.Code)
		}
	}
	if len(seen) < 40 {
		t.Errorf("%d reasons", len(seen))
	}
}
