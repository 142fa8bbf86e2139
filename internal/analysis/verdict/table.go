package verdict

import (
	"embed"

	"github.com/belfry-centre/belfry/internal/analysis/verdict/reason"
)

// Row is what a reason weighs and speaks for.
type Row struct {
	Code   string
	Family reason.Family
	// Weight is what the reason is believed to add to the log-odds of fraud at
	// full strength, before anything is learned: above zero evidence of fraud,
	// below zero of innocence. A model may weigh it otherwise, but never with
	// the other sign. For the family Learned it is the most that the words add.
	Weight float64
	// Says is the verdict that the reason speaks for where fraud is found;
	// empty where it speaks for none.
	Says Verdict
}

// Rules is the version of the table and of the judgement.
const Rules = "2026-11-2"

// Table returns every reason, by family. Docs/decisions/0004 tells how the
// weights were chosen.
func Table() []Row { return append([]Row(nil), table[:]...) }

var table = [...]Row{
	{"auth-aligned", reason.Authentication, -0.6, ""},
	{"auth-failed", reason.Authentication, 0.8, Phishing},

	{"sender-name-address", reason.Sender, 0.9, Phishing},
	{"sender-freemail-organisation", reason.Sender, 1.8, ""},
	{"sender-hosted", reason.Sender, 0.8, ""},
	{"sender-ending", reason.Sender, 0.5, ""},
	{"sender-reply-freemail", reason.Sender, 2.0, Scam},
	{"sender-reply-differs", reason.Sender, 0.1, ""},
	{"sender-impossible", reason.Sender, 1.5, ""},
	{"sender-decorated", reason.Sender, 0.5, ""},
	{"sender-disguised", reason.Sender, 1.8, Phishing},
	{"subject-disguised", reason.Sender, 0.8, Phishing},

	{"brand-foreign-sender", reason.Brand, 2.6, Phishing},
	{"brand-freemail-sender", reason.Brand, 2.8, Phishing},
	{"brand-foreign-links", reason.Brand, 1.4, Phishing},
	{"lookalike-letters", reason.Brand, 2.0, Phishing},
	{"lookalike-typo", reason.Brand, 1.2, Phishing},
	{"lookalike-words", reason.Brand, 1.6, Phishing},
	{"lookalike-ending", reason.Brand, 1.8, Phishing},
	{"lookalike-subdomain", reason.Brand, 1.3, Phishing},
	{"brand-own-sender", reason.Brand, -1.5, ""},

	{"link-text-differs", reason.Link, 0.4, Phishing},
	{"link-userinfo", reason.Link, 1.1, Phishing},
	{"link-ip", reason.Link, 0.8, Phishing},
	{"link-disguised", reason.Link, 1.6, Phishing},
	{"link-shortener", reason.Link, 0.7, ""},
	{"link-free-host", reason.Link, 1.2, Phishing},
	{"link-form", reason.Link, 1.2, Phishing},
	{"link-redirect", reason.Link, 0.8, Phishing},
	{"link-ending", reason.Link, 0.4, ""},
	{"link-script", reason.Link, 0.6, Phishing},
	{"link-program", reason.Link, 0.6, Malware},
	{"link-alone", reason.Markup, 0.5, ""},
	{"links-foreign", reason.Link, 0.3, ""},
	{"links-own", reason.Link, -0.9, ""},

	{"html-password", reason.Markup, 2.0, Phishing},
	{"html-smuggling", reason.Markup, 2.2, Malware},
	{"html-picture", reason.Markup, 0.6, ""},
	{"html-hidden", reason.Markup, 1.4, ""},
	{"html-split-words", reason.Markup, 1.3, Phishing},

	{"attachment-program", reason.Attachment, 2.2, Malware},
	{"attachment-container", reason.Attachment, 2.0, Malware},
	{"attachment-macros", reason.Attachment, 1.6, Malware},
	{"attachment-html", reason.Attachment, 1.3, Phishing},
	{"attachment-double-ending", reason.Attachment, 1.8, Malware},
	{"attachment-type-differs", reason.Attachment, 1.2, Malware},
	{"attachment-locked", reason.Attachment, 1.6, Malware},
	{"attachment-archived-program", reason.Attachment, 2.0, Malware},

	{"words-urgency", reason.Words, 1.2, ""},
	{"words-threat", reason.Words, 0.7, ""},
	{"words-suspension", reason.Words, 1.6, Phishing},
	{"words-credentials", reason.Words, 1.4, Phishing},
	{"words-payment", reason.Words, 0.6, ""},
	{"words-invoice", reason.Words, 0.6, ""},
	{"words-reward", reason.Words, 2.3, Scam},
	{"words-refund", reason.Words, 0.6, ""},
	{"words-delivery", reason.Words, 1.4, Phishing},
	{"words-bank", reason.Words, 0.4, Phishing},
	{"words-government", reason.Words, 0.4, ""},
	{"words-helpdesk", reason.Words, 0.9, Phishing},
	{"words-advance", reason.Words, 2.5, Scam},
	{"words-extortion", reason.Words, 3.0, Scam},
	{"words-job", reason.Words, 0.9, Scam},
	{"words-friend", reason.Words, 1.2, Scam},
	{"words-romance", reason.Words, 1.1, Scam},
	{"words-crypto", reason.Words, 2.6, Scam},
	{"words-greeting", reason.Words, 0.9, ""},
	{"words-advertising", reason.Words, -1, Spam},

	{"model-words", reason.Learned, 5, ""},
	{"model-words-honest", reason.Learned, -3, ""},

	{"known-malicious", reason.Knowledge, 4.0, Phishing},
	{"known-sender", reason.Knowledge, -2.0, ""},
}

// Wording holds the sentences that tell a reason to a person, one file for
// each language; the key of a reason is "reason." and its code.
//
//go:embed wording/*.toml
var Wording embed.FS
