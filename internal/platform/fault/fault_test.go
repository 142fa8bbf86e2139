package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

func TestEveryKindIsMapped(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range fault.Kinds() {
		if seen[k.String()] {
			t.Errorf("%v: the name stands twice", k)
		}
		seen[k.String()] = true
		if s := k.HTTPStatus(); s < 400 || s > 599 {
			t.Errorf("%v: HTTP status %d", k, s)
		}
		code, enhanced := k.SMTP()
		if code < 400 || code > 599 || enhanced[0] != code/100 {
			t.Errorf("%v: SMTP %d %v", k, code, enhanced)
		}
		if k.ExitCode() == 0 {
			t.Errorf("%v: exit code 0", k)
		}
		if fault.Message(fault.New(k, "")) == "" {
			t.Errorf("%v: no sentence", k)
		}
		if got := fault.FromHTTP(k.HTTPStatus()); got != k {
			t.Errorf("FromHTTP(%d) = %v, want %v", k.HTTPStatus(), got, k)
		}
	}
}

func TestWhatMayPassIsNeverPermanent(t *testing.T) {
	for _, k := range []fault.Kind{fault.Internal, fault.Busy, fault.RateLimited} {
		if code, _ := k.SMTP(); code/100 != 4 {
			t.Errorf("%v: SMTP %d would make a sender drop the mail", k, code)
		}
	}
}

func TestKindOf(t *testing.T) {
	cause := errors.New("disk: /secret/path")
	for _, c := range []struct {
		err  error
		want fault.Kind
	}{
		{cause, fault.Internal},
		{fault.New(fault.NotFound, "x"), fault.NotFound},
		{fmt.Errorf("while reading: %w", fault.New(fault.Busy, "x")), fault.Busy},
		{fault.Wrap(fault.Invalid, fault.New(fault.Busy, "x"), "y"), fault.Invalid},
		{context.DeadlineExceeded, fault.Busy},
		{fmt.Errorf("query: %w", context.Canceled), fault.Busy},
	} {
		if got := fault.KindOf(c.err); got != c.want {
			t.Errorf("KindOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
	if fault.Wrap(fault.Invalid, nil, "x") != nil {
		t.Error("Wrap(nil) is not nil")
	}
}

func TestTheCauseStaysInside(t *testing.T) {
	cause := errors.New("disk: /secret/path")
	for _, err := range []error{
		cause,
		fault.Wrap(fault.Busy, cause, "The store is busy."),
		fault.Wrap(fault.Internal, cause, "leak /secret/path"),
		fault.Wrap(fault.Invalid, cause, ""),
	} {
		if m := fault.Message(err); strings.Contains(m, "secret") {
			t.Errorf("Message(%v) = %q", err, m)
		}
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "secret") {
			t.Errorf("%v lost its cause", err)
		}
	}
}
