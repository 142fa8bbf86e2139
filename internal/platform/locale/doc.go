// Package locale puts words to keys in the four languages of the centre.
//
// Every visible string stands in a catalogue: one TOML file for each language
// (nl.toml, fr.toml, de.toml, en.toml), embedded by the package that owns the
// words, with keys that begin with the owner's name:
//
//	draft = true                               # no native reader has seen this file yet
//	report.sent = "Thank you, {{.Name}}."      # a text with a placeholder
//
//	[report.count]                             # a text with plural forms (CLDR)
//	one   = "One report"
//	other = "{{.Count}} reports"
//	draft = true                               # or mark one text
//	note  = "for the translator"
//
// A table with the key "other" is a text, every other table is part of the
// key. Placeholders are plain names; conditions and functions are refused.
//
// Load reads all of them and insists that each key is in every language with
// the same placeholders, so that Text cannot fail on a text that was loaded.
// Dates, times and numbers follow the usage of Belgium.
package locale
