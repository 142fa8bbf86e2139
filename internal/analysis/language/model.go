package language

import (
	"embed"
	"io/fs"
	"math"
	"math/bits"
	"path"
	"slices"
	"strings"
	"sync"
)

// Each file data/xx.txt describes one language: its most frequent words on the
// first line, words of mail on the second, then sentences of the kind that
// people and senders write.
//
//go:embed data
var data embed.FS

// maxLanguages is how many files data may hold.
const maxLanguages = 24

// model is what the files say, turned round for looking up. It is read-only.
type model struct {
	names []string
	words map[string]wordMask
	grams map[uint64][maxLanguages]float32
}

// wordMask is the languages that know a word, and how much it tells for them:
// the fewer share it, the more.
type wordMask struct {
	set    uint32
	weight float64
}

var load = sync.OnceValue(func() *model {
	files, err := fs.Glob(data, "data/*.txt")
	if err != nil || len(files) > maxLanguages {
		panic("language: the embedded data is not as built")
	}
	slices.Sort(files)
	m := &model{words: make(map[string]wordMask, 6000), grams: make(map[uint64][maxLanguages]float32, 12000)}
	var total [maxLanguages]float64
	for i, file := range files {
		m.names = append(m.names, strings.TrimSuffix(path.Base(file), ".txt"))
		content, err := data.ReadFile(file)
		if err != nil {
			panic(err)
		}
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			// What stands first in the file is frequent in the language.
			times := float32(1)
			if number == 1 {
				times = 2
			}
			eachWord(line, func(word []rune) bool {
				mask := m.words[string(word)]
				mask.set |= 1 << i
				m.words[string(word)] = mask
				padded := slices.Concat([]rune{'_'}, word, []rune{'_'})
				for j := 0; j+3 <= len(padded); j++ {
					row := m.grams[gramOf(padded[j:])]
					row[i] += times
					m.grams[gramOf(padded[j:])] = row
					total[i] += float64(times)
				}
				return true
			})
		}
	}
	for word, mask := range m.words {
		mask.weight = math.Log(float64(len(m.names)+2) / float64(bits.OnesCount32(mask.set)))
		m.words[word] = mask
	}
	// Each row becomes how much more likely the sequence is in a language
	// than in the mean of all.
	const smooth = 0.4
	for gram, row := range m.grams {
		var mean float64
		for i := range m.names {
			p := math.Log((float64(row[i]) + smooth) / (total[i] + smooth*float64(len(m.grams))))
			row[i] = float32(p)
			mean += p
		}
		mean /= float64(len(m.names))
		for i := range m.names {
			row[i] -= float32(mean)
		}
		m.grams[gram] = row
	}
	return m
})

// gramOf packs the first three letters of r.
func gramOf(r []rune) uint64 { return uint64(r[0])<<42 | uint64(r[1])<<21 | uint64(r[2]) }
