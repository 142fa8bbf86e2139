package corpus

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

const text = "From: a@example.org\nSubject: s\n\n"

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "labels.tsv", "file\tlabel\tconfidence\tlanguage\tbrand\tcluster\tbasis\n1.eml\tscam\thigh\ten\t-\tc1\tread\n2.eml\tspam\thigh\ten\t-\tc2\tread\n3.eml\tlegitimate\tlow\ten\t-\tc3\tread\n")
	for _, name := range []string{"1", "2", "3", "4"} {
		write(t, dir, "phish/"+name+".eml", text+"win money")
	}
	write(t, dir, "ham/sahard-1.eml", text+"the committee meets on monday in the old town hall at noon")
	write(t, dir, "ham/sahard-2.eml", text+"the committee meets on monday in the old town hall at noon")
	write(t, dir, "ham/unspy-1.eml", text+"something else that nobody has written before in this place today")
	write(t, dir, "ham-multi/MANIFEST.tsv", "path\tsource\tproduct\tlicence\tlanguage\ta/nl-1.eml\n\na/nl-1.eml\ta\tShop\tMIT\tnl\n")
	write(t, dir, "ham-multi/a/nl-1.eml", text+"uw bestelling")
	write(t, dir, "ham-synth/1.eml", "X-Belfry-Corpus: synthetic\n\tham\n"+text+"X-Belfry-Corpus: stays")
	c, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"phish/1.eml": "fraud phish", "phish/2.eml": "spam phish", "phish/3.eml": "unread phish", "phish/4.eml": "unread phish",
		"ham/sahard-1.eml": "honest spamassassin", "ham/sahard-2.eml": "honest spamassassin", "ham/unspy-1.eml": "honest modern",
		"ham-multi/a/nl-1.eml": "honest multi", "ham-synth/1.eml": "honest synthetic",
	}
	clusters := make(map[string]string)
	for _, m := range c.Mails {
		if got := string(m.Class) + " " + m.Source; got != want[m.ID] {
			t.Errorf("%s is %s, want %s", m.ID, got, want[m.ID])
		}
		clusters[m.ID] = m.Cluster
		if m.ID == "ham-synth/1.eml" && string(m.Raw) != text+"X-Belfry-Corpus: stays" {
			t.Errorf("the mark of made mail: %q", m.Raw)
		}
		if m.Source == Multi && (m.Language != "nl" || m.Slice != "Shop") {
			t.Errorf("the manifest was not read: %+v", m)
		}
	}
	if len(c.Mails) != len(want) {
		t.Errorf("%d mails", len(c.Mails))
	}
	if clusters["ham/sahard-1.eml"] != clusters["ham/sahard-2.eml"] || clusters["ham/sahard-1.eml"] == clusters["ham/unspy-1.eml"] {
		t.Errorf("clusters %v", clusters)
	}
	again, err := Read(dir)
	if err != nil || again.Hash != c.Hash {
		t.Errorf("read twice the hash differs: %v", err)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("an empty folder was taken")
	}
}

func TestNeutral(t *testing.T) {
	got := string(Neutral([]byte("To: Phishing@Pot\n\nHello phishing@pot, http://x.example/?e=phishing%40pot phishing")))
	if strings.Contains(strings.ToLower(got), "phishing@pot") || strings.Contains(got, "%40pot") || !strings.HasSuffix(got, " phishing") {
		t.Errorf("%q", got)
	}
}
