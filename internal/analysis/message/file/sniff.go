package file

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// magic is one row of the table of signatures: a content with these bytes at
// this offset is of this type.
type magic struct {
	offset int
	bytes  string
	media  string
}

// The types that phishing is sent in, and those that it pretends to be. The
// first row that fits counts.
var magics = [...]magic{
	{0, "%PDF-", "application/pdf"},
	{0, "\x89PNG\r\n\x1a\n", "image/png"},
	{0, "\xff\xd8\xff", "image/jpeg"},
	{0, "GIF8", "image/gif"},
	{8, "WEBP", "image/webp"},
	{0, "MZ", "application/vnd.microsoft.portable-executable"},
	{0, "\x7fELF", "application/x-executable"},
	{0, "\xcf\xfa\xed\xfe", "application/x-mach-binary"},
	{0, "\xca\xfe\xba\xbe", "application/java-vm"},
	{0, "Rar!\x1a\x07", "application/vnd.rar"},
	{0, "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
	{0, "\x1f\x8b", "application/gzip"},
	{0, "BZh", "application/x-bzip2"},
	{0, "\xfd7zXZ\x00", "application/x-xz"},
	{0, "\x28\xb5\x2f\xfd", "application/zstd"},
	{0, "MSCF", "application/vnd.ms-cab-compressed"},
	{7, "**ACE**", "application/x-ace-compressed"},
	{0, "\x60\xea", "application/x-arj"},
	{257, "ustar", "application/x-tar"},
	{0x8001, "CD001", "application/x-iso9660-image"},
	{0x8801, "CD001", "application/x-iso9660-image"},
	{0x9001, "CD001", "application/x-iso9660-image"},
	{0x8001, "BEA01", "application/x-iso9660-image"}, // UDF
	{0, "conectix", "application/x-virtualbox-vhd"},
	{0, "vhdxfile", "application/x-virtualbox-vhdx"},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"},
	{0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote"},
	{0, "ITSF", "application/vnd.ms-htmlhelp"},
	{0, "\x78\x9f\x3e\x22", "application/ms-tnef"},
	{0, "{\\rt", "application/rtf"},
	{0, "BM", "image/bmp"},
	{0, "II*\x00", "image/tiff"},
	{0, "MM\x00*", "image/tiff"},
	{0, "\x00\x00\x01\x00", "image/x-icon"},
	{4, "ftyp", "video/mp4"},
	{0, "ID3", "audio/mpeg"},
	{0, "RIFF", "audio/wav"},
	{0, "OggS", "audio/ogg"},
	{0, "wOFF", "font/woff"},
	{0, "\x00asm", "application/wasm"},
	{0, "-----BEGIN PGP MESSAGE", "application/pgp-encrypted"},
	{0, "-----BEGIN PGP SIGNATURE", "application/pgp-signature"},
}

// Sniff returns the media type that content shows by itself, whatever it is
// called: by its signature, else text/html, image/svg+xml, text/calendar,
// text/vcard, message/rfc822 or text/plain by what it reads like, else
// application/octet-stream; and whether it is an Office document with macros.
// It looks at the whole of an Office file or zip archive, to tell which, and at
// the beginning of all others.
func Sniff(content []byte) (media string, macros bool) {
	switch {
	case bytes.HasPrefix(content, []byte("PK\x03\x04")), bytes.HasPrefix(content, []byte("PK\x05\x06")):
		return sniffZip(content)
	case bytes.HasPrefix(content, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return sniffCompound(content)
	}
	for i := range magics {
		m := &magics[i]
		if len(content) >= m.offset+len(m.bytes) && string(content[m.offset:m.offset+len(m.bytes)]) == m.bytes {
			return m.media, false
		}
	}
	// A PDF reader finds its header anywhere in the first kilobyte.
	if bytes.Contains(content[:min(len(content), 1024)], []byte("%PDF-")) {
		return "application/pdf", false
	}
	return sniffText(content), false
}

// sniffText tells texts apart, and texts from binary data.
func sniffText(content []byte) string {
	head := content[:min(len(content), 2048)]
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		text, _ := coding.UTF16("", head)
		head = []byte(text)
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\f")
	lower := strings.ToLower(string(head))
	starts := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(lower, p) {
				return true
			}
		}
		return false
	}
	switch {
	case len(content) == 0:
		return "text/plain"
	case starts("begin:vcalendar"):
		return "text/calendar"
	case starts("begin:vcard"):
		return "text/vcard"
	case starts("<svg"), starts("<?xml", "<!--", "<!doctype svg") && strings.Contains(lower, "<svg"):
		return "image/svg+xml"
	case starts("<!doctype html", "<html", "<head", "<body", "<script", "<meta ", "<title", "<iframe", "<table", "<style", "<div", "<form", "<a ", "<p>", "<img ", "<center", "<font"),
		starts("<!--", "<?xml", "\ufeff") && strings.Contains(lower, "<html"):
		return "text/html"
	case starts("<?xml"):
		return "text/xml"
	case looksLikeMessage(head):
		return "message/rfc822"
	}
	control := 0
	for _, c := range head {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b {
			control++
		}
	}
	if control > len(head)/200 || !utf8.Valid(head[:max(0, len(head)-4)]) && control > 0 {
		return "application/octet-stream"
	}
	return "text/plain"
}

// looksLikeMessage reports whether head begins as a mail does: at least two
// fields, and two of those that every mail has or that relays add.
func looksLikeMessage(head []byte) bool {
	telling := 0
	for pos, lines := 0, 0; pos < len(head) && lines < 40; lines++ {
		line, next := coding.CutLine(head, pos)
		if len(line) == 0 {
			break
		}
		pos = next
		if line[0] == ' ' || line[0] == '\t' || lines == 0 && bytes.HasPrefix(line, []byte("From ")) {
			continue
		}
		colon := coding.FieldName(line)
		if colon < 0 {
			return false
		}
		switch name := strings.ToLower(string(bytes.TrimRight(line[:colon], " \t"))); name {
		case "received", "return-path", "delivered-to", "from", "to", "subject", "date", "message-id",
			"mime-version", "dkim-signature", "authentication-results", "content-type", "x-mailer", "reply-to":
			if telling++; telling == 2 {
				return true
			}
		}
	}
	return false
}

// sniffCompound tells the kinds of OLE2 compound files apart by the names of
// their streams, which stand in UTF-16 in the directory ([MS-CFB] 2.6.1).
func sniffCompound(content []byte) (media string, macros bool) {
	has := func(name string) bool {
		wide := make([]byte, 0, 2*len(name))
		for i := range len(name) {
			wide = append(wide, name[i], 0)
		}
		return bytes.Contains(content, wide)
	}
	macros = has("_VBA_PROJECT") || has("Macros")
	switch {
	case has("__substg1.0_"):
		return "application/vnd.ms-outlook", false
	case has("WordDocument"):
		return "application/msword", macros
	case has("Workbook"), has("Book\x00"):
		return "application/vnd.ms-excel", macros || has("_VBA_PROJECT_CUR")
	case has("PowerPoint Document"):
		return "application/vnd.ms-powerpoint", macros
	case has("EncryptedPackage"):
		return "application/x-ole-storage", false // an OOXML file with a password
	case has("MsiDigitalSignature"), bytes.Contains(content, []byte("\x40\x48")) && has("SummaryInformation") && bytes.Contains(content, []byte("Installer")):
		return "application/x-msi", false
	}
	return "application/x-ole-storage", macros
}

// sniffZip tells what a zip archive is by the names of its files.
func sniffZip(content []byte) (media string, macros bool) {
	for _, name := range [...]string{"vbaProject.bin", "vbaData.xml"} {
		macros = macros || bytes.Contains(content, []byte(name))
	}
	has := func(name string) bool { return bytes.Contains(content, []byte(name)) }
	if has("[Content_Types].xml") {
		switch {
		case has("word/"):
			return "application/vnd.openxmlformats-officedocument.wordprocessingml.document", macros
		case has("xl/"):
			return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", macros
		case has("ppt/"):
			return "application/vnd.openxmlformats-officedocument.presentationml.presentation", macros
		}
	}
	if bytes.HasPrefix(content, []byte("PK\x03\x04")) && len(content) > 38 && string(content[30:38]) == "mimetype" {
		// OpenDocument and EPUB name themselves in a first, stored file.
		size := int(binary.LittleEndian.Uint32(content[18:]))
		if start := 38 + int(binary.LittleEndian.Uint16(content[28:])); size > 0 && size < 100 && start+size <= len(content) {
			if name := content[start : start+size]; coding.IsASCII(name) && bytes.HasPrefix(name, []byte("application/")) {
				return string(name), macros
			}
		}
	}
	if has("META-INF/MANIFEST.MF") {
		return "application/java-archive", false
	}
	return "application/zip", false
}
