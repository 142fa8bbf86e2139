package demo

import (
	"embed"
	"time"

	"github.com/belfry-centre/belfry/internal/report"
)

//go:embed samples/*.eml
var samples embed.FS

func sample(name string) ([]byte, error) {
	b, err := samples.ReadFile("samples/" + name)
	return []byte(lines(string(b))), err
}

// scene is one report of the story and what must become of it.
type scene struct {
	who     person
	subject string
	words   string
	// originals are samples, each attached; with redirect the one is handed
	// on as it is.
	originals []string
	redirect  bool
	signed    bool    // by the person's provider, so that the sender is proved
	headers   string  // more headers of the outer mail
	want      outcome // of the report
	messages  int     // found in it
}

// outcome is what a scene must come to.
type outcome struct {
	malicious bool
	states    []report.State
	answer    string // full, careful, acknowledgement, or none when no mail may go out
}

var (
	anyState = []report.State{report.StateWaiting, report.StateAnswered}
	told     = outcome{malicious: true, states: anyState, answer: "told"}
)

// story is what is sent, in order.
var story = []scene{
	{
		who: an, subject: "Fwd: Uw pakket", words: "Is dit echt van bpost? Ik verwacht geen pakket.\n\nAn",
		originals: []string{"parcel-nl.eml"}, signed: true, messages: 1, want: told,
	},
	{
		who: luc, subject: "TR: compte bloqué", words: "Bonjour,\n\nj'ai reçu ce message de ma banque. Que dois-je faire ?\n\nLuc",
		originals: []string{"bank-fr.eml"}, signed: true, messages: 1, want: told,
	},
	{
		who: greta, subject: "WG: Steuererstattung", words: "Guten Tag,\n\nist diese Nachricht vom Finanzamt? Ich bin mir nicht sicher.\n\nGreta Schmitz",
		originals: []string{"tax-de.eml"}, signed: true, messages: 1, want: told,
	},
	{
		who: ines, subject: "Fwd: two strange mails", words: "Both of these came today, please have a look at them.\n\nInes",
		originals: []string{"helpdesk-en.eml", "inheritance-en.eml"}, signed: true, messages: 2, want: told,
	},
	{
		who: tom, subject: "", words: "", originals: []string{"invoice-nl.eml"}, redirect: true, signed: true, messages: 1, want: told,
	},
	{
		who: luc, subject: "TR: vos livres", words: "Et celui-ci, est-ce aussi une arnaque ?",
		originals: []string{"library-fr.eml"}, signed: true, messages: 1,
		want: outcome{malicious: false, states: anyState, answer: "told"},
	},
	{
		who: nobody, subject: "Fwd: inheritance", words: "I got this, is it real?",
		originals: []string{"inheritance-en.eml"}, signed: false, messages: 1,
		want: outcome{malicious: true, states: anyState, answer: "acknowledged"},
	},
	{
		who: ines, subject: "Out of office", words: "I am away until Monday.", headers: "Auto-Submitted: auto-replied\r\n", signed: true, messages: 1,
		want: outcome{malicious: false, states: []report.State{report.StateClosed}, answer: "none"},
	},
}

// patience is how long a step may take before it counts as failed.
const patience = 60 * time.Second
