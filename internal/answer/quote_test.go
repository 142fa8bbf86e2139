package answer

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "Dringend: uw kaart", "Dringend: uw kaart"},
		{"lines and spaces", "a\r\n b\t\u00a0 c\u2028d", "a b c d"},
		{"a header", "x\r\nBcc: jan@example.org", "x Bcc: jan[@]example[.]org"},
		{"a link", "see https://evil.example/a.php now", "see hxxps://evil[.]example/a[.]php now"},
		{"other schemes", "mailto:a tel:1 JavaScript:x() file://h/x", "mailto[:]a tel[:]1 JavaScript[:]x() file[:]//h/x"},
		{"a scheme twice", "tel:tel:", "tel[:]tel[:]"},
		{"a network path", `\\host\share`, `[\]\host\share`},
		{"direction and zero width", "a\u202eb\u200bc\u2066d\ufeff\u00ad", "abcd"},
		{"controls", "a\x00b\x1b[31mc\u0085d", "ab[[]31mc d"},
		{"broken UTF-8", "a\xffb\xc3", "ab"},
		{"our own quotation marks", `end” or „end“ or "end" «end»`, "end' or 'end' or 'end' 'end'"},
		{"a telephone number", "call +32 470 12 34 56 now", "call +32 4•• •• •• 56 now"},
		{"a heap of marks", "a" + strings.Repeat("\u0301", 50), "a\u0301\u0301"},
		{"blank letters", "a\u3164\u2800b", "a b"},
		{"private and unassigned", "a\ue000b\U000e0041c", "abc"},
		{"nothing", "\u200b\r\n", ""},
		{"markup stays text", "<b>&amp;</b>", "<b>&amp;</b>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := quote(tt.in, 100); got != tt.want {
				t.Errorf("quote(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
		})
	}
	if got := quote(strings.Repeat("é", 500), 10); got != strings.Repeat("é", 10)+"…" {
		t.Errorf("not cut at ten characters: %q", got)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"BE68 5390 0754 7034":   "BE68 5••• •••• ••34",
		"0470/12.34.56":         "047•/••.••.56",
		"1,99 euro":             "1,99 euro",
		"21/11/2026":            "21/1•/••26",
		"€ 1234567":             "€ 1234567",
		"a 12345678 b 12345678": "a 123•••78 b 123•••78",
		"12  34   567890":       "12  34   567890",
	} {
		if got := mask(in); got != want {
			t.Errorf("mask(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTitle(t *testing.T) {
	for in, want := range map[string]string{
		"Re: FW: Tr : uw pakket":        "uw pakket",
		"AW: WG: Rechnung":              "Rechnung",
		"Re[2]: x":                      "x",
		"Re: ":                          "",
		"Urgent: pay":                   "Urgent: pay",
		"=?utf-8?q?x?=":                 "=?utf-8?q?x?=",
		"Re:\r\nBcc: a@b.example":       "Bcc: a[@]b[.]example",
		strings.Repeat("Re: ", 9) + "x": "x",
	} {
		if got := title(in, 60); got != want {
			t.Errorf("title(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"a", "https://evil.example", "+32 470 12 34 56", "a\u202e\r\n\x00", "tel:[[(dot)", `"”`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := quote(s, 40)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 41*5 {
			t.Fatalf("%q became %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("\"“”„«»", r) || unicode.IsSpace(r) && r != ' ' {
				t.Fatalf("%q kept %q in %q", s, r, got)
			}
		}
		plain := strings.NewReplacer("hxxp://", "", "hxxps://", "", "fxp://", "", "[@]", "").Replace(strings.ToLower(got))
		if strings.Contains(plain, "://") || strings.Contains(plain, "@") {
			t.Fatalf("%q became %q, which can be followed", s, got)
		}
		_ = title(s, 40)
		_, _, _ = split(s)
	})
}
