package markup_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
)

func read(s string) *markup.Document { return markup.Read(s, markup.Limits{}) }

func TestText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"white space", "<p> one \n  two&nbsp;&nbsp;three </p>", "one two three"},
		{"blocks", "<div>one</div><div>two</div>three", "one\ntwo\nthree"},
		{"paragraphs", "<p>one<p>two</p>", "one\n\ntwo"},
		{"breaks", "one<br>two<br/><br>three</br>four", "one\ntwo\n\nthree\nfour"},
		{"break at the end of a block", "<div>one<br></div><div>two</div>", "one\ntwo"},
		{"cells", "<table><tr><td>a<td>b</tr><tr><td>c</table>", "a b\nc"},
		{"inline", "<b>Pay</b><i>Pal</i>", "PayPal"},
		{"entities", "caf&eacute; &lt;b&gt; &#8364;5 &amp;amp;", "café <b> €5 &amp;"},
		{"script and style", "a<script>var x = '<p>no</p>'</script><style>p{}</style>b", "ab"},
		{"comment", "a<!-- no --><!--[if mso]><p>no</p><![endif]-->b", "ab"},
		{"noscript", "<noscript>Hello</noscript>", "Hello"},
		{"preformatted", "<pre>one\n  two</pre>", "one\ntwo"},
		{"title is not text", "<head><title>T</title></head><body>x", "x"},
		{"zero width", "Pay\u200bP\u2060al bank\u00ading", "PayPal banking"},
		{"Persian keeps its joiner", "می\u200cخواهم", "می\u200cخواهم"},
		{"bad UTF-8", "a\xffb", "a\uFFFDb"},
		{"unknown elements", "<o:p>one</o:p><custom>two</custom>", "onetwo"},
		{"unclosed tag", "one<a href=", "one"},
		{"plain text", "just text", "just text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(tt.in).Text; got != tt.want {
				t.Errorf("Read(%q).Text = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestHidden(t *testing.T) {
	tests := []struct {
		name, in string
		visible  string
		hidden   string
		why      markup.Why
	}{
		{"display", `a<div style="display:none">x</div>b`, "a\nb", "x", markup.WhyDisplay},
		{"display important", `<div style="DISPLAY : NONE !important">x</div>`, "", "x", markup.WhyDisplay},
		{"visibility", `<p style="visibility:hidden">x</p>`, "", "x", markup.WhyVisibility},
		{"visibility undone", `<p style="visibility:hidden"><b style="visibility:visible">x</b></p>`, "x", "", ""},
		{"attribute", `<p hidden>x</p>`, "", "x", markup.WhyAttribute},
		{"size", `<p style="font-size:0px">x</p>`, "", "x", markup.WhySize},
		{"size of a pixel", `<p style="font-size:1px">x</p>`, "", "x", markup.WhySize},
		{"size undone, as newsletters do", `<td style="font-size:0"><div style="font-size:13px">x</div></td>`, "x", "", ""},
		{"font shorthand", `<p style="font:0/0 a">x</p>`, "x", "", ""},
		{"opacity", `<p style="opacity:0.0">x</p>`, "", "x", markup.WhyOpacity},
		{"opacity that shows", `<p style="opacity:.9">x</p>`, "x", "", ""},
		{"colour on colour", `<td bgcolor="#fff"><span style="color:white">x</span></td>`, "", "x", markup.WhyColour},
		{"font colour", `<body bgcolor=white><font color="#fefefe">x</font>`, "", "x", markup.WhyColour},
		{"transparent", `<p style="color:transparent">x</p>`, "", "x", markup.WhyColour},
		{"white on an unknown ground shows", `<p style="color:#fff">x</p>`, "x", "", ""},
		{"white on black shows", `<p style="color:#fff;background:#000">x</p>`, "x", "", ""},
		{"clipped", `<div style="max-height:0;overflow:hidden">x</div>`, "", "x", markup.WhyClipped},
		{"overflow alone shows", `<div style="overflow:hidden">x</div>`, "x", "", ""},
		{"offscreen", `<div style="position:absolute;left:-9999px">x</div>`, "", "x", markup.WhyOffscreen},
		{"indent", `<div style="text-indent:-9999px">x</div>`, "", "x", markup.WhyOffscreen},
		{"a hidden paragraph ends at the next", `<p style="display:none">x<p>y`, "y", "x", markup.WhyDisplay},
		{"a hidden block ends with its cell", `<table><tr><td><div style="display:none">x</td><td>y</td></table>`, "y", "x", markup.WhyDisplay},
		{"a stray end tag does not open a cell", `<table><tr><td style="display:none"></div>x</td></table>`, "", "x", markup.WhyDisplay},
		{"depth", `<div style="display:none">` + strings.Repeat("<div>", 600) + "x" + strings.Repeat("</div>", 600) + "</div>y", "y", "x", markup.WhyDisplay},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := read(tt.in)
			var hidden string
			var why markup.Why
			if len(d.Hidden) > 0 {
				hidden, why = d.Hidden[0].Text, d.Hidden[0].Why
			}
			if d.Text != tt.visible || hidden != tt.hidden || why != tt.why {
				t.Errorf("text %q, hidden %q by %q; want %q, %q, %q", d.Text, hidden, why, tt.visible, tt.hidden, tt.why)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	type link struct{ URL, Text, Element, Attr string }
	tests := []struct {
		name, in string
		want     []link
	}{
		{"anchor", `Go <a href="https://a.test/?x=1&amp;y=2"> to <b>your</b> bank </a>now`, []link{{"https://a.test/?x=1&y=2", "to your bank", "a", "href"}}},
		{"single quotes and none", `<a href='b.test'>x</a><a href=c.test>y</a>`, []link{{"b.test", "x", "a", "href"}, {"c.test", "y", "a", "href"}}},
		{"broken by line ends", "<a href=\"\thttps://a.\ntest/ \">x</a>", []link{{"https://a.test/", "x", "a", "href"}}},
		{"scripts and data", `<a href="JavaScript:go()">x</a><a href="data:text/html,y">y</a>`, []link{{"JavaScript:go()", "x", "a", "href"}, {"data:text/html,y", "y", "a", "href"}}},
		{"anchor in anchor", `<a href=a>1<a href=b>2</a>`, []link{{"a", "1", "a", "href"}, {"b", "2", "a", "href"}}},
		{"never closed", `<a href=a>1`, []link{{"a", "1", "a", "href"}}},
		{"map", `<map><area href="https://a.test"></map>`, []link{{"https://a.test", "", "area", "href"}}},
		{"form", `<form action="/login"><button formaction="https://b.test">`, []link{{"/login", "", "form", "action"}, {"https://b.test", "", "button", "formaction"}}},
		{"frames", `<iframe src=a></iframe><frame src=b><embed src=c><object data=d></object>`, []link{{"a", "", "iframe", "src"}, {"b", "", "frame", "src"}, {"c", "", "embed", "src"}, {"d", "", "object", "data"}}},
		{"pictures", `<img src=a.png srcset="b.png 2x, c.png 3x"><img src="cid:x"><img src="data:image/png;base64,AA==">`, []link{{"a.png", "", "img", "src"}, {"b.png", "", "img", "srcset"}, {"c.png", "", "img", "srcset"}}},
		{"background", `<td background="a.png" style="color:red; background:url('b.png;x')">`, []link{{"a.png", "", "td", "background"}, {"b.png;x", "", "td", "style"}}},
		{"style sheet", `<style>@import url(a.css); p{background:url("b.png")}</style><link href=c.css>`, []link{{"a.css", "", "style", "style"}, {"b.png", "", "style", "style"}, {"c.css", "", "link", "href"}}},
		{"refresh", `<meta http-equiv="Refresh" content="0; URL='https://a.test/'">`, []link{{"https://a.test/", "", "meta", "content"}}},
		{"vector", `<v:roundrect href="https://a.test"><w:anchorlock/></v:roundrect><svg><a xlink:href="b"><text>x</text></a></svg>`, []link{{"https://a.test", "", "v:roundrect", "href"}, {"b", "x", "a", "xlink:href"}}},
		{"base", `<base href="https://evil.test/dir/"><a href="login">x</a><a href="#top">y</a><a href="mailto:a@b">z</a>`, []link{{"https://evil.test/dir/login", "x", "a", "href"}, {"#top", "y", "a", "href"}, {"mailto:a@b", "z", "a", "href"}}},
		{"event", `<div onclick="window.location.href = 'https://a.test/'">`, []link{{"https://a.test/", "", "div", "location"}}},
		{"script", `<script>var u="https:\/\/c.test"; location.replace("b"); window.open('d')</script>`, []link{{"b", "", "script", "location"}, {"d", "", "script", "location"}, {"https://c.test", "", "script", "text"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := read(tt.in)
			var got []link
			for _, l := range d.Links {
				got = append(got, link{l.URL, l.Text, l.Element, l.Attr})
				if d.Text[l.Start:l.End] != l.Text {
					t.Errorf("%+v does not stand at its offsets in %q", l, d.Text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinkFlags(t *testing.T) {
	d := read(`<!--[if mso]><v:roundrect href="https://only.outlook.test">x</v:roundrect><![endif]-->` +
		`<div style="display:none"><a href="https://hidden.test">words</a></div>` +
		`<td style="font-size:0"><a href="https://picture.test"><img src="a.png" width="100%" height="1"> x</a></td>`)
	if len(d.Links) != 4 {
		t.Fatalf("links %+v", d.Links)
	}
	if l := d.Links[0]; !l.Conditional || l.Hidden || !l.Clickable() {
		t.Errorf("conditional: %+v", l)
	}
	if l := d.Links[1]; !l.Hidden || l.Text != "words" || l.Start != l.End {
		t.Errorf("hidden: %+v", l)
	}
	if l := d.Links[2]; l.Hidden {
		t.Errorf("a picture in a link can be clicked: %+v", l)
	}
	if l := d.Links[3]; l.Clickable() {
		t.Errorf("a picture's source is not clicked: %+v", l)
	}
	if i := d.Images[0]; i.Link != "https://picture.test" || i.Width != -1 || i.Height != 1 || i.Hidden {
		t.Errorf("image: %+v", i)
	}
}

func TestForms(t *testing.T) {
	d := read(`<input name=loose><form action="https://a.test" method=POST><input name=user><input TYPE=Password name=pw><select name=s></select></form><form></form>`)
	want := []markup.Form{
		{Method: "get", Inputs: []markup.Input{{Type: "text", Name: "loose"}}},
		{Action: "https://a.test", Method: "post", Inputs: []markup.Input{{"text", "user"}, {"password", "pw"}, {"select", "s"}}},
		{Method: "get"},
	}
	if diff := cmp.Diff(want, d.Forms); diff != "" {
		t.Fatal(diff)
	}
	if d.Forms[0].Password() || !d.Forms[1].Password() {
		t.Error("Password is wrong")
	}
}

func TestScripts(t *testing.T) {
	d := read(`<script>var b = new Blob([atob(x)]); navigator.msSaveOrOpenBlob(b)</script><body onload="eval(y)">`)
	if d.Scripts != 2 {
		t.Errorf("%d scripts, want 2", d.Scripts)
	}
	if diff := cmp.Diff([]string{"atob", "Blob", "msSaveOrOpenBlob", "eval"}, d.Markers); diff != "" {
		t.Error(diff)
	}
}

func TestHead(t *testing.T) {
	d := read(`<title> Your
 bank </title><base href="https://a.test/x/"><meta http-equiv=refresh content="5;url=next">`)
	if d.Title != "Your bank" || d.Base != "https://a.test/x/" || d.Refresh != "https://a.test/x/next" {
		t.Errorf("title %q, base %q, refresh %q", d.Title, d.Base, d.Refresh)
	}
}

func TestZeroWidth(t *testing.T) {
	for in, want := range map[string]int{
		"Pay\u200bPal":           1,
		"P\u200b\u200ba&#8203;y": 3,
		"bank\u00ading":          0,
		"a &zwnj; &zwnj; b":      0,
		"plain":                  0,
		"k\u200dö":               1,
	} {
		if got := read(in).ZeroWidth; got != want {
			t.Errorf("ZeroWidth of %q = %d, want %d", in, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	tests := map[string]struct {
		html   string
		limits markup.Limits
	}{
		"bytes":  {strings.Repeat("a", 100), markup.Limits{Bytes: 10}},
		"tokens": {strings.Repeat("<b>a", 100), markup.Limits{Tokens: 10}},
		"links":  {strings.Repeat("<a href=x>a</a>", 100), markup.Limits{Links: 10}},
		"images": {strings.Repeat("<img src=cid:x>", 100), markup.Limits{Links: 10}},
	}
	for name, tt := range tests {
		d := markup.Read(tt.html, tt.limits)
		if !d.Truncated || len(d.Links) > 10 || len(d.Images) > 10 || len(d.Text) > 100 {
			t.Errorf("%s: truncated %v, %d links, %d images", name, d.Truncated, len(d.Links), len(d.Images))
		}
	}
}

// TestLinear makes the input eight times as long and expects about eight times
// the time, for what invites a square.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	wide := markup.Limits{Bytes: 64 << 20, Tokens: 1 << 30, Links: 1 << 20, Depth: 1 << 20}
	for _, piece := range []string{
		"<div>", "</div>", "<a href=x>", "<b></i>", "<", "<!--", "<!--[if mso]>", "<a b=\"", "&", "&#", "<script>", "<script>location=",
		"window.open", "<p style='display:none'>a<p>b", "<td style='a(;b'>", "<p a=1 b=2 ", "\u200b", "<title>", "<textarea>", "</x", "<input>", "<svg/>", "<![CDATA[",
		"<script>\"http", "<p style=\"background:url(\">", "<unknown>", "<base href=https://a.test/><a href=b>",
	} {
		measure := func(n int) time.Duration {
			s := strings.Repeat(piece, n)
			best := time.Hour
			for range 3 {
				start := time.Now()
				markup.Read(s, wide)
				best = min(best, time.Since(start))
			}
			return best
		}
		const n = 4000
		if one, eight := measure(n), measure(8*n); eight > 32*one+100*time.Millisecond {
			t.Errorf("%q: %v for %d, %v for %d", piece, one, n, eight, 8*n)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`<p style="display:none;font:0/0 a">x</p><a href="&#104;ttps://a.test">y</a>`,
		`<!--[if mso]><a href=b><![endif]--><base href=https://x.test><img src=y srcset="a,b 2x">`,
		"<script>location='a'</script><style>@import url(x)</style><title>&amp;",
		"<table><tr><td bgcolor=#fff><font color=white>Pay\u200bPal<input type=password>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := read(s)
		if !utf8.ValidString(d.Text) {
			t.Errorf("text %q is not UTF-8", d.Text)
		}
		for _, l := range d.Links {
			if l.Start < 0 || l.End < l.Start || l.End > len(d.Text) || l.Start < l.End && d.Text[l.Start:l.End] != l.Text {
				t.Errorf("link %+v does not stand in %q", l, d.Text)
			}
		}
		for _, h := range d.Hidden {
			if h.At < 0 || h.At > len(d.Text) || h.Text == "" {
				t.Errorf("hidden %+v does not belong to %q", h, d.Text)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	row := `<tr><td style="font-family:Arial,sans-serif;font-size:14px;color:#333333;padding:0 20px" align="left"><p>Your account will be closed unless you confirm the payment within two days.</p>` +
		`<a href="https://www.example.org/track?id=123&amp;u=456" target="_blank" style="color:#fff;background:#06c">Confirm</a><img src="https://img.example.org/a.png" width="20" alt=""></td></tr>` + "\n"
	s := "<html><body bgcolor=\"#ffffff\"><table width=600>" + strings.Repeat(row, 50) + "</table></body></html>"
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		markup.Read(s, markup.Limits{})
	}
}
