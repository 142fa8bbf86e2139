package markup

// Document is what Read found.
type Document struct {
	// Text is what a reader sees: white space collapsed, blocks on lines of
	// their own, paragraphs set apart by one empty line, entities decoded,
	// invisible characters taken out. Scripts, styles, comments and hidden
	// text are not in it.
	Text string
	// Title is the content of the title element.
	Title string
	// Base is the first base element's href. Relative targets in Links,
	// Images and Forms are already resolved against it.
	Base string
	// Refresh is the target of a meta refresh; it is in Links, too.
	Refresh string

	Links  []Link
	Images []Image
	Forms  []Form
	Hidden []Span // text that is there but not seen, in order

	// Scripts counts script elements and event attributes (onclick, onload).
	Scripts int
	// Markers are the script functions seen that smuggle files or hide
	// targets, such as "atob" and "createObjectURL"; each once, in the order
	// of the table in script.go.
	Markers []string
	// ZeroWidth counts invisible characters inside words. They split a word
	// for a filter and not for a reader. Padding between words, as newsletters
	// have after their preview text, does not count, nor do soft hyphens.
	ZeroWidth int
	// Truncated says that a limit ended the reading early.
	Truncated bool
}

// Link is one place that the document leads to, whether by a click, by itself
// when it is shown, or by a script.
type Link struct {
	// URL is the target with surrounding space and inner control characters
	// removed, as a browser does (WHATWG URL section 4.4). It may have any
	// scheme (javascript:, data:, mailto:) or none.
	URL string
	// Text is the words that a reader sees of an anchor, Document.Text[Start:End];
	// of a hidden anchor the words that it hides.
	Text string
	// Element and Attr say where it stood, lower case: "a" "href", "form"
	// "action", "img" "src", "td" "style", "script" "location", ...
	Element, Attr string
	// Start and End are byte offsets in Document.Text, equal when the link
	// shows no words.
	Start, End int
	// Hidden says that the link stands inside something hidden.
	Hidden bool
	// Conditional says that only Outlook sees it: it stands in a conditional
	// comment.
	Conditional bool
}

// Clickable reports whether a reader follows the link with a click, rather
// than its being loaded with the document.
func (l *Link) Clickable() bool {
	switch l.Attr {
	case "href", "xlink:href":
		return l.Element != "link" && l.Element != "base"
	case "action", "formaction", "location":
		return true
	}
	return false
}

// Image is an img element or another picture.
type Image struct {
	Src string // as in Link.URL; cid: and data: stay whole
	Alt string
	// Width and Height are the declared size in pixels, -1 when not declared.
	// 0 or 1 is a counting pixel.
	Width, Height int
	// Link is the target of the anchor around it, or empty.
	Link   string
	Hidden bool
}

// Form is one form element. Inputs that stand outside every form make a Form
// with no action.
type Form struct {
	Action string
	Method string // lower case; "get" when absent
	Inputs []Input
}

// Input is one field of a form.
type Input struct {
	Type string // lower case; "text" when absent; "textarea", "select", "button" for these elements
	Name string
}

// Password reports whether the form asks for one.
func (f *Form) Password() bool {
	for _, in := range f.Inputs {
		if in.Type == "password" {
			return true
		}
	}
	return false
}

// Span is a run of hidden text.
type Span struct {
	At   int    // byte offset in Document.Text at which it would stand
	Text string // the hidden words, white space collapsed
	Why  Why
}

// Why says by which trick a text is hidden.
type Why string

// The ways of hiding that are recognised from the element itself and its
// ancestors (style sheets are not applied).
const (
	WhyDisplay    Why = "display"    // display:none
	WhyVisibility Why = "visibility" // visibility:hidden or collapse
	WhyAttribute  Why = "attribute"  // the hidden attribute
	WhySize       Why = "size"       // a font size of at most one pixel
	WhyOpacity    Why = "opacity"    // opacity 0 or nearly
	WhyColour     Why = "colour"     // letters in the colour of their background, or transparent
	WhyClipped    Why = "clipped"    // in a box of no size that cuts off what overflows
	WhyOffscreen  Why = "offscreen"  // moved or indented out of sight
)

// Limits bound the work of Read. A zero field means its default.
type Limits struct {
	Bytes  int // of HTML that are read; default 2 MiB
	Tokens int // tags and runs of text; default 400,000
	Links  int // links kept; default 5,000. The same goes for images and inputs
	Depth  int // open elements that are followed; default 512
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 2 << 20
	}
	if l.Tokens <= 0 {
		l.Tokens = 400_000
	}
	if l.Links <= 0 {
		l.Links = 5_000
	}
	if l.Depth <= 0 {
		l.Depth = 512
	}
	return l
}
