package language

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDetectSubjects(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Uw pakket staat klaar voor u", "nl"},
		{"Laatste herinnering: betaal vandaag nog", "nl"},
		{"Is deze mail wel echt?", "nl"},
		{"Uw itsme-account werd geblokkeerd", "nl"},
		{"Votre colis est en attente de livraison", "fr"},
		{"Dernier rappel avant la suspension de votre compte", "fr"},
		{"Est-ce que c'est une arnaque ?", "fr"},
		{"Ihr Paket wartet auf Sie", "de"},
		{"Wichtige Mitteilung zu Ihrem Konto", "de"},
		{"Ist diese Nachricht echt?", "de"},
		{"Your parcel is waiting for you", "en"},
		{"Please verify your account today", "en"},
		{"Is this message real?", "en"},
		{"Su paquete está en camino", "es"},
		{"Il tuo pacco è in attesa di consegna", "it"},
		{"A sua encomenda está pendente", "pt"},
		{"Twoja paczka czeka na odbiór", "pl"},
		{"Coletul dumneavoastră este în așteptare", "ro"},
		{"Kargonuz teslim edilemedi, lütfen tıklayın", "tr"},
		{"Ditt paket väntar på dig, bekräfta här", "sv"},
		{"Pakettisi odottaa sinua, vahvista tiedot", "fi"},
		{"Vaše zásilka čeká, klikněte zde prosím", "cs"},
		{"A csomagja nem volt kézbesíthető, kattintson ide", "hu"},
		{"Ваша посылка ждёт вас, вы выиграли", "ru"},
		{"Ваша посилка чекає на вас і її видадуть", "uk"},
		{"Το δέμα σας περιμένει", "el"},
		{"お荷物のお届けについて", "ja"},
		{"您的包裹正在等待", "zh"},
		{"حسابك معلق الآن", "ar"},
		{"𝗬𝗼𝘂𝗿 𝗺𝗲𝗺𝗯𝗲𝗿𝘀𝗵𝗶𝗽 𝗵𝗮𝘀 𝗲𝘅𝗽𝗶𝗿𝗲𝗱, 𝗽𝗹𝗲𝗮𝘀𝗲 𝗰𝗼𝗻𝗳𝗶𝗿𝗺", "en"},
		{"", ""},
		{"12345 67 %%%", ""},
		{"asdf qwer zxcv", ""},
		{"Microsoft PayPal Netflix", ""},
		{"https://www.voorbeeld.example/het/pakket/is/niet/bezorgd", ""},
		{"user@voorbeeld.example", ""},
	} {
		lang, confidence := Detect(tt.text)
		if lang != tt.want {
			t.Errorf("Detect(%q) = %q (%.2f), want %q", tt.text, lang, confidence, tt.want)
		}
		if confidence < 0 || confidence > 1 {
			t.Errorf("Detect(%q): confidence %v", tt.text, confidence)
		}
	}
}

// A longer text with foreign names, a link and a signature in another
// language stays what it is.
func TestDetectMixed(t *testing.T) {
	text := "Beste collega's,\n\nIk kreeg onderstaande mail van \"The Security Team\" en ik vertrouw het niet helemaal. Kan iemand dit nakijken?\n" +
		"https://www.example.org/please/verify/your/account/now\n\nGroeten, John\nSent from my phone"
	if lang, confidence := Detect(text); lang != "nl" || confidence < 0.95 {
		t.Errorf("got %q, %.2f", lang, confidence)
	}
}

func TestDetectIsBounded(t *testing.T) {
	start := time.Now()
	for _, unit := range []string{"a", "het ", "é", "\xff", "a.", "@ ", "ы", "漢"} {
		Detect(strings.Repeat(unit, 4<<20/len(unit)))
		FromForwardHeader(strings.Repeat(unit, 4<<20/len(unit)))
	}
	if spent := time.Since(start); spent > 2*time.Second {
		t.Errorf("took %v", spent)
	}
}

// TestData holds the files to what model.go says of them.
func TestData(t *testing.T) {
	m := load()
	if len(m.names) < 20 {
		t.Fatalf("only %d languages", len(m.names))
	}
	for _, name := range m.names {
		content, err := data.ReadFile("data/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(content) || strings.Count(string(content), "\n") < 3 {
			t.Errorf("%s: fewer than three lines, or no UTF-8", name)
		}
		// The close ones are told apart by their own sentences.
		sentences := strings.SplitN(string(content), "\n", 3)[2]
		if lang, _ := Detect(sentences); lang != name {
			t.Errorf("the sentences of %s are taken for %q", name, lang)
		}
	}
}

func TestFromForwardHeader(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nl outlook": {"Zie hieronder\n\nVan: Jan <jan@example.org>\nVerzonden: maandag 2 maart 2026 10:00\nAan: Piet\nOnderwerp: Factuur\n\ntekst", "nl"},
		"fr outlook": {"De : Jean <jean@example.org>\nEnvoyé : lundi 2 mars 2026 10:00\nÀ : Marie\nObjet : Facture\n", "fr"},
		"de apple":   {"Anfang der weitergeleiteten Nachricht:\n\n> Von: Hans <hans@example.org>\n> Betreff: Rechnung\n> Datum: 2. März 2026\n> An: Eva\n", "de"},
		"en gmail":   {"---------- Forwarded message ---------\nFrom: Ann <ann@example.org>\nDate: Mon, 2 Mar 2026\nSubject: Invoice\nTo: Bob\n", "en"},
		"es":         {"De: Juan <juan@example.org>\nEnviado el: lunes\nPara: Ana\nAsunto: Factura\n", "es"},
		"pt":         {"*De:* João <joao@example.org>\n*Enviado:* segunda\n*Para:* Ana\n*Assunto:* Fatura\n", "pt"},
		"ja":         {"差出人：太郎 <taro@example.org>\n件名：請求書\n宛先：花子\n", "ja"},
		"nl gmail":   {"---------- Forwarded message ---------\nVan: Jan <jan@example.org>\nDate: ma 2 mrt 2026\nSubject: Factuur\nTo: Piet\n", "nl"},
		"open":       {"De: x@example.org\nCc: y@example.org\n", ""},
		"no from":    {"Subject: a\nTo: b\nDate: c\n", ""},
		"alone":      {"From: the very first day\nwe knew\n", ""},
		"far apart":  {"From: here on\n1\n2\n3\n4\n5\n6\n7\n8\nSubject: that\n", ""},
		"none":       {"Hello\n", ""},
	} {
		if got := FromForwardHeader(tt.text); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestHeaderLine(t *testing.T) {
	value, meanings := HeaderLine("> *Van:* Jan <jan@example.org>\r")
	if value != "Jan <jan@example.org>" || len(meanings) != 1 || meanings[0] != (Label{From, "nl"}) {
		t.Errorf("got %q, %v", value, meanings)
	}
	if _, meanings := HeaderLine("Hallo: dit is geen kop"); meanings != nil {
		t.Errorf("got %v", meanings)
	}
	if _, meanings := HeaderLine(strings.Repeat("a", 1000) + ":"); meanings != nil {
		t.Errorf("got %v", meanings)
	}
}

func FuzzDetect(f *testing.F) {
	for _, seed := range []string{"Uw pakket", "Van: a\nOnderwerp: b", "\xff\xfe", "ы漢あ", "a\u00adb\u0301"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, confidence := Detect(s); !(confidence >= 0 && confidence <= 1.000001) {
			t.Fatalf("confidence %v", confidence)
		}
		FromForwardHeader(s)
	})
}

func BenchmarkDetect(b *testing.B) {
	subject := "Uw pakket kon niet worden bezorgd"
	body := strings.Repeat("Beste klant, uw pakket kon niet worden bezorgd omdat het adres onvolledig is. ", 30)
	for name, text := range map[string]string{"subject": subject, "body": body} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Detect(text)
			}
		})
	}
}
