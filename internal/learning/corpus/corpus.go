package corpus

import (
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Class is what a mail of a collection really is.
type Class string

// The classes. Unread is a mail that nobody labelled, or could not; it is
// counted and left out of everything else.
const (
	Fraud  Class = "fraud" // phishing, malware or scam
	Spam   Class = "spam"
	Honest Class = "honest"
	Unread Class = "unread"
)

// Mail is one mail of a collection.
type Mail struct {
	// ID is the path below the collection's folder, with forward slashes.
	ID string
	// Class is what it is; Label the word that the collection has for it.
	Class Class
	Label string
	// Source is who collected it: mails of one source share more than their
	// subject, so a fair test leaves out a source as a whole. Slice is the
	// part of a source that is reported apart.
	Source, Slice string
	// Language is the collection's own note (ISO 639-1), or empty.
	Language string
	// Cluster names the near-duplicates that it belongs to; never empty.
	Cluster string
	// Weight is its weight in learning against others of its class; 0 means
	// one over the root of the cluster's size.
	Weight float64
	// Raw is the mail without the publisher's traces.
	Raw []byte
}

// Corpus is a collection that was read.
type Corpus struct {
	Mails []Mail // in the order of their ids
	// Hash is the SHA-256 of all ids, labels and bytes, in hexadecimal.
	Hash string
}

// The limits of reading. A collection is local and trusted not to be huge; a
// single file in it need not be.
const (
	maxMail  = 32 << 20
	maxMails = 200_000
)

// Read reads the collection in dir: phish with labels.tsv beside it, ham
// (slice and source by the file name's first word), ham-synth, and ham-multi
// with its MANIFEST.tsv. A folder that is not there is left out.
func Read(dir string) (*Corpus, error) {
	r := reader{root: os.DirFS(dir), seen: make(map[string]bool)}
	labels, err := r.table("labels.tsv", "file", "label", "cluster", "language")
	if err != nil {
		return nil, err
	}
	manifest, err := r.table("ham-multi/MANIFEST.tsv", "path", "product", "language")
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{"phish", "ham", "ham-synth", "ham-multi"} {
		if err := r.folder(folder, labels, manifest); err != nil {
			return nil, err
		}
	}
	if len(r.mails) == 0 {
		return nil, fault.Errorf(fault.NotFound, "there is no phish, ham, ham-synth or ham-multi with mails in %s", filepath.Base(dir))
	}
	return New(r.mails), nil
}

// New makes a collection of mails, and finds the near-duplicates among the
// honest ones.
func New(mails []Mail) *Corpus {
	slices.SortFunc(mails, func(a, b Mail) int { return cmp.Compare(a.ID, b.ID) })
	clusterHonest(mails)
	return &Corpus{Mails: mails, Hash: hash(mails)}
}

type reader struct {
	root  fs.FS
	mails []Mail
	seen  map[string]bool
}

// row is one line of a table, by column.
type row map[string]string

// table reads a tab-separated file with a head line, by its first column; nil
// where the file is not there.
func (r *reader) table(name string, columns ...string) (map[string]row, error) {
	file, err := r.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "%s cannot be read: %v", name, err)
	}
	defer file.Close()
	c := csv.NewReader(io.LimitReader(file, maxMail))
	c.Comma, c.LazyQuotes, c.FieldsPerRecord = '\t', true, -1
	lines, err := c.ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, fault.Errorf(fault.Invalid, "%s is no table: %v", name, err)
	}
	at := make(map[string]int)
	for i, column := range lines[0] {
		at[column] = i
	}
	rows := make(map[string]row, len(lines))
	for _, line := range lines[1:] {
		one := make(row, len(columns))
		for _, column := range columns {
			i, ok := at[column]
			if !ok {
				return nil, fault.Errorf(fault.Invalid, "%s has no column %q", name, column)
			}
			if i < len(line) {
				one[column] = line[i]
			}
		}
		rows[one[columns[0]]] = one
	}
	return rows, nil
}

func (r *reader) folder(folder string, labels, manifest map[string]row) error {
	err := fs.WalkDir(r.root, folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".eml") {
			return err
		}
		if len(r.mails) == maxMails {
			return fault.Errorf(fault.TooLarge, "the collection has more than %d mails", maxMails)
		}
		raw, err := r.mail(name)
		if err != nil {
			return err
		}
		m := Mail{ID: name, Raw: Neutral(raw), Cluster: name}
		switch below := strings.TrimPrefix(name, folder+"/"); folder {
		case "phish":
			m.Source, m.Slice = "phish", "phish"
			m.label(labels[below])
		case "ham":
			first, _, _ := strings.Cut(below, "-")
			m.Class, m.Label, m.Slice, m.Source = Honest, "legitimate", first, sourceOf(first)
		case "ham-synth":
			m.Class, m.Label, m.Slice, m.Source = Honest, "legitimate", "synthetic", "synthetic"
		case "ham-multi":
			line := manifest[below]
			product := line["product"]
			if product == "" {
				product, _, _ = strings.Cut(below, "/")
			}
			m.Class, m.Label, m.Slice, m.Source, m.Language = Honest, "legitimate", product, Multi, line["language"]
		}
		r.mails = append(r.mails, m)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Multi is the source of ham-multi; its slices are products.
const Multi = "multi"

// sourceOf puts slices that one archive was cut into together.
func sourceOf(slice string) string {
	switch slice {
	case "saeasy1", "saeasy2", "sahard", "sanice":
		return "spamassassin"
	case "hamail", "unspy", "relay":
		return "modern"
	}
	return slice
}

// label takes in what a reader said of a mail.
func (m *Mail) label(line row) {
	m.Label, m.Language = line["label"], line["language"]
	if c := line["cluster"]; c != "" {
		m.Cluster = "phish " + c
	}
	m.Class = ClassOf(m.Label)
}

// ClassOf returns the class of a verdict's word. What a reader called
// legitimate stays apart among the suspicious: too few, and too unsure.
func ClassOf(label string) Class {
	switch label {
	case "phishing", "malware", "scam":
		return Fraud
	case "spam":
		return Spam
	}
	return Unread
}

func (r *reader) mail(name string) ([]byte, error) {
	file, err := r.root.Open(name)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "%s cannot be read: %v", path.Base(name), err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxMail+1))
	switch {
	case err != nil:
		return nil, fault.Errorf(fault.Internal, "%s cannot be read: %v", path.Base(name), err)
	case len(raw) > maxMail:
		return nil, fault.Errorf(fault.TooLarge, "%s is larger than %d MiB", path.Base(name), maxMail>>20)
	}
	return raw, nil
}

func hash(mails []Mail) string {
	h := sha256.New()
	for i := range mails {
		m := &mails[i]
		sum := sha256.Sum256(m.Raw)
		_, _ = io.WriteString(h, m.ID+"\t"+m.Label+"\t"+m.Cluster+"\t"+hex.EncodeToString(sum[:])+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}
