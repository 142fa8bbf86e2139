package outlook

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// Property types ([MS-OXCDATA] 2.11.1).
const (
	typeInt16   = 0x0002
	typeInt32   = 0x0003
	typeBool    = 0x000B
	typeObject  = 0x000D
	typeInt64   = 0x0014
	typeString8 = 0x001E
	typeString  = 0x001F
	typeTime    = 0x0040
	typeGUID    = 0x0048
	typeBinary  = 0x0102
	multiple    = 0x1000
)

// Property ids ([MS-OXPROPS] 2).
const (
	pidMessageClass        = 0x001A
	pidSubject             = 0x0037
	pidClientSubmitTime    = 0x0039
	pidRepresentingEntry   = 0x0041
	pidRepresentingName    = 0x0042
	pidReplyEntries        = 0x004F
	pidReplyNames          = 0x0050
	pidRepresentingKind    = 0x0064
	pidRepresentingAddress = 0x0065
	pidTransportHeaders    = 0x007D
	pidSenderEntry         = 0x0C19
	pidSenderName          = 0x0C1A
	pidSenderKind          = 0x0C1E
	pidSenderAddress       = 0x0C1F
	pidRecipientType       = 0x0C15
	pidDeliveryTime        = 0x0E06
	pidNormalizedSubject   = 0x0E1D
	pidBody                = 0x1000
	pidRTFCompressed       = 0x1009
	pidHTML                = 0x1013
	pidMessageID           = 0x1035
	pidReferences          = 0x1039
	pidInReplyTo           = 0x1042
	pidDisplayName         = 0x3001
	pidAddressKind         = 0x3002
	pidEmailAddress        = 0x3003
	pidCreationTime        = 0x3007
	pidAttachData          = 0x3701
	pidAttachExtension     = 0x3703
	pidAttachFilename      = 0x3704
	pidAttachMethod        = 0x3705
	pidAttachLongFilename  = 0x3707
	pidAttachPathname      = 0x3708
	pidAttachLongPathname  = 0x370D
	pidAttachMimeTag       = 0x370E
	pidAttachContentID     = 0x3712
	pidAttachFlags         = 0x3714
	pidSMTPAddress         = 0x39FE
	pidInternetCodepage    = 0x3FDE
	pidLocale              = 0x3FF1
	pidCreatorName         = 0x3FF8
	pidModifierName        = 0x3FFA
	pidMessageCodepage     = 0x3FFD
	pidSenderSMTP          = 0x5D01
	pidRepresentingSMTP    = 0x5D02
	pidCreatorSMTP         = 0x5D0A
	pidModifierSMTP        = 0x5D0B
	pidRecipientEntry      = 0x5FF7
	pidRecipientName       = 0x5FF6
	pidAttachmentHidden    = 0x7FFE

	firstNamed = 0x8000
)

// named is a property with a name instead of an id ([MS-OXPROPS] 1.3.2), of
// which only numbered names are of use here.
type named struct {
	set uint32 // the first part of the GUID, which tells the standard ones apart
	lid uint32
}

// The property sets.
const (
	setAddress     = 0x00062004
	setAppointment = 0x00062002
	setCommon      = 0x00062008
)

// value is one property's content.
type value struct {
	kind uint16
	data []byte
	// load reads data from the file when it is asked for.
	load func() []byte
}

// properties are those of one object: an item, a recipient or an attachment.
type properties struct {
	values map[uint16]value
	names  map[named]uint16 // to the ids from firstNamed on
	// charset is that of 8-bit strings; empty asks for a guess.
	charset string
}

// set adds a property. Of two the Unicode one stays, then the first.
func (p *properties) set(id uint16, v value) {
	if old, ok := p.values[id]; ok && (old.kind == typeString || v.kind != typeString) {
		return
	}
	p.values[id] = v
}

// bytes returns the content of a property, or nil.
func (p *properties) bytes(id uint16) []byte {
	v, ok := p.values[id]
	if !ok {
		return nil
	}
	if v.load != nil {
		v.data, v.load = v.load(), nil
		p.values[id] = v
	}
	return v.data
}

// long returns a string property in UTF-8 without NUL, or "": at most limit
// bytes of it, and whole says that there were no more.
func (p *properties) long(id uint16, limit int) (text string, whole bool) {
	data := p.bytes(id)
	kind := p.values[id].kind
	whole = true
	switch kind {
	case typeString:
		if len(data)/2 > limit {
			data, whole = data[:2*limit], false
		}
		text, _ = coding.UTF16("utf-16le", data)
	case typeString8, typeBinary:
		if len(data) > limit {
			data, whole = data[:limit], false
		}
		text, _ = coding.Charset(p.charset, data)
	}
	if len(text) > limit {
		text, whole = strings.ToValidUTF8(text[:limit], ""), false
	}
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(strings.TrimRight(text, "\x00"), "\x00", "")
	}
	return text, whole
}

// maxText bounds the strings that are no bodies, in bytes.
const maxText = 16 << 10

// text returns a string property on the terms of long, trimmed.
func (p *properties) text(id uint16) string {
	text, _ := p.long(id, maxText)
	return strings.TrimSpace(text)
}

// number returns an integer or boolean property, or 0.
func (p *properties) number(id uint16) int {
	data := p.bytes(id)
	switch p.values[id].kind {
	case typeInt16, typeBool:
		if len(data) >= 2 {
			return int(int16(binary.LittleEndian.Uint16(data)))
		}
	case typeInt32, typeInt64:
		if len(data) >= 4 {
			return int(int32(binary.LittleEndian.Uint32(data)))
		}
	}
	return 0
}

// time returns a time property, or the zero time. It counts steps of 100 ns
// from the year 1601 ([MS-DTYP] 2.3.3).
func (p *properties) time(id uint16) time.Time {
	data := p.bytes(id)
	if p.values[id].kind != typeTime || len(data) < 8 {
		return time.Time{}
	}
	return fileTime(binary.LittleEndian.Uint64(data))
}

func fileTime(steps uint64) time.Time {
	const (
		epoch  = 116444736000000000 // 1970
		latest = 2650467744000000000
	)
	if steps < epoch/2 || steps > latest {
		return time.Time{} // nothing was set, or nonsense
	}
	return time.UnixMicro((int64(steps) - epoch) / 10).UTC()
}

// lookup returns the id that a named property has here, or 0.
func (p *properties) lookup(set, lid uint32) uint16 { return p.names[named{set, lid}] }
