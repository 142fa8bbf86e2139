package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progressEvery is how often a progress line moves at most. What is done sooner
// shows none.
const progressEvery = 500 * time.Millisecond

// progressLine is a line on a terminal that is rewritten in place. Where there
// is no terminal, as in a timer's log, it stays away.
type progressLine struct {
	w            io.Writer
	terminal     bool
	began, shown time.Time
	there        bool // something stands on the line
}

func newProgressLine(w io.Writer) *progressLine {
	now := time.Now()
	return &progressLine{w: w, terminal: isTerminal(w), began: now, shown: now}
}

// show puts what text returns on the line, unless it moved a moment ago.
func (l *progressLine) show(text func() string) {
	if !l.terminal || time.Since(l.shown) < progressEvery {
		return
	}
	l.shown, l.there = time.Now(), true
	fmt.Fprint(l.w, "\r\x1b[K", text())
}

// interrupt prints a line that stays.
func (l *progressLine) interrupt(format string, args ...any) {
	l.end()
	fmt.Fprintf(l.w, format+"\n", args...)
}

// end clears the line.
func (l *progressLine) end() {
	if l.there {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.there = false
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
