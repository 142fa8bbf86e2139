package static_test

import (
	"math"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/web/static"
)

func stylesheet(t *testing.T) string {
	t.Helper()
	s, err := static.New()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if !s.Serve(w, httptest.NewRequest("GET", "/", nil), strings.TrimPrefix(s.Path("belfry.css"), "/static/")) {
		t.Fatal("no stylesheet")
	}
	return w.Body.String()
}

func TestTheStylesheetAsksNobody(t *testing.T) {
	css := stylesheet(t)
	for _, foreign := range []string{"url(", "@import", "http:", "https:"} {
		if strings.Contains(css, foreign) {
			t.Errorf("the stylesheet holds %q", foreign)
		}
	}
	if len(css) > 40_000 {
		t.Errorf("the stylesheet has %d bytes", len(css))
	}
}

// WCAG 2.2: text 4.5:1 (1.4.3), what marks a control 3:1 (1.4.11). Running
// text keeps to 7:1 (1.4.6).
func TestContrast(t *testing.T) {
	token := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	light, dark, found := strings.Cut(stylesheet(t), "(prefers-color-scheme: dark)")
	dark, _, closed := strings.Cut(dark, "/* Ground")
	if !found || !closed {
		t.Fatal("the tokens are not where they were")
	}
	colours := map[string]string{}
	for _, scheme := range []struct{ name, css string }{{"light", light}, {"dark", dark}} {
		for _, m := range token.FindAllStringSubmatch(scheme.css, -1) {
			colours[m[1]] = m[2]
		}
		for _, c := range []struct {
			on, of string // colours of the ground and of what is on it
			least  float64
		}{
			{"paper sheet calm-faint warn-faint danger-faint good-faint accent-faint", "ink", 7},
			{"paper sheet calm-faint", "quiet", 4.5},
			{"paper sheet accent-faint", "accent accent-strong", 4.5},
			{"accent accent-strong", "on-accent", 4.5},
			{"paper sheet danger-faint", "danger", 4.5},
			{"warn-faint", "warn", 4.5},
			{"good-faint", "good", 4.5},
			{"calm-faint", "calm", 4.5},
			{"danger", "sheet", 4.5},
			{"paper sheet", "edge focus", 3},
		} {
			for _, ground := range strings.Fields(c.on) {
				for _, ink := range strings.Fields(c.of) {
					if got := contrast(t, colours[ground], colours[ink]); got < c.least {
						t.Errorf("%s: %s on %s is %.2f:1, want %.1f:1", scheme.name, ink, ground, got, c.least)
					}
				}
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is WCAG's relative luminance of "#rrggbb".
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 24)
	if err != nil {
		t.Fatalf("%q is not a colour", colour)
	}
	part := func(v uint64) float64 {
		x := float64(v&0xff) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*part(n>>16) + 0.7152*part(n>>8) + 0.0722*part(n)
}
