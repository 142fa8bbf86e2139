package demo_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/demo"
)

// A step that fails has to end the demo with an error that names it: its exit
// code is what a check relies on.
func TestAFailedStepIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = demo.Run(t.Context(), demo.Options{Data: t.TempDir(), Exit: true, HTTP: "127.0.0.1:0", SMTP: taken.Addr().String(), Out: io.Discard})
	if err == nil || !strings.HasPrefix(err.Error(), "A centre on this machine: ") {
		t.Errorf("Run: %v", err)
	}
}
