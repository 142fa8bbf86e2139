package contact

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

func values(text, lang string) []string {
	var got []string
	Find(text, func() []string { return Regions(lang) }, func(f Found) bool {
		got = append(got, f.Value)
		return true
	})
	return got
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		lang, in string
		want     []string
	}{
		// Phone numbers.
		{"nl", "Bel +32 470 12 34 56 nu", []string{"+32470123456"}},
		{"nl", "+32 (0)470/12.34.56.", []string{"+32470123456"}},
		{"nl", "(+32) 470-12-34-56", []string{"+32470123456"}},
		{"nl", "[+]32[.]470[.]12[.]34[.]56", []string{"+32470123456"}},
		{"nl", "0032 470 12 34 56", []string{"+32470123456"}},
		{"nl", "0470 12 34 56", []string{"+32470123456"}},
		{"nl", "0470\u00a012\u00a034\u00a056", []string{"+32470123456"}},
		{"nl", "gsm: 0470123456", []string{"+32470123456"}},
		{"nl", "02/512.34.56 of 02 512 34 57", []string{"+3225123456", "+3225123457"}},
		{"nl", "T 02 512 34 56 / 0470 12 34 56", []string{"+3225123456", "+32470123456"}},
		{"nl", "Tel. 020-1234567 (Amsterdam)", []string{"+31201234567"}},
		{"fr", "Appelez le 01 42 68 53 00", []string{"+33142685300"}},
		{"de", "Telefon: 030/12345678", []string{"+493012345678"}},
		{"en", "Call (808) 800-2211 or 1-888-280-4331 today", []string{"+18088002211", "+18882804331"}},
		{"fr", "Appelez le 0 800 12 34 56", []string{"+33800123456"}},
		{"fr", "+33 1 42 68 53 00, +44 20 7946 0958", []string{"+33142685300", "+442079460958"}},
		// What is no phone number.
		{"nl", "bestelnummer 0470123456 en order 0470 12 34 56", nil},
		{"nl", "0470123456", nil},
		{"nl", "01.02.2026 2026-02-01 01/02/2026 10:15 01-02-2026 11:30", nil},
		{"nl", "+++090/9337/55493+++ ***090/9337/55493***", nil},
		{"nl", "BTW BE 0403.091.220, KBO 0403.091.220, 0403.091.220", nil},
		{"nl", "85.07.30-033.28", nil},
		{"nl", "€ 0470 12 34 56, 0470 12 34 56 €", nil},
		{"nl", "kaart 0470 1234 5678 9012 3456", nil},
		{"en", "https://x.example/0470-12-34-56?t=+32470123456", nil},
		{"nl", "+32 1 and +1 234 and 1.2.3.4 +99 999 999 999", nil},
		{"de", "Rechnung 0301234567, 0.301.234.567", nil},
		{"nl", "0.13 0.09 0.09 en 0.57407493 en 0 16 16 16 16", nil},
		{"en", "(01) 605 3737", nil},
		{"en", "2026 123 456 7890 555 123 4567", nil},
		// IBANs.
		{"nl", "IBAN:BE68 5390 0754 7034.", []string{"BE68539007547034"}},
		{"nl", "BE68-5390-0754-7034 BE68.5390.0754.7034 BE 68 5390 0754 7034 be68539007547034", []string{"BE68539007547034", "BE68539007547034", "BE68539007547034", "BE68539007547034"}},
		{"nl", "NL91 ABNA 0417 1643 00 BIC ABNANL2A", []string{"NL91ABNA0417164300"}},
		{"nl", "NL91[.]ABNA[.]0417[.]1643[.]00", []string{"NL91ABNA0417164300"}},
		{"fr", "FR14 2004 1010 0505 0001 3M02 606", []string{"FR1420041010050500013M02606"}},
		{"de", "DE89370400440532013000, GB29NWBK60161331926819", []string{"DE89370400440532013000", "GB29NWBK60161331926819"}},
		{"nl", "BE68 5390 0754 7035 BE68 5390 0754 703 XX68539007547034 ABE68539007547034 BE685390075470341", nil},
		{"nl", "https://x.example/BE68539007547034", nil},
		// Wallets.
		{"en", "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now", []string{"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}},
		{"en", "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ", []string{"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}},
		{"en", "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", []string{"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"}},
		{"en", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb 0x0000000000000000000000000000000000000000", nil},
	} {
		if diff := cmp.Diff(tt.want, values(tt.in, tt.lang)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestSpans(t *testing.T) {
	text := "Bel (+32) 470 12 34 56 (+32 470 12 34 56), of BE 68 5390 0754 7034!"
	var got []string
	Find(text, func() []string { return nil }, func(f Found) bool {
		got = append(got, text[f.Start:f.End])
		return true
	})
	if diff := cmp.Diff([]string{"(+32) 470 12 34 56", "+32 470 12 34 56", "BE 68 5390 0754 7034"}, got); diff != "" {
		t.Error(diff)
	}
}

var wallets = []string{
	"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
	"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
	"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
	"44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
}

var ibans = []string{
	"BE68539007547034", "NL91ABNA0417164300", "FR1420041010050500013M02606", "DE89370400440532013000", "GB29NWBK60161331926819",
	"LU280019400644750000", "ES9121000418450200051332", "IT60X0542811101000000123456", "MT84MALT011000012345MTLCAST001S", "NO9386011117947",
}

// loose reports the countries whose IBANs mix letters and digits: modulo 97, a
// letter may count as much as a digit.
func loose(value string) bool {
	return len(value) > 2 && strings.Contains("FR IT MT LU", value[:2])
}

// Any one character changed is seen.
func TestChecksums(t *testing.T) {
	const all = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	try := func(value string, parse func(string) (string, bool)) {
		if got, ok := parse(value); !ok || got != value {
			t.Errorf("%s reads as %q, %v", value, got, ok)
		}
		for i := range value {
			for _, c := range []byte(all) {
				if loose(value) && i >= 2 && isDigit(c) != isDigit(value[i]) {
					continue
				}
				bad := value[:i] + string(c) + value[i+1:]
				if got, ok := parse(bad); ok && got != value {
					t.Errorf("%s is taken for %s", bad, got)
				}
			}
		}
	}
	for _, v := range wallets {
		try(v, ParseWallet)
	}
	for _, v := range ibans {
		try(v, ParseIBAN)
	}
}

// EIP-55 sees a changed character in all but about one of 4,000; it is no
// property, so only the wrong case is tried.
func TestEthereumCase(t *testing.T) {
	for _, v := range []string{
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		for _, form := range []string{v, strings.ToLower(v), "0X" + strings.ToUpper(v[2:])} {
			if got, ok := ParseWallet(form); !ok || got != v {
				t.Errorf("%s reads as %q, %v", form, got, ok)
			}
		}
		for i := 2; i < len(v); i++ {
			if isLetter(v[i]) {
				if _, ok := ParseWallet(v[:i] + string(v[i]^0x20) + v[i+1:]); ok {
					t.Errorf("%s with the case of character %d changed is read", v, i)
				}
			}
		}
	}
}

// However a value is written, it is the same value.
func TestVariants(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seps := []string{" ", ".", "-", "\u00a0", "\u202f", "[.]", "(.)", "\u2011"}
	for range 2000 {
		sep := seps[r.IntN(len(seps))]
		number := fmt.Sprintf("47%07d", r.IntN(10_000_000))
		split := number[:3] + sep + number[3:5] + sep + number[5:7] + sep + number[7:]
		for _, form := range []string{"+32" + number, "+32" + sep + split, "0032" + sep + split, "+32 (0)" + split, "(+32)" + split, "gsm 0" + number, "0" + split} {
			if diff := cmp.Diff([]string{"+32" + number}, values("x "+form+", y", "nl")); diff != "" {
				t.Fatalf("%q (-want +got):\n%s", form, diff)
			}
		}
		iban := ibans[r.IntN(len(ibans))]
		var b strings.Builder
		for i := range len(iban) {
			if i > 0 && i%4 == 0 {
				b.WriteString(sep)
			}
			b.WriteByte(iban[i])
		}
		for _, form := range []string{iban, b.String(), strings.ToLower(b.String())} {
			if diff := cmp.Diff([]string{iban}, values("("+form+")", "")); diff != "" {
				t.Fatalf("%q (-want +got):\n%s", form, diff)
			}
		}
	}
}

func TestFindIsLinear(t *testing.T) {
	for name, text := range map[string]string{
		"digits": strings.Repeat("1", 1_000_000), "letters": strings.Repeat("a", 1_000_000) + "1",
		"pairs": strings.Repeat("0 1", 300_000), "plus": strings.Repeat("+1", 500_000), "iban": strings.Repeat("BE68 5390 ", 100_000),
		"brackets": strings.Repeat("((", 500_000) + "1", "spaces": strings.Repeat("1            ", 80_000),
		"wallets": strings.Repeat("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb ", 20_000), "short": strings.Repeat("a1", 500_000),
	} {
		t.Run(name, func(*testing.T) { values(text, "nl") })
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range append(append([]string{"+32 (0)470/12.34.56", "(0", "[+]3", "BE 68 5390", "\xc2\xa01\xe2\x80"}, wallets...), ibans...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		last := 0
		Find(s, func() []string { return Regions("en") }, func(f Found) bool {
			if f.Start < last || f.End <= f.Start || f.End > len(s) || f.Value == "" {
				t.Fatalf("bad span %+v in %q", f, s)
			}
			last = f.End
			var again string
			var ok bool
			switch f.Kind {
			case Phone:
				again, ok = ParsePhone(f.Value, nil)
			case IBAN:
				again, ok = ParseIBAN(f.Value)
			case Wallet:
				again, ok = ParseWallet(f.Value)
			}
			if !ok || again != f.Value {
				t.Fatalf("%+v reads again as %q, %v", f, again, ok)
			}
			return true
		})
		ParsePhone(s, []string{"BE", "US"})
	})
}

func BenchmarkFind(b *testing.B) {
	b.Run("prose", func(b *testing.B) {
		text := strings.Repeat("Some words to read here, and 12 more words about order 4711 of 3.5 kg. ", 100)
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			values(text, "nl")
		}
	})
	for _, v := range []string{"+32 470 12 34 56", "0470 12 34 56", "BE68 5390 0754 7034", wallets[0], wallets[2], wallets[5], "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"} {
		b.Run(v[:4], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				values(v, "nl")
			}
		})
	}
}

// What plain reads without the library's parser, the parser reads alike.
func TestPlainIsParsed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	valid := 0
	for range 20_000 {
		p := simple[r.IntN(len(simple))]
		s := strconv.Itoa(r.IntN(1_000_000_000) + r.IntN(10)*1_000_000_000)
		region := p.region
		switch {
		case r.IntN(2) == 0:
			s, region = "+"+p.code+s, "ZZ"
		case p.trunk:
			s = "0" + s
		}
		got, ok := e164(s, region)
		number, err := phonenumbers.Parse(s, region)
		want := err == nil && (region == "ZZ" && phonenumbers.IsValidNumber(number) || region != "ZZ" && phonenumbers.IsValidNumberForRegion(number, region))
		if ok != want || ok && got != phonenumbers.Format(number, phonenumbers.E164) {
			t.Fatalf("%s in %s reads as %q, %v, the library says %v", s, region, got, ok, want)
		}
		if ok {
			valid++
		}
	}
	if valid < 1000 {
		t.Errorf("only %d were valid", valid)
	}
}
