package test

import (
	"strings"
	"testing"
)

// TestDemo runs the demonstration, in which each step checks what came of it.
func TestDemo(t *testing.T) {
	t.Parallel()
	out, errs, err := belfry(t, "demo", "--exit")
	if err != nil {
		t.Fatalf("belfry demo --exit: %v\n%s%s", err, errs, out)
	}
	for _, want := range []string{"got 250", "Each reporter is answered", "nothing is missing", "Done"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	if errs != "" {
		t.Errorf("it wrote to standard error: %s", errs)
	}
}
