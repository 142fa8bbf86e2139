package reference

import (
	_ "embed"
	"encoding/csv"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"
)

//go:embed data/hosts.csv
var hostsFile string

//go:embed data/tlds.csv
var tldsFile string

// Kind says what a host is for.
type Kind string

// The kinds of hosts that anybody can use. The list of each stands in data/hosts.csv.
const (
	Shortener Kind = "shortener" // hides where a link leads
	Page      Kind = "page"      // free web pages
	Form      Kind = "form"      // free forms and documents
	Storage   Kind = "storage"   // rented or free file storage
	FreeMail  Kind = "freemail"  // free mailboxes
	Tenant    Kind = "tenant"    // sender domains handed out by a host
	Redirect  Kind = "redirect"  // sends on to any address
)

type hostRow struct {
	kind Kind
	path string
}

var hosts = sync.OnceValue(func() map[string][]hostRow {
	m := make(map[string][]hostRow)
	for _, row := range readCSV(hostsFile, 3) {
		m[row[1]] = append(m[row[1]], hostRow{Kind(row[0]), row[2]})
	}
	return m
})

// Is reports whether a folded host, or one above it, is listed as kind, for a
// URL path (beginning with a slash; empty where there is none).
func Is(kind Kind, host, path string) bool {
	table := hosts()
	for host != "" {
		for _, row := range table[host] {
			if row.kind == kind && strings.HasPrefix(path, row.path) {
				return true
			}
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return false
}

var cheap = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool)
	for _, row := range readCSV(tldsFile, 1) {
		m[row[0]] = true
	}
	return m
})

// CheapEnding returns the ending of a registrable domain when it is one of
// those seen in fraud far above their share, else "".
func CheapEnding(registrable string) string {
	_, ending, ok := strings.Cut(registrable, ".")
	if !ok || !cheap()[ending] {
		return ""
	}
	return ending
}

// Registry reports whether a folded host stands under an ending that exists
// (the list of publicsuffix.org).
func Registry(host string) bool {
	suffix, icann := publicsuffix.PublicSuffix(host)
	return strings.Contains(host, ".") && (icann || strings.Contains(suffix, "."))
}

// readCSV returns the rows of a data file, without comments. Rows of another
// width are left out; a test reads every file strictly.
func readCSV(file string, width int) [][]string {
	r := csv.NewReader(strings.NewReader(file))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	all, err := r.ReadAll()
	if err != nil {
		return nil
	}
	rows := all[:0]
	for _, row := range all {
		if len(row) == width {
			rows = append(rows, row)
		}
	}
	return rows
}
