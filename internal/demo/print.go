package demo

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// printer tells the story to a terminal, or to a file.
type printer struct {
	w io.Writer
	n int
}

func (p *printer) step(title string) {
	p.n++
	fmt.Fprintf(p.w, "\n%d. %s\n", p.n, title)
}

func (p *printer) say(format string, args ...any) {
	fmt.Fprintln(p.w, "   "+strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n   "))
}

func (p *printer) fact(name, value string) {
	fmt.Fprintf(p.w, "   %-34s %s\n", name, value)
}

// quote shows a text indented behind a bar.
func (p *printer) quote(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Fprintf(p.w, "   | %s\n", strings.TrimRight(line, "\r\n"))
	}
}

// short cuts a text to n letters.
func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}
