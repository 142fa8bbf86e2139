package outlook

import (
	"errors"
	"slices"
	"time"
)

// ErrFormat says that the input is not of the format that was asked for, or
// that nothing of it can be read.
var ErrFormat = errors.New("outlook: not a readable item")

// Item is a message, or another thing that Outlook keeps: an appointment, a
// contact, a note, a task. Texts are UTF-8 without NUL, as they were written
// otherwise; single-line values may hold line ends when the item is hostile.
type Item struct {
	// Class is PidTagMessageClass, such as "IPM.Note".
	Class string
	// Headers are the fields that the message travelled with
	// (PidTagTransportMessageHeaders); empty for one that never travelled.
	Headers string

	Subject    string
	From       Person // whom it says it is from
	Sender     Person // who sent it on behalf of From; empty when that is the same
	ReplyTo    []Person
	Recipients []Recipient
	Date       time.Time // when it was sent, else received, else made
	MessageID  string    // with angle brackets
	InReplyTo  string
	References string

	Text string
	HTML string
	// Details are the values of a contact's or appointment's own properties that a
	// reader sees: names, numbers, places, addresses of pages.
	Details []string
	Files   []File
	Faults  []Fault
}

// Person is a name with its address. The address is one of SMTP where the item
// knows it, else what there is: mostly an Exchange name such as
// "/o=Org/ou=Site/cn=Recipients/cn=jane".
type Person struct{ Name, Address string }

// Recipient is one of the people a message is for.
type Recipient struct {
	Person
	Kind RecipientKind
}

// RecipientKind is PidTagRecipientType.
type RecipientKind int

// The kinds of recipients. Others are left out: they are not to be read.
const (
	To  RecipientKind = 1
	Cc  RecipientKind = 2
	Bcc RecipientKind = 3
)

// File is an attachment.
type File struct {
	Name      string
	Type      string // media type as declared, or empty
	ContentID string // without angle brackets
	Inline    bool   // shown in the text, not listed beside it
	Content   []byte // shares memory with the input where it can
	Item      *Item  // the embedded item; Content is then empty
	Target    string // where the file lies when it is only referred to
}

// Fault is something wrong with an item.
type Fault struct {
	Kind   FaultKind
	Detail string
}

// FaultKind says what was wrong.
type FaultKind int

// The kinds of faults.
const (
	Broken         FaultKind = iota // a structure that breaks the format; what it held is missing or cut off
	TextCut                         // Limits.TextBytes
	ExpandedCut                     // Limits.Expanded
	FilesCut                        // Limits.Files
	RecipientsCut                   // Limits.Recipients
	TooDeep                         // Limits.Depth: an embedded item was left out
	CharsetUnknown                  // a text in a code page that is not known, or not in the one that is named
)

// Limits bound the reading of an item and all inside it together. Every field
// must be set; Files, Expanded and Copied are counted down, so that what several items
// share can be handed from one to the next.
type Limits struct {
	Depth      int // embedded items around an embedded item
	Files      int // attachments
	Recipients int // of one item
	TextBytes  int // of the text of one item, and as many of HTML and of headers
	Expanded   int // bytes of rich text that decompression may make
	Copied     int // bytes of a .msg file that are copied because they stand scattered
}

// maxFaults bounds the faults noted of one item, each once.
const maxFaults = 16

func (it *Item) fault(kind FaultKind, detail string) {
	if f := (Fault{kind, detail}); len(it.Faults) < maxFaults && !slices.Contains(it.Faults, f) {
		it.Faults = append(it.Faults, f)
	}
}

// reader is one call of ReadMSG or ReadTNEF.
type reader struct{ limits *Limits }

// takeFile counts an attachment.
func (r *reader) takeFile(it *Item) bool {
	if r.limits.Files <= 0 {
		it.fault(FilesCut, "")
		return false
	}
	r.limits.Files--
	return true
}
