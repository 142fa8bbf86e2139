package message

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAddresses(t *testing.T) {
	tests := []struct {
		name, in string
		want     []Address
		bad      bool
	}{
		{"bare", "jane@example.org", []Address{{"", "jane@example.org"}}, false},
		{"named", "Jane Doe <jane@example.org>", []Address{{"Jane Doe", "jane@example.org"}}, false},
		{"quoted", `"Doe, Jane" <jane@example.org>, bob@example.org`, []Address{{"Doe, Jane", "jane@example.org"}, {"", "bob@example.org"}}, false},
		{"escaped quote", `"Jane \"JD\" Doe" <jane@example.org>`, []Address{{`Jane "JD" Doe`, "jane@example.org"}}, false},
		{"unquoted comma", "Doe, Jane <jane@example.org>", []Address{{"Doe, Jane", "jane@example.org"}}, false},
		{"comma before brackets", "Winner, <jane@example.org>", []Address{{"Winner,", "jane@example.org"}}, false},
		{"comment", "jane@example.org (Jane Doe)", []Address{{"Jane Doe", "jane@example.org"}}, false},
		{"nested comment", "jane(a(b))@example.org", []Address{{"a(b)", "jane@example.org"}}, false},
		{"encoded", "=?utf-8?q?Zo=C3=AB?= <zoe@example.org>", []Address{{"Zoë", "zoe@example.org"}}, false},
		{"encoded in quotes", `"=?utf-8?q?Zo=C3=AB?=" <zoe@example.org>`, []Address{{"Zoë", "zoe@example.org"}}, false},
		{"encoded comma", "=?utf-8?q?Doe=2C_Jane?= <jane@example.org>", []Address{{"Doe, Jane", "jane@example.org"}}, false},
		{"all of it encoded", "=?utf-8?q?Bank_=3Chelp=40bank.example=3E?=", []Address{{"Bank", "help@bank.example"}}, true},
		{"address as name", `"help@bank.example" <evil@attacker.test>`, []Address{{"help@bank.example", "evil@attacker.test"}}, false},
		{"unquoted address as name", `help@bank.example <evil@attacker.test>`, []Address{{"help@bank.example", "evil@attacker.test"}}, false},
		{"two in brackets", `<help@bank.example> <evil@attacker.test>`, []Address{{"help@bank.example", "evil@attacker.test"}}, true},
		{"brackets in quotes", `"Bank <help@bank.example>" <evil@attacker.test>`, []Address{{"Bank <help@bank.example>", "evil@attacker.test"}}, false},
		{"several at", "<evil@attacker.test@bank.example>", []Address{{"", "evil@attacker.test@bank.example"}}, false},
		{"quoted local part", `"john doe"@example.org`, []Address{{"", `"john doe"@example.org`}}, false},
		{"group", "Friends: jane@example.org, Bob <bob@example.org>;", []Address{{"", "jane@example.org"}, {"Bob", "bob@example.org"}}, false},
		{"empty group", "undisclosed-recipients:;", nil, false},
		{"route", "<@relay.example,@two.example:jane@example.org>", []Address{{"", "jane@example.org"}}, false},
		{"no closing bracket", "Jane <jane@example.org", []Address{{"Jane", "jane@example.org"}}, true},
		{"lone quote", `Jane" <jane@example.org>`, []Address{{"Jane", "jane@example.org"}}, true},
		{"doubled brackets", "<<jane@example.org>>", []Address{{"", "jane@example.org"}}, true},
		{"name without brackets", "Jane Doe jane@example.org", []Address{{"Jane Doe", "jane@example.org"}}, true},
		{"space around at", "jane @ example.org", []Address{{"", "jane@example.org"}}, false},
		{"space in brackets", "< jane@example.org >", []Address{{"", "jane@example.org"}}, false},
		{"mailto", "<mailto:jane@example.org>", []Address{{"", "jane@example.org"}}, false},
		{"local user", "root", []Address{{"", "root"}}, false},
		{"semicolons", "a@example.org; b@example.org", []Address{{"", "a@example.org"}, {"", "b@example.org"}}, false},
		{"null", "<>", []Address{{"", ""}}, true},
		{"nothing", " , ,", nil, false},
		{"only a name", "The Bank of All", []Address{{"The Bank of All", ""}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad, _ := appendAddresses(nil, tt.in, 100)
			if diff := cmp.Diff(tt.want, got); diff != "" || bad != tt.bad {
				t.Errorf("%q: bad %v, want %v; diff (-want +got):\n%s", tt.in, bad, tt.bad, diff)
			}
		})
	}
}

func TestAddressLimit(t *testing.T) {
	list, _, cut := appendAddresses(nil, strings.Repeat("a@b.test,", 50), 10)
	if len(list) != 10 || !cut {
		t.Errorf("got %d addresses, cut %v; want 10, true", len(list), cut)
	}
}

func TestDomain(t *testing.T) {
	for in, want := range map[string]string{
		"jane@Example.ORG":                "example.org",
		"jane@example.org.":               "example.org",
		"evil@attacker.test@bank.example": "bank.example",
		"x@xn--bcher-kva.example":         "bücher.example",
		"x@xn--a.example":                 "xn--a.example",
		"root":                            "",
	} {
		if got := (Address{Address: in}).Domain(); got != want {
			t.Errorf("Domain of %q = %q, want %q", in, got, want)
		}
	}
}

func TestParams(t *testing.T) {
	tests := []struct {
		name, in, value string
		want            map[string]string
		ok              bool
	}{
		{"usual", `text/HTML; charset="utf-8"; Name=a.html`, "text/html", map[string]string{"charset": "utf-8", "name": "a.html"}, true},
		{"none", "text/plain", "text/plain", map[string]string{}, true},
		{"empty", "", "", map[string]string{}, true},
		{"no semicolon", "multipart/mixed boundary=abc charset=x", "multipart/mixed", map[string]string{"boundary": "abc", "charset": "x"}, false},
		{"space in value", "attachment; filename=my file.pdf", "attachment", map[string]string{"filename": "my file.pdf"}, false},
		{"no closing quote", `a/b; name="x.pdf; charset=utf-8`, "a/b", map[string]string{"name": "x.pdf", "charset": "utf-8"}, false},
		{"escaped", `a/b; name="a\"b"`, "a/b", map[string]string{"name": `a"b`}, true},
		{"path keeps its backslashes", `a/b; name="C:\temp\a.exe"`, "a/b", map[string]string{"name": `C:\temp\a.exe`}, true},
		{"encoded word", `a/b; name="=?utf-8?q?=C3=A9.pdf?="`, "a/b", map[string]string{"name": "é.pdf"}, true},
		{"8-bit", "a/b; name=\"\xe9.pdf\"", "a/b", map[string]string{"name": "é.pdf"}, false},
		{"extended", "a/b; name*=UTF-8'nl'%C3%A9.pdf", "a/b", map[string]string{"name": "é.pdf"}, true},
		{"extended wins", `a/b; name="x.pdf"; name*=UTF-8''%C3%A9.pdf`, "a/b", map[string]string{"name": "é.pdf"}, true},
		{"extended wins when first", `a/b; name*=UTF-8''%C3%A9.pdf; name="x.pdf"`, "a/b", map[string]string{"name": "é.pdf"}, true},
		{"continued", `a/b; name*0="in"; name*1="voice"; name*2=.pdf`, "a/b", map[string]string{"name": "invoice.pdf"}, true},
		{"continued out of order", `a/b; name*1=b; name*0=a`, "a/b", map[string]string{"name": "ab"}, true},
		{"continued and encoded", "a/b; name*0*=iso-8859-1''%E9; name*1=.p; name*2*=%64f", "a/b", map[string]string{"name": "é.pdf"}, true},
		{"first of two", "a/b; boundary=x; boundary=y", "a/b", map[string]string{"boundary": "x"}, false},
		{"comment", "a/b; (hello; x=y) name=z", "a/b", map[string]string{"name": "z"}, true},
		{"junk", "a/b; iso-8859-1; name=z", "a/b", map[string]string{"name": "z"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]string{}
			value, ok := readParams(tt.in, func(name, value string) { got[name] = value })
			if diff := cmp.Diff(tt.want, got); diff != "" || value != tt.value || ok != tt.ok {
				t.Errorf("%q: value %q, ok %v, want %q, %v; diff (-want +got):\n%s", tt.in, value, ok, tt.value, tt.ok, diff)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	m := Parse([]byte("Received: one\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n noir\r\nreceived: two\r\nX-Empty:\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status\r\nResent-From: Bo <bo@example.org>\r\n\r\n"), Limits{})
	h := m.Header
	if got := h.Get("SUBJECT"); got != "café noir" {
		t.Errorf("Get = %q", got)
	}
	if got := h.Raw("subject"); got != "=?utf-8?q?caf=C3=A9?= noir" {
		t.Errorf("Raw = %q", got)
	}
	if diff := cmp.Diff([]string{"one", "two"}, h.All("Received")); diff != "" {
		t.Error(diff)
	}
	if !h.Has("x-empty") || h.Has("x-none") {
		t.Error("Has is wrong")
	}
	value, params := h.Value("Content-Type")
	if value != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Errorf("Value = %q, %v", value, params)
	}
	if diff := cmp.Diff([]Address{{"Bo", "bo@example.org"}}, h.Addresses("Resent-From")); diff != "" {
		t.Error(diff)
	}
}

func TestDate(t *testing.T) {
	want := time.Date(2026, 11, 3, 14, 5, 6, 0, time.UTC)
	for _, s := range []string{
		"Tue, 3 Nov 2026 15:05:06 +0100",
		"3 Nov 2026 14:05:06 GMT",
		"Tue, 03 Nov 2026 14:05:06 +0000 (UTC)",
		"2026-11-03T14:05:06Z",
		"2026-11-03 14:05:06 +0000",
		"Tue, 3 November 2026 14:05:06 +0000",
		"Tue Nov  3 14:05:06 2026",
	} {
		if got, ok := parseDate(s); !ok || !got.Equal(want) {
			t.Errorf("parseDate(%q) = %v, %v", s, got, ok)
		}
	}
	if _, ok := parseDate("tomorrow"); ok {
		t.Error("tomorrow is no date")
	}
}
