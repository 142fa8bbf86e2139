package markup

import (
	"bytes"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Read reads an HTML document or fragment. It never fails; what a limit cut
// off is told by Document.Truncated. Invalid UTF-8 is replaced.
func Read(source string, limits Limits) *Document {
	r := &reader{limits: limits.withDefaults(), doc: &Document{}, open: -1, form: -1, loose: -1}
	if len(source) > r.limits.Bytes {
		source = source[:r.limits.Bytes]
		r.doc.Truncated = true
	}
	if !utf8.ValidString(source) {
		source = strings.ToValidUTF8(source, "\uFFFD")
	}
	r.visible.buf = make([]byte, 0, len(source)/4)
	r.stack = make([]element, 0, 32)
	r.attrs = make([]attr, 0, 16)
	r.doc.Links = make([]Link, 0, min(strings.Count(source, "http"), r.limits.Links))
	r.read(strings.NewReader(source), false)
	return r.finish()
}

// reader is one call of Read.
type reader struct {
	limits Limits
	doc    *Document
	tokens int

	stack    []element
	overflow int       // elements opened beyond the limit of depth
	raw      atom.Atom // the element whose content is not markup: script, style, title, ...
	attrs    []attr

	visible text
	hidden  text // the hidden run being read, by hiddenWhy
	why     Why
	at      int

	open       int  // the open anchor's index in doc.Links, or -1
	started    bool // it has shown a word
	openHidden text // its hidden words
	pictured   bool // it has shown a picture
	form       int  // the open form's index in doc.Forms, or -1
	loose      int  // the form made for inputs outside forms, or -1
	marked     [len(markers)]bool
}

// element is an open element.
type element struct {
	tag  atom.Atom
	name string // when tag is 0
	look look
	pre  bool
}

type attr struct{ key, val []byte }

func (r *reader) top() element {
	if len(r.stack) == 0 {
		return element{}
	}
	return r.stack[len(r.stack)-1]
}

// read goes over the tokens of a document, or, when conditional, over those
// in a comment that only Outlook reads, of which only the links count.
func (r *reader) read(source io.Reader, conditional bool) {
	z := html.NewTokenizer(source)
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		if r.tokens++; r.tokens > r.limits.Tokens {
			r.doc.Truncated = true
			return
		}
		switch kind {
		case html.TextToken:
			if !conditional {
				r.text(z)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			tag := atom.Lookup(name)
			label := tag.String()
			if tag == 0 {
				label = string(name[:min(len(name), 40)])
			}
			r.attrs = r.attrs[:0]
			for more {
				var a attr
				a.key, a.val, more = z.TagAttr()
				r.attrs = append(r.attrs, a)
			}
			if conditional {
				from := len(r.doc.Links)
				r.targets(tag, label, &look{})
				for i := range r.doc.Links[from:] {
					r.doc.Links[from+i].Conditional = true
				}
				continue
			}
			r.start(tag, label, kind == html.SelfClosingTagToken)
			switch tag {
			case atom.Noscript, atom.Noframes, atom.Noembed, atom.Iframe, atom.Plaintext, atom.Xmp:
				// Mail programs run no script and show these as they are.
				z.NextIsNotRawText()
			case atom.Script, atom.Style, atom.Title, atom.Textarea:
				r.raw = tag
			}
		case html.EndTagToken:
			if !conditional {
				name, _ := z.TagName()
				r.end(name)
			}
		case html.CommentToken:
			if conditional {
				continue
			}
			if data := z.Text(); bytes.HasPrefix(data, []byte("[if")) {
				if _, inner, found := bytes.Cut(data, []byte("]>")); found && bytes.IndexByte(inner, '<') >= 0 {
					r.read(bytes.NewReader(inner), true)
				}
			}
		}
	}
}

// text takes in a run of text.
func (r *reader) text(z *html.Tokenizer) {
	switch r.raw {
	case atom.Script:
		r.script("script", string(z.Text()))
		return
	case atom.Style:
		if css := z.Text(); bytes.Contains(css, []byte("url(")) || bytes.Contains(css, []byte("@import")) {
			eachURL(string(css), func(url string) { r.link("style", "style", url) })
		}
		return
	case atom.Title:
		if r.doc.Title == "" {
			var t text
			t.write(z.Text(), false)
			r.doc.Title = string(t.buf)
		}
		return
	}
	top := r.top()
	r.words(z.Text(), &top.look, top.pre)
}

// words adds text of this look to what is visible or to what is hidden.
func (r *reader) words(s []byte, l *look, pre bool) {
	why := l.why()
	if why == "" {
		before := len(r.visible.buf)
		r.doc.ZeroWidth += r.visible.write(s, pre)
		if len(r.visible.buf) == before {
			return
		}
		r.endHidden()
		if r.open >= 0 && !r.started {
			for before < len(r.visible.buf) && (r.visible.buf[before] == ' ' || r.visible.buf[before] == '\n') {
				before++
			}
			r.doc.Links[r.open].Start = before
			r.started = true
		}
		return
	}
	if why != r.why {
		r.endHidden()
		r.why, r.at = why, len(r.visible.buf)
	}
	r.hidden.write(s, false)
	if r.open >= 0 && !r.started {
		r.openHidden.write(s, false)
	}
}

// endHidden closes the run of hidden text.
func (r *reader) endHidden() {
	if len(r.hidden.buf) > 0 {
		if len(r.doc.Hidden) < r.limits.Links {
			r.doc.Hidden = append(r.doc.Hidden, Span{At: r.at, Text: string(r.hidden.buf), Why: r.why})
		} else {
			r.doc.Truncated = true
		}
	}
	r.hidden.buf = r.hidden.buf[:0]
	r.hidden.space, r.hidden.breaks = false, 0
	r.why = ""
}

// start takes in a start tag, whose attributes are in r.attrs.
func (r *reader) start(tag atom.Atom, name string, selfClosing bool) {
	r.closeImplied(tag)
	top := r.top()
	l := top.look
	r.present(tag, &l)
	r.breakBefore(tag)
	switch tag {
	case atom.A:
		r.closeAnchor()
	case atom.Form:
		r.openForm()
	case atom.Script:
		r.doc.Scripts++
	}
	anchor := r.targets(tag, name, &l)
	if tag == atom.A && anchor >= 0 {
		r.open, r.started, r.pictured = anchor, false, false
		r.openHidden = text{}
		r.doc.Links[anchor].Start = len(r.visible.buf)
	}
	switch tag {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta,
		atom.Param, atom.Source, atom.Track, atom.Wbr, atom.Keygen, atom.Frame, atom.Bgsound, atom.Image,
		atom.Script, atom.Style, atom.Title:
		return // without content, or with content that is no markup
	case 0:
		if selfClosing {
			return
		}
	}
	if len(r.stack) >= r.limits.Depth {
		r.overflow++
		return
	}
	e := element{tag: tag, look: l, pre: top.pre || tag == atom.Pre || tag == atom.Textarea || tag == atom.Xmp || tag == atom.Listing || tag == atom.Plaintext}
	if tag == 0 {
		e.name = name
	}
	r.stack = append(r.stack, e)
}

// present applies the attributes that change how an element looks.
func (r *reader) present(tag atom.Atom, l *look) {
	switch tag {
	case atom.Template, atom.Datalist:
		l.gone = WhyAttribute
	}
	var style []byte
	for i := range r.attrs {
		a := &r.attrs[i]
		switch string(a.key) {
		case "style":
			style = a.val
		case "hidden":
			l.gone = WhyAttribute
		case "bgcolor":
			if c := legacyColour(a.val); c != 0 {
				l.background = c
			}
		case "color":
			if c := legacyColour(a.val); tag == atom.Font && c != 0 {
				l.colour = c
			}
		case "text":
			if c := legacyColour(a.val); tag == atom.Body && c != 0 {
				l.colour = c
			}
		case "background":
			l.background = 0
		}
	}
	if len(style) > 0 {
		l.apply(string(style), nil)
	}
}

// legacyColour reads a colour as attributes have it, with or without a #.
func legacyColour(b []byte) rgb {
	if len(b) > 40 {
		return 0
	}
	s := strings.ToLower(strings.TrimSpace(string(b)))
	if c := colour(s); c != 0 {
		return c
	}
	return hexColour(s)
}

// targets notes every place that an element leads to, and what it is besides:
// an image, an input, a base, a refresh. It returns the index of the link of
// an href, or -1.
func (r *reader) targets(tag atom.Atom, name string, l *look) (anchor int) {
	anchor = -1
	hidden := l.gone != "" || l.invisible // a picture has no letters to be small or pale
	add := func(attr string, val []byte) int {
		i := r.link(name, attr, string(val))
		if i >= 0 {
			r.doc.Links[i].Hidden = hidden
		}
		return i
	}
	var img Image
	isImage := tag == atom.Img || tag == atom.Image || name == "v:imagedata" || name == "v:fill"
	var input Input
	var httpEquiv, content string
	for i := range r.attrs {
		key, val := r.attrs[i].key, r.attrs[i].val
		switch string(key) {
		case "href", "xlink:href":
			switch tag {
			case atom.Base:
				if r.doc.Base == "" {
					r.doc.Base = cleanURL(string(val))
				}
			default:
				if j := add(string(key), val); j >= 0 {
					anchor = j
				}
			}
		case "src":
			if isImage {
				img.Src = cleanURL(string(val))
				if hasScheme(img.Src, "data") || hasScheme(img.Src, "cid") {
					continue
				}
			}
			add(string(key), val)
		case "action":
			j := add(string(key), val)
			if tag == atom.Form && r.form >= 0 && j >= 0 {
				r.doc.Forms[r.form].Action = r.doc.Links[j].URL
			}
		case "formaction", "background", "poster", "cite", "longdesc", "lowsrc", "dynsrc", "codebase", "manifest":
			add(string(key), val)
		case "data":
			if tag == atom.Object {
				add(string(key), val)
			}
		case "ping":
			for _, target := range bytes.Fields(val) {
				add(string(key), target)
			}
		case "srcset":
			for _, candidate := range bytes.Split(val, []byte(",")) {
				if fields := bytes.Fields(candidate); len(fields) > 0 && len(fields) < 3 && !bytes.HasPrefix(candidate, []byte("data:")) {
					add(string(key), fields[0])
				}
			}
		case "style":
			if bytes.IndexByte(val, '(') >= 0 {
				eachURL(string(val), func(url string) { add("style", []byte(url)) })
			}
		case "alt":
			img.Alt = collapse(val)
		case "width":
			img.Width = size(val)
		case "height":
			img.Height = size(val)
		case "type":
			input.Type = strings.ToLower(strings.TrimSpace(string(val[:min(len(val), 40)])))
		case "name":
			input.Name = string(val[:min(len(val), 200)])
		case "method":
			if tag == atom.Form && r.form >= 0 {
				r.doc.Forms[r.form].Method = strings.ToLower(string(val[:min(len(val), 20)]))
			}
		case "http-equiv":
			httpEquiv = string(val[:min(len(val), 40)])
		case "content":
			if tag == atom.Meta {
				content = string(val)
			}
		default:
			if len(key) > 2 && key[0] == 'o' && key[1] == 'n' {
				r.doc.Scripts++
				r.script(name, string(val))
			}
		}
	}
	switch {
	case isImage && img.Src != "":
		r.image(img, hidden)
	case tag == atom.Input, tag == atom.Textarea, tag == atom.Select, tag == atom.Button:
		r.input(tag, name, input, hidden)
	case tag == atom.Meta && strings.EqualFold(httpEquiv, "refresh"):
		r.refresh(content)
	}
	return anchor
}

// link adds a link and returns its index, or -1 when it leads nowhere or there
// are too many.
func (r *reader) link(element, attr, target string) int {
	target = cleanURL(target)
	if target == "" {
		return -1
	}
	if len(r.doc.Links) >= r.limits.Links {
		r.doc.Truncated = true
		return -1
	}
	at := len(r.visible.buf)
	r.doc.Links = append(r.doc.Links, Link{URL: target, Element: element, Attr: attr, Start: at, End: at})
	return len(r.doc.Links) - 1
}

func (r *reader) image(img Image, hidden bool) {
	if len(r.doc.Images) >= r.limits.Links {
		r.doc.Truncated = true
		return
	}
	img.Hidden = hidden
	img.Width, img.Height = img.Width-1, img.Height-1
	if r.open >= 0 {
		img.Link = r.doc.Links[r.open].URL
		r.pictured = r.pictured || !hidden
	}
	r.doc.Images = append(r.doc.Images, img)
}

// size reads a width or height in pixels and returns it plus one, so that 0
// means that it is not declared.
func size(val []byte) int {
	s := strings.TrimSuffix(strings.TrimSpace(string(val[:min(len(val), 12)])), "px")
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return n + 1
	}
	return 0
}

func (r *reader) openForm() {
	r.form = -1
	if len(r.doc.Forms) >= r.limits.Links {
		r.doc.Truncated = true
		return
	}
	r.doc.Forms = append(r.doc.Forms, Form{Method: "get"})
	r.form = len(r.doc.Forms) - 1
}

func (r *reader) input(tag atom.Atom, name string, in Input, hidden bool) {
	switch {
	case tag != atom.Input:
		in.Type = name
	case in.Type == "":
		in.Type = "text"
	}
	i := r.form
	if i < 0 {
		if r.loose < 0 {
			if len(r.doc.Forms) >= r.limits.Links {
				return
			}
			r.doc.Forms = append(r.doc.Forms, Form{Method: "get"})
			r.loose = len(r.doc.Forms) - 1
		}
		i = r.loose
	}
	if f := &r.doc.Forms[i]; len(f.Inputs) < r.limits.Links {
		f.Inputs = append(f.Inputs, in)
	} else {
		r.doc.Truncated = true
	}
	if hidden {
		return
	}
	r.visible.space = true // a field parts words
}

// refresh reads the content of a meta refresh: "0; url=https://...".
func (r *reader) refresh(content string) {
	const label = "url"
	i := strings.IndexAny(content, ";,")
	if i < 0 {
		return
	}
	target := strings.TrimLeft(content[i+1:], " \t\r\n;,")
	if len(target) > len(label) && strings.EqualFold(target[:len(label)], label) {
		if after := strings.TrimLeft(target[len(label):], " \t\r\n"); strings.HasPrefix(after, "=") {
			target = after[1:]
		}
	}
	if j := r.link("meta", "content", strings.Trim(target, " \t\r\n'\"")); j >= 0 && r.doc.Refresh == "" {
		r.doc.Refresh = r.doc.Links[j].URL
	}
}

// end takes in an end tag.
func (r *reader) end(name []byte) {
	tag := atom.Lookup(name)
	if r.raw != 0 {
		raw := r.raw
		if tag == raw {
			r.raw = 0
		}
		if raw != atom.Textarea {
			return
		}
	}
	switch tag {
	case atom.A:
		r.closeAnchor()
	case atom.Form:
		r.form = -1
	case atom.Br:
		r.visible.lineBreak()
		return
	}
	r.breakAfter(tag)
	if r.overflow > 0 {
		r.overflow--
		return
	}
	// An end tag closes what is open above its element, though not a cell or a
	// table around it. It looks no further than a page is nested.
	const furthest = 64
	for i := len(r.stack) - 1; i >= max(0, len(r.stack)-furthest); i-- {
		e := &r.stack[i]
		if e.tag == tag && (tag != 0 || e.name == string(name[:min(len(name), 40)])) {
			r.stack = r.stack[:i]
			return
		}
		if isTable(e.tag) && !isTable(tag) {
			return
		}
	}
}

// closeAnchor ends the open anchor, if any.
func (r *reader) closeAnchor() {
	if r.open < 0 {
		return
	}
	l := &r.doc.Links[r.open]
	if r.started {
		l.End = len(r.visible.buf)
	} else {
		l.Start, l.End = len(r.visible.buf), len(r.visible.buf)
		if l.Text = string(r.openHidden.buf); l.Text != "" && !r.pictured {
			l.Hidden = true
		}
	}
	r.open = -1
}

// finish puts the document together.
func (r *reader) finish() *Document {
	r.closeAnchor()
	r.endHidden()
	d := r.doc
	d.Text = string(r.visible.buf)
	for i := range d.Links {
		if l := &d.Links[i]; l.End > l.Start {
			l.Text = d.Text[l.Start:l.End]
		}
	}
	for i, seen := range r.marked {
		if seen {
			d.Markers = append(d.Markers, strings.TrimSuffix(markers[i], "("))
		}
	}
	r.resolve()
	return d
}

// resolve makes relative targets absolute where a base element says how.
func (r *reader) resolve() {
	if r.doc.Base == "" {
		return
	}
	base, err := url.Parse(r.doc.Base)
	if err != nil || !base.IsAbs() {
		return
	}
	absolute := func(target *string) {
		if strings.IndexByte(*target, ':') >= 0 || *target == "" || (*target)[0] == '#' {
			return
		}
		if ref, err := url.Parse(*target); err == nil {
			*target = base.ResolveReference(ref).String()
		}
	}
	for i := range r.doc.Links {
		absolute(&r.doc.Links[i].URL)
	}
	for i := range r.doc.Images {
		absolute(&r.doc.Images[i].Src)
		absolute(&r.doc.Images[i].Link)
	}
	for i := range r.doc.Forms {
		absolute(&r.doc.Forms[i].Action)
	}
	absolute(&r.doc.Refresh)
}

// cleanURL takes from a target what a browser takes from it: control
// characters and space at the ends, tabs and line ends everywhere.
func cleanURL(s string) string {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == '\u00a0' || r == '\u200b' || r == '\ufeff' })
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	}
	return s
}

func hasScheme(target, scheme string) bool {
	return len(target) > len(scheme) && target[len(scheme)] == ':' && strings.EqualFold(target[:len(scheme)], scheme)
}

func collapse(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	var t text
	t.write(s, false)
	return string(t.buf)
}
