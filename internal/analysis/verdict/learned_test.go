package verdict_test

import (
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/model"
)

// TestLearnedKeepsOut adds what tells where a mail was collected, in what
// language and by which program, and not what it is. Nothing that was learned
// may see it.
func TestLearnedKeepsOut(t *testing.T) {
	for name, raw := range map[string]string{"phishing": phishing, "scam": scam, "letter": letter} {
		want := examine(raw, verdict.Evidence{})
		for trick, added := range map[string]string{
			"stop words":        "\nwhich they would have been with these and those, voor uw het niet, dans les avec vous, und nicht mit sind\n",
			"quotation":         "\n> confirmed, the account: transaction, payment pending\n> security team\n",
			"signature":         "\n-- \nSecurity payment account transaction department\n",
			"list footer":       "\n_______________________________________________\nConfirm the account payment list\n",
			"dates and numbers": "\n12 March 2002, 2026-11-02, 10:00, 77935742, #323945\n",
			"address in text":   "\nreader@example.net account@example.net\n",
			"mailer's words":    "\nOutlook Gmail Yahoo html http text plain charset\n",
		} {
			if got := examine(raw+added, verdict.Evidence{}); got.Score != want.Score || got.Verdict != want.Verdict {
				t.Errorf("%s with %s: score %v, was %v (%v, %v)", name, trick, got.Score, want.Score, codes(got), codes(want))
			}
		}
	}
	// A path's tokens: the same link, another path.
	with := func(path string) verdict.Assessment {
		return examine(strings.Replace(phishing, "/secure", path, 1), verdict.Evidence{})
	}
	if a, b := with("/secure"), with("/account/login/verify/x9Ff3Kq0/payment"); a.Score != b.Score {
		t.Errorf("the path's words moved the score from %v to %v", a.Score, b.Score)
	}
}

// TestWordsAreCapped: words alone neither make fraud nor wash it away.
func TestWordsAreCapped(t *testing.T) {
	var fraud, honest strings.Builder
	for stem, weight := range model.Default().Words {
		if weight > 0 {
			fraud.WriteString(stem + " ")
		} else {
			honest.WriteString(stem + " ")
		}
	}
	head := "From: Jan <jan@example.org>\nSubject: x\nContent-Type: text/plain\n\n"
	if a := examine(head+fraud.String(), verdict.Evidence{}); a.Automatic {
		t.Errorf("words alone are fraud without a person: %v", codes(a))
	}
	plain := examine(phishing, verdict.Evidence{})
	washed := examine(phishing+honest.String(), verdict.Evidence{})
	if !washed.Verdict.Malicious() {
		t.Errorf("honest words washed fraud away: %v to %v", plain.Score, washed.Score)
	}
}

// TestVerifiedOwnDomainIsForAPerson: a known organisation's verified mail that
// is full of fraud is never called fraud by a machine.
func TestVerifiedOwnDomainIsForAPerson(t *testing.T) {
	a := examine(aligned+strings.Replace(newsletter, "See\n", "Urgent: your account has been suspended, verify your account, claim your prize, https://bit.ly/x ", 1),
		verdict.Evidence{TrustedReceivers: []string{"mx.example.net"}})
	if a.Verdict != verdict.Unclear || a.Automatic {
		t.Errorf("%s, automatic %v: %v", a.Verdict, a.Automatic, codes(a))
	}
}
