package learning

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/belfry-centre/belfry/internal/learning/corpus"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Decision is what a person concluded of one report, as one line of a JSON
// Lines file. Reporter and Campaign are keys that mean nothing outside the
// centre: no addresses.
type Decision struct {
	// ID names the report; Path is where its message stands, relative to the
	// folder that is read from. Without Path it is ID with ".eml".
	ID   string `json:"id,omitempty"`
	Path string `json:"path,omitempty"`
	// Label is the person's verdict: phishing, malware, scam, spam or legitimate.
	Label string `json:"label"`
	// Campaign is what the report belongs to; empty for none.
	Campaign string `json:"campaign,omitempty"`
	// Reporter is who sent it in.
	Reporter string `json:"reporter,omitempty"`
}

// The limits of reading decisions, and how many campaigns one reporter counts
// for at most: nobody shall teach the model alone.
const (
	maxDecisions = 200_000
	maxLine      = 64 << 10
	reporterCap  = 5.0
)

// decided is the source and the prefix of clusters of what people decided.
const decided = "decisions"

// ReadDecisions reads a JSON Lines file of decisions and the messages that
// they are about; read returns the bytes of a path. Every campaign has weight
// one, shared by its messages, and every reporter at most five in all.
func ReadDecisions(r io.Reader, read func(path string) ([]byte, error)) ([]corpus.Mail, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	var (
		mails     []corpus.Mail
		reporters []string
	)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var d Decision
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			return nil, fault.Errorf(fault.Invalid, "line %d of the decisions is no JSON object: %v", n, err)
		}
		if len(mails) == maxDecisions {
			return nil, fault.Errorf(fault.TooLarge, "there are more than %d decisions", maxDecisions)
		}
		if d.Path == "" {
			d.Path = d.ID + ".eml"
		}
		if d.Path = path.Clean(d.Path); path.IsAbs(d.Path) || d.Path == ".." || strings.HasPrefix(d.Path, "../") || d.Path == ".eml" {
			return nil, fault.Errorf(fault.Invalid, "line %d of the decisions names no message in the folder", n)
		}
		class := corpus.ClassOf(d.Label)
		if d.Label == "legitimate" {
			class = corpus.Honest
		}
		if class == corpus.Unread {
			continue // unclear, exercise and what later versions add teach nothing
		}
		raw, err := read(d.Path)
		if err != nil {
			return nil, err
		}
		m := corpus.Mail{ID: decided + "/" + d.Path, Class: class, Label: d.Label, Source: decided, Slice: decided, Cluster: decided + " " + d.Campaign, Raw: corpus.Neutral(raw)}
		if d.Campaign == "" {
			m.Cluster = m.ID
		}
		mails, reporters = append(mails, m), append(reporters, d.Reporter)
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fault.Errorf(fault.TooLarge, "a line of the decisions has more than %d kB", maxLine>>10)
		}
		return nil, fault.Errorf(fault.Internal, "the decisions cannot be read: %v", err)
	}
	weighDecisions(mails, reporters)
	return mails, nil
}

// weighDecisions gives each campaign weight one and caps each reporter. A
// message without a reporter is its centre's own, and not capped.
func weighDecisions(mails []corpus.Mail, reporters []string) {
	size, sum := make(map[string]float64), make(map[string]float64)
	for i := range mails {
		size[mails[i].Cluster]++
	}
	for i := range mails {
		mails[i].Weight = 1 / size[mails[i].Cluster]
		if reporters[i] != "" {
			sum[reporters[i]] += mails[i].Weight
		}
	}
	for i := range mails {
		if s := sum[reporters[i]]; s > reporterCap {
			mails[i].Weight *= reporterCap / s
		}
	}
}
