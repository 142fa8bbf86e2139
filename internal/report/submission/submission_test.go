package submission

import (
	"bytes"
	"strings"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

func TestTheContainerHoldsWhatWasHandedIn(t *testing.T) {
	mail := []byte("Subject: x\n\nbare line feeds stay\n\x00\xff")
	f := Form{
		Text: "Look: é", URL: "http://evil.example/",
		Files: []File{
			{Name: `C:\mails\the one.eml`, Type: "application/octet-stream", Content: mail},
			{Name: "../../etc/sh\u202eot.png", Type: "image/png", Content: bytes.Repeat([]byte{0, 1, 2, 255}, 100)},
			{Name: "x.msg", Content: []byte{0xd0}},
			{Name: "", Type: "multipart/mixed; boundary=x", Content: []byte("y")},
			{Name: "a\r\nX-Evil: 1", Type: "text/html\r\nX-Evil: 1", Content: []byte("z")},
		},
	}
	got := f.Compose()
	for _, want := range []string{
		"X-Belfry-Submission: text url files\r\n", "Content-Type: message/rfc822\r\n", `filename="the one.eml"`, "filename=shot.png",
		"Content-Type: application/vnd.ms-outlook\r\n", "filename=file\r\n", string(mail) + "\r\n--=_belfry_", "TG9vazogw6kKCmh0dHA6Ly9ldmlsLmV4YW1wbGUvCg==",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("it lacks %q", want)
		}
	}
	for _, never := range []string{"\nX-Evil", "Content-Type: multipart/mixed; boundary=x", "\u202e", "etc/"} {
		if strings.Contains(string(got), never) {
			t.Errorf("it has %q", never)
		}
	}
	if again := f.Compose(); !bytes.Equal(got, again) {
		t.Error("not the same twice")
	}
	f.Email, f.Language = "ann@example.net", "nl"
	if who := f.Compose(); !bytes.Equal(got, who) {
		t.Error("it tells who handed it in")
	}
	f.Files[2].Content = []byte{0xd1}
	if other := f.Compose(); bytes.Equal(got, other) {
		t.Error("other files, the same container")
	}
}

func TestABoundaryNeverStandsInAMail(t *testing.T) {
	f := Form{Files: []File{{Name: "a.eml", Content: []byte("x")}}}
	first := f.boundary()
	f.Text = first // it changes the boundary, too
	f.Files[0].Content = []byte("--" + first + "--")
	if f.boundary() == first || f.contains([]byte(f.boundary())) {
		t.Error("the boundary stands in the mail")
	}
}

func TestParseLimits(t *testing.T) {
	body := func(parts ...string) string {
		var b strings.Builder
		for _, p := range parts {
			b.WriteString("--b\r\nContent-Disposition: form-data; " + p + "\r\n")
		}
		return b.String() + "--b--\r\n"
	}
	file := `name="files[]"; filename=a` + "\r\n\r\nx"
	for name, c := range map[string]struct {
		body string
		want fault.Kind
	}{
		"many files":  {body(strings.Split(strings.Repeat(file+"|", MaxFiles)+file, "|")...), fault.TooLarge},
		"many fields": {body(strings.Split(strings.Repeat("name=\"files[]\"\r\n\r\n|", maxParts)+file, "|")...), fault.TooLarge},
		"long text":   {body("name=text\r\n\r\n" + strings.Repeat("x", MaxText+1)), fault.TooLarge},
		"long url":    {body("name=url\r\n\r\n" + strings.Repeat("x", MaxURL+1)), fault.TooLarge},
		"no name":     {body("\r\n\r\nx"), fault.Invalid},
		"cut off":     {"--b\r\nContent-Disposition: form-data; name=text\r\n\r\nx", fault.Invalid},
		"empty":       {"", fault.Invalid},
	} {
		if _, err := Parse("multipart/form-data; boundary=b", strings.NewReader(c.body)); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	f, err := Parse("multipart/form-data; boundary=b", strings.NewReader(body("name=text\r\n\r\n a\x00\xff ", file, "name=files\r\n\r\n")))
	if err != nil || f.Text != "a\uFFFD\uFFFD" || len(f.Files) != 1 {
		t.Errorf("Parse = %+v, %v", f, err)
	}
}
