package message

import (
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message/file"
	"golang.org/x/net/idna"
)

// Message is what Parse found. Every string is valid UTF-8 without NUL, except
// Header's raw values, which may hold any byte but CR, LF and NUL.
type Message struct {
	// Raw is the message as it came; a message inside another shares its
	// memory where it was not encoded.
	// It is nil for one that Outlook embedded in another.
	Raw []byte
	// Header is what travelled with the message. Of an Outlook item that never
	// travelled it has the fields that the item would have been sent with.
	Header Header

	Subject    string    // decoded, on one line
	From       []Address // of every From field: more than one is a Defect
	Sender     []Address
	ReplyTo    []Address
	To         []Address
	Cc         []Address
	ReturnPath string    // without angle brackets; empty for <> and when absent: see Header.Has
	MessageID  string    // without angle brackets
	Date       time.Time // zero when absent or unreadable

	// Text is the text/plain bodies, decoded, lines ending in LF, flowed
	// lines joined (RFC 3676). Empty when there is only HTML.
	Text string
	// HTML is the text/html bodies as written, decoded to UTF-8.
	HTML string
	// Markup is HTML read once; nil without HTML.
	Markup *markup.Document

	Attachments []Attachment
	// Notices are the parts that a machine wrote for a machine: what RFC 3464,
	// 8098, 5965 and 6522 call delivery-status, disposition-notification,
	// feedback-report and rfc822-headers.
	Notices []Notice
	Defects []Defect
}

// Body returns what a person reads: the plain text or, without one, the
// visible text of the HTML.
func (m *Message) Body() string {
	if strings.TrimSpace(m.Text) != "" || m.Markup == nil {
		return m.Text
	}
	return m.Markup.Text
}

// HasDefect reports whether a defect of this code was found in the message
// itself, not in those inside it.
func (m *Message) HasDefect(code string) bool {
	for i := range m.Defects {
		if m.Defects[i].Code == code {
			return true
		}
	}
	return false
}

// Address is a mailbox (RFC 5322 section 3.4), read tolerantly.
type Address struct {
	Name    string // display name, decoded; may itself look like an address
	Address string // as written, without angle brackets, comments and space; may lack an @
}

// Domain returns what follows the last @, lower case and in Unicode where it
// is valid IDNA, without a trailing dot. Empty without @.
func (a Address) Domain() string {
	at := strings.LastIndexByte(a.Address, '@')
	if at < 0 {
		return ""
	}
	domain := strings.TrimSuffix(strings.ToLower(a.Address[at+1:]), ".")
	if strings.Contains(domain, "xn--") {
		if u, err := idna.Display.ToUnicode(domain); err == nil {
			return u
		}
	}
	return domain
}

// Attachment is a part that is not the text of the message: a file, an inline
// image, another message.
type Attachment struct {
	// Name is the file name without path, control and direction-changing
	// characters; empty when the part had none.
	Name string
	// Declared is the media type that the part claims, lower case, without
	// parameters.
	Declared string
	// Type is the media type that the content shows, see file.Sniff; text/html also
	// for a text that its name or declared type makes a browser open as a page.
	Type string
	// Macros says that an Office document of either format carries code.
	Macros bool
	// Entries are the files in a zip archive, not unpacked, up to a limit.
	Entries []Entry

	Size      int64 // bytes of Content
	SHA256    [32]byte
	Content   []byte // transfer encoding undone; may share memory with Message.Raw
	Inline    bool   // Content-Disposition: inline, or named by the HTML
	ContentID string // without angle brackets
	// Message is the message that this attachment is: message/rfc822, or a
	// file that is one by its name or content, Outlook's formats among them. Nil
	// below the depth limit. What Outlook embedded has no Content of its own.
	Message *Message
	// Markup is an HTML or SVG file read once, as a browser would open it; nil
	// for other types.
	Markup *markup.Document
}

// Entry is one file of an archive.
type Entry = file.Entry

// Notice is a part in the form of header fields, for machines.
type Notice struct {
	// Type is "message/delivery-status", "message/disposition-notification",
	// "message/feedback-report" or "text/rfc822-headers".
	Type string
	// Groups are its blocks of fields: in a delivery status the first is about
	// the message and each further one about a recipient.
	Groups  []Header
	Content []byte
}

// Limits bound what Parse takes in, for the message and all inside it
// together where nothing else is said. A zero field means its default; the defaults suit mails of 25 MiB.
type Limits struct {
	Bytes         int // of the message that are looked at; default 64 MiB
	Depth         int // messages inside messages; default 8
	Multiparts    int // multiparts inside multiparts; default 32
	Parts         int // MIME parts in all; default 1,000
	Headers       int // fields in one header; default 1,000
	HeaderBytes   int // of one header; default 512 KiB
	LineBytes     int // of one header field, unfolded; default 128 KiB
	TextBytes     int // of decoded text of one message, and as many of HTML; default 2 MiB
	Attachments   int // in all; default 500
	Addresses     int // in one kind of address field; default 1,000
	DefectsOfKind int // entries with the same code in one message; default 8
	Expanded      int // bytes that decompression makes, of rich text and of mails in archives, in all; default 32 MiB. Twice as many may be put together from scattered pieces of .msg files

	Markup markup.Limits
}

func (l Limits) withDefaults() Limits {
	or := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	or(&l.Bytes, 64<<20)
	or(&l.Depth, 8)
	or(&l.Multiparts, 32)
	or(&l.Parts, 1000)
	or(&l.Headers, 1000)
	or(&l.HeaderBytes, 512<<10)
	or(&l.LineBytes, 128<<10)
	or(&l.TextBytes, 2<<20)
	or(&l.Attachments, 500)
	or(&l.Addresses, 1000)
	or(&l.DefectsOfKind, 8)
	or(&l.Expanded, 32<<20)
	return l
}

// Defect is something wrong with a message, never a reason to refuse it.
type Defect struct {
	Code   string // one of the Defect constants
	Detail string // what and where, short; may quote the message
}

// The codes of defects.
const (
	DefectNoHeader        = "no-header"         // no header field was recognised: all of it is body
	DefectLeadingJunk     = "leading-junk"      // lines before the first field, an mbox From_ line among them
	DefectHeaderLine      = "header-line"       // a line in the header that is no field
	DefectHeaderEnd       = "header-end"        // the body begins without an empty line
	DefectHeaderBytes     = "header-8bit"       // bytes over 127 that are not UTF-8 in a header
	DefectControl         = "control-character" // NUL or bare CR in a header or a text
	DefectBareCR          = "bare-cr"           // the lines end in CR alone
	DefectDuplicateField  = "duplicate-field"   // a field twice that may stand once (RFC 5322 section 3.6)
	DefectEncodedWord     = "encoded-word"      // a broken or unknown RFC 2047 word
	DefectAddress         = "address"           // an address that is none
	DefectDate            = "date"              // an unreadable Date
	DefectParameter       = "parameter"         // a broken or doubled Content-Type or Content-Disposition parameter
	DefectBoundaryMissing = "boundary-missing"  // a multipart without boundary, or whose boundary is nowhere in it
	DefectBoundaryOpen    = "boundary-open"     // a multipart that is not closed
	DefectTransfer        = "transfer-encoding" // an unknown encoding, or content that does not follow it
	DefectCharset         = "charset"           // an unknown charset, or content that does not follow it
	DefectFileName        = "file-name"         // a path or control characters in a file name
	DefectFileNameBidi    = "file-name-bidi"    // direction-changing characters in a file name
	DefectOutlook         = "outlook"           // a .msg or TNEF that is broken: what it held is missing or cut off
	DefectArchive         = "archive"           // a mail in an archive that could not be unpacked
	DefectLimitExpanded   = "limit-expanded"    // Limits.Expanded: rich text or an archive was not unpacked to its end
	DefectLimitBytes      = "limit-bytes"       // Limits.Bytes: the rest was not looked at
	DefectLimitDepth      = "limit-depth"       // Limits.Depth or Multiparts: what is deeper is kept as a file
	DefectLimitParts      = "limit-parts"       // Limits.Parts: further parts were dropped
	DefectLimitHeader     = "limit-header"      // Limits.Headers, HeaderBytes or LineBytes: cut off
	DefectLimitText       = "limit-text"        // Limits.TextBytes, or markup.Limits: cut off
	DefectLimitAttachment = "limit-attachments" // Limits.Attachments: further ones were dropped
	DefectLimitAddresses  = "limit-addresses"   // Limits.Addresses: further ones were dropped
)
