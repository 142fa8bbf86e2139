package learning

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Write prints the report as tables in Markdown.
func (r *Report) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "Collection %s: %d fraud, %d spam, %d honest, %d left out (unclear or legitimate among the suspicious).\n",
		r.Corpus[:12], r.Mails["fraud"], r.Mails["spam"], r.Mails["honest"], r.Mails["unread"])
	fmt.Fprintf(b, "Assumed among what is reported: %.0f %% fraud, %.0f %% spam. Intervals are Wilson's, 95 %%.\n", 100*r.Prior.Fraud, 100*r.Prior.Spam)
	if len(r.Unseen) > 0 {
		section(b, "A source of honest mail left out as a whole, and a half of the campaigns; thresholds from the other sources", r.Unseen)
		fmt.Fprint(b, "\nThe same models at other thresholds\n\n| view | threshold | fraud | spam | worst large slice of honest mail |\n|---|---|---|---|---|\n")
		for _, p := range r.Curve {
			fmt.Fprintf(b, "| %s | %.2f | %.1f %% | %.1f %% | %.2f %% (%s) |\n", p.View, p.Threshold, 100*p.Fraud, 100*p.Spam, 100*p.Worst, p.Slice)
		}
		section(b, "Known sources, campaigns and products left out in fifths; thresholds from the other four", r.Known)
	}
	section(b, "Model "+r.Model+" on everything; what it was learned from it has seen", r.Given)
	return b.Flush()
}

func section(b *bufio.Writer, title string, trials []Trial) {
	fmt.Fprintf(b, "\n%s\n\n", title)
	fmt.Fprintln(b, "| left out | view | fraud flagged, by cluster | spam flagged | AUC | calibration error | automatic | of it fraud | without spam | thresholds |")
	fmt.Fprintln(b, "|---|---|---|---|---|---|---|---|---|---|")
	for _, t := range trials {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %.3f | %.3f | %s | %s | %s | %.3f, %.3f |\n",
			t.Name, t.View, t.Fraud.text(1), t.Spam.text(1), t.AUC, t.Calibration, t.Automatic.text(1), t.Precise.text(2), t.Honestly.text(2), t.Threshold, t.Sure)
	}
	fmt.Fprintf(b, "\n| honest mail called malicious |%s\n|---|%s\n", columns(trials, func(t Trial) string { return " " + t.View + " |" }), columns(trials, func(Trial) string { return "---|" }))
	shown := false
	for _, t := range trials {
		if t.Name != "all" || shown {
			continue
		}
		shown = true
		for _, one := range t.Honest {
			fmt.Fprintf(b, "| %s, %.0f |", one.Name, one.Of)
			for _, other := range trials {
				if other.Name != "all" {
					continue
				}
				for _, s := range other.Honest {
					if s.Name == one.Name {
						fmt.Fprintf(b, " %.1f: %s |", s.Count, s.text(2))
					}
				}
			}
			fmt.Fprintln(b)
		}
	}
}

// columns joins what is said of the trials on all that was left out.
func columns(trials []Trial, say func(Trial) string) string {
	var s strings.Builder
	for _, t := range trials {
		if t.Name == "all" {
			s.WriteString(say(t))
		}
	}
	return s.String()
}

// text writes a share in per cent with its interval.
func (s Share) text(decimals int) string {
	if s.Of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f %% (%.*f–%.*f)", decimals, 100*s.Share, decimals, 100*s.Low, decimals, 100*s.High)
}
