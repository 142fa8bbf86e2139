package coding_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

func TestWords(t *testing.T) {
	tests := []struct {
		name, in, want string
		ok             bool
	}{
		{"plain", "Your parcel", "Your parcel", true},
		{"base64", "=?utf-8?B?w4lsw6ltZW50?=", "Élément", true},
		{"q", "=?ISO-8859-1?Q?Gr=FC=DFe_aus_Gent?=", "Grüße aus Gent", true},
		{"between words", "Re: =?utf-8?q?=C3=A9t=C3=A9?= now", "Re: été now", true},
		{"space between two words goes", "=?utf-8?q?a?= =?utf-8?q?b?=", "ab", true},
		{"fold between two words goes", "=?utf-8?q?a?= \t =?utf-8?q?b?=", "ab", true},
		{"a letter split between words", "=?utf-8?B?w4M=?= =?utf-8?q?=C3?==?utf-8?q?=A9?=", "Ãé", true},
		{"two charsets", "=?utf-8?q?=C3=A9?= =?iso-8859-1?q?=E9?=", "éé", true},
		{"language", "=?us-ascii*en?q?Hello?=", "Hello", true},
		{"spaces inside", "=?utf-8?Q?Last chance?=", "Last chance", true},
		{"glued", "Re:=?utf-8?q?=41?=x", "Re:Ax", true},
		{"no padding", "=?utf-8?B?SGk?=", "Hi", true},
		{"equals at once", "=?utf-8?q?=41?=", "A", true},
		{"no end", "=?utf-8?q?Hello", "Hello", false},
		{"unknown charset", "=?x-klingon?q?Qapla=27?=", "Qapla'", false},
		{"8-bit in it", "=?iso-8859-1?Q?Fr\xc3\xb6sche?=", "Frösche", false},
		{"no word", "a =? b", "a =? b", false},
		{"unknown encoding", "=?utf-8?x?abc?=", "=?utf-8?x?abc?=", false},
		{"8-bit UTF-8", "Über", "Über", true},
		{"8-bit Latin", "\xdcber", "Über", false},
		{"line end injected", "=?utf-8?q?a=0D=0ABcc:_b?=", "a  Bcc: b", true},
		{"empty word", "=?utf-8?q??= =?utf-8?q?b?=", "b", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := coding.Words(tt.in)
			if got != tt.want || ok != tt.ok {
				t.Errorf("Words(%q) = %q, %v; want %q, %v", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestCharset(t *testing.T) {
	tests := []struct {
		name, charset, in, want string
		ok                      bool
	}{
		{"utf-8", "UTF-8", "Zoë", "Zoë", true},
		{"byte order mark", "utf-8", "\xef\xbb\xbfZoë", "Zoë", true},
		{"Latin 1 is Windows-1252", "iso-8859-1", "\x80 5", "€ 5", true},
		{"nothing said, UTF-8", "", "Zoë", "Zoë", true},
		{"nothing said, Latin", "", "Zo\xeb", "Zoë", true},
		{"nothing said, Japanese", "", "\x1b$B$3$s\x1b(B", "こん", true},
		{"ascii that is none", "us-ascii", "Zo\xeb", "Zoë", false},
		{"unknown, UTF-8", "x-unknown", "Zoë", "Zoë", false},
		{"unknown, ASCII", "default", "Zoe", "Zoe", false},
		{"said UTF-8, is Latin", "utf-8", "Zo\xeb", "Zoë", false},
		{"said UTF-8, one bad byte", "utf-8", "éééé\xff", "éééé\uFFFD", false},
		{"cp1252", "cp1252", "Zo\xeb", "Zoë", true},
		{"underscore", "iso_8859-15", "\xa4", "€", true},
		{"Cyrillic", "koi8-r", "\xf0\xf2\xe9", "ПРИ", true},
		{"Korean", "ks_c_5601-1987", "\xb0\xa1", "가", true},
		{"Chinese", "gb2312", "\xd6\xd0", "中", true},
		{"utf-16 little", "utf-16le", "H\x00i\x00", "Hi", true},
		{"utf-16 by its mark", "utf-16", "\xfe\xff\x00H\x00i", "Hi", true},
		{"utf-16 guessed", "utf-16", "H\x00i\x00", "Hi", true},
		{"utf-16 that is not", "utf-16", "Hi", "Hi", false},
		{"utf-7", "utf-7", "Fr+APY-sche +- 1", "Frösche + 1", true},
		{"name twice", "charset=iso-8859-1", "\xeb", "ë", true},
		{"quoted name", `"utf-8"`, "a", "a", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := coding.Charset(tt.charset, []byte(tt.in))
			if got != tt.want || ok != tt.ok {
				t.Errorf("Charset(%q, %q) = %q, %v; want %q, %v", tt.charset, tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestTransfer(t *testing.T) {
	tests := []struct {
		name, encoding, in, want string
		ok                       bool
	}{
		{"7bit", "7bit", "a=41", "a=41", true},
		{"base64", "base64", "SGVs\r\nbG8=\r\n", "Hello", true},
		{"base64 without padding", "base64", "SGVsbG8", "Hello", true},
		{"base64 joined", "base64", "SGVsbG8=SGk=", "HelloHi", true},
		{"base64 with junk", "base64", "SGVs!bG8=", "Hello", false},
		{"base64 with a footer", "base64", "SGVsbG8=\n\n--\nlist footer, as some add it", "", false},
		{"plain text called base64", "base64", "Dear customer, ... your (account) is; closed! So: do, what. we say!", "Dear customer, ... your (account) is; closed! So: do, what. we say!", false},
		{"URL alphabet", "base64", "__-_", "\xff\xff\xbf", true},
		{"quoted-printable", "quoted-printable", "caf=C3=A9 =\r\nnoir", "café noir", true},
		{"lower case", "quoted-printable", "caf=c3=a9", "café", true},
		{"soft break with space", "quoted-printable", "a= \t\r\nb", "ab", true},
		{"soft break by LF", "quoted-printable", "a=\nb", "ab", true},
		{"bad escape stays", "quoted-printable", "href=http", "href=http", false},
		{"end after equals", "quoted-printable", "a=", "a", true},
		{"uuencode", "x-uuencode", "begin 644 a.txt\n#0V%T\n`\nend\n", "Cat", true},
		{"unknown", "rot13", "abc", "abc", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := coding.Transfer(tt.encoding, []byte(tt.in))
			if tt.want == "" {
				if !strings.HasPrefix(string(got), "Hello") && string(got) != tt.in {
					t.Errorf("Transfer = %q", got)
				}
				return
			}
			if string(got) != tt.want || ok != tt.ok {
				t.Errorf("Transfer(%q, %q) = %q, %v; want %q, %v", tt.encoding, tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestUnflow(t *testing.T) {
	tests := []struct {
		name, in string
		delete   bool
		want     string
	}{
		{"joined", "one \ntwo\nthree\n", false, "one two\nthree"},
		{"delsp", "ht \ntp", true, "http"},
		{"quotes stay apart", "> a \n> b\nc", false, "> a b\nc"},
		{"depth ends it", "> a \n>> b", false, "> a \n>> b"},
		{"signature", "bye \n-- \nme", false, "bye \n-- \nme"},
		{"stuffed", " From here", false, "From here"},
		{"empty first line", "\na", false, "\na"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := coding.Unflow(tt.in, tt.delete); got != tt.want {
				t.Errorf("Unflow(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestLineEnds(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\nc\rd": "a\nb\nc\nd",
		"a\r\r\nb":     "a\nb",
		"a\x00b\r":     "ab\n",
		"plain":        "plain",
	} {
		if got := coding.LineEnds(in); got != want {
			t.Errorf("LineEnds(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{"=?utf-8?B?w4lsw6htZW50?=", "=?a?q?=41?= =?b?b?A", "\xff=?=?", "=?utf-7?q?+AGE-?=", "=?utf-16?b?AA?="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, _ := coding.Words(s)
		if !utf8.ValidString(got) {
			t.Errorf("Words(%q) = %q is not UTF-8", s, got)
		}
		if strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("Words(%q) = %q is not one line", s, got)
		}
	})
}

func FuzzTransfer(f *testing.F) {
	f.Add("base64", "SGVsbG8=", "utf-8")
	f.Add("quoted-printable", "a=\r\n=C3=A9", "utf-7")
	f.Add("x-uuencode", "begin 644 a\n#0V%T\n`\nend\n", "utf-16")
	f.Fuzz(func(t *testing.T, encoding, s, charset string) {
		b, _ := coding.Transfer(encoding, []byte(s))
		if len(b) > len(s) {
			t.Errorf("%q grew from %d to %d bytes", encoding, len(s), len(b))
		}
		if text, _ := coding.Charset(charset, b); !utf8.ValidString(text) {
			t.Errorf("Charset(%q, %q) is not UTF-8", charset, b)
		}
	})
}
