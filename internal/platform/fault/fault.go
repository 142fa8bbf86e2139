// Package fault gives every error that leaves Belfry a kind, and maps each
// kind to an HTTP status, an SMTP reply and an exit code in one place.
//
// The outside world sees a kind and one sentence; the log sees the whole
// chain. An error without a kind is Internal, and its text never leaves the
// program.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of thing went wrong, from the caller's point of view.
type Kind uint8

const (
	Internal     Kind = iota // our fault: a bug or a broken machine
	Invalid                  // the input cannot be understood or breaks a rule
	Unauthorized             // nobody is signed in, or the token is wrong
	Forbidden                // the viewer may not do this
	NotFound                 // there is no such thing, or the viewer may not know of it
	Conflict                 // the state of the thing does not allow it
	TooLarge                 // over a limit of size, depth or count
	Unsupported              // a media type or method that we do not take
	RateLimited              // too much in too short a time; try again later
	Busy                     // the store or a peer cannot take it now; try again later
)

var names = [...]string{
	"internal", "invalid", "unauthorized", "forbidden", "not-found",
	"conflict", "too-large", "unsupported", "rate-limited", "busy",
}

// String returns the kind's stable name, as it stands in the API's problem
// type and in logs.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return names[Internal]
}

// Kinds returns every kind, for tests and documentation.
func Kinds() []Kind {
	all := make([]Kind, len(names))
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Error is an error with a kind and a sentence that may be shown to anybody.
type Error struct {
	Kind    Kind
	Message string // safe to show; empty means the kind's own sentence
	Err     error  // the cause, for the log only; may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Message
	case e.Message == "":
		return e.Err.Error()
	default:
		return strings.TrimSuffix(e.Message, ".") + ": " + e.Err.Error()
	}
}

func (e *Error) Unwrap() error { return e.Err }

// New returns an error of that kind. The message is shown to the outside.
func New(kind Kind, message string) error {
	return &Error{Kind: kind, Message: message}
}

// Errorf is New with a format. It does not wrap: a cause given to it would be
// shown to the outside; use Wrap for that.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap gives err a kind and a sentence for the outside. A nil err stays nil.
func Wrap(kind Kind, err error, message string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, Message: message, Err: err}
}

// KindOf returns the outermost kind in err's chain. A context that ended
// counts as Busy, an error without a kind as Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Busy
	}
	return Internal
}

// Is reports whether err is of that kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Message returns the sentence that the outside may see.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Message != "" && e.Kind != Internal {
		return e.Message
	}
	return KindOf(err).sentence()
}
