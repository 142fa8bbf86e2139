package corpus

import (
	"hash/fnv"
	"strings"
	"unicode"

	"github.com/belfry-centre/belfry/internal/analysis/message"
)

// The measures of near-duplication: a mail is fingerprinted by the least
// hashes of its runs of words, and two that share enough of them are one
// cluster.
const (
	shingle = 4 // words in a run
	prints  = 24
	enough  = 12       // shared prints of near-duplicates: about half of the runs
	words   = 16 << 10 // bytes of text that are looked at
)

// clusterHonest puts honest mails that are near-duplicates of each other into
// one cluster. Suspicious mails have theirs from the labels.
func clusterHonest(mails []Mail) {
	parent := make([]int, len(mails))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	sharing := make(map[[2]uint64][]int) // position and value of a print
	for i := range mails {
		if mails[i].Class != Honest {
			continue
		}
		counts := make(map[int]int)
		for k, p := range fingerprint(mails[i].Raw) {
			key := [2]uint64{uint64(k), p}
			for _, j := range sharing[key] {
				counts[j]++
			}
			if len(sharing[key]) < 200 {
				sharing[key] = append(sharing[key], i)
			}
		}
		for j, n := range counts {
			if n >= enough {
				a, b := root(i), root(j)
				parent[max(a, b)] = min(a, b)
			}
		}
	}
	for i := range mails {
		if mails[i].Class == Honest {
			mails[i].Cluster = mails[root(i)].ID
		}
	}
}

// fingerprint returns the least hash of the text's runs of words under each
// of a row of hash functions; nil for a text that is too short.
func fingerprint(raw []byte) []uint64 {
	m := message.Parse(raw, message.Limits{})
	text := strings.ToLower(m.Subject + "\n" + m.Body())
	if len(text) > words {
		text = text[:words]
	}
	all := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	if len(all) < shingle+2 {
		return nil
	}
	least := make([]uint64, prints)
	for k := range least {
		least[k] = ^uint64(0)
	}
	for i := 0; i+shingle <= len(all); i++ {
		h := fnv.New64a()
		for _, w := range all[i : i+shingle] {
			_, _ = h.Write([]byte(w))
			_, _ = h.Write([]byte{' '})
		}
		v := h.Sum64()
		for k := range least {
			v = v*6364136223846793005 + 1442695040888963407
			if x := v ^ v>>29; x < least[k] {
				least[k] = x
			}
		}
	}
	return least
}
