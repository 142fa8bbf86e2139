// Package submission makes one message of what people hand in by form or API:
// files, pasted text, a URL. So the raw store holds messages only, and
// everything after it reads one format.
//
// The container is multipart/mixed (RFC 2046, section 5.1.3) with the field
// X-Belfry-Submission. Its first part is the pasted text and the URL, as
// text/plain; each file is a part of its own, a mail as message/rfc822 byte for
// byte, all else in base64. It depends on nothing but what was handed in: no
// date, no address, no random boundary, so the same submission is the same
// bytes. Who handed it in is not in it.
package submission

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// Header is the field that marks a container. Its value names what is in it:
// "text", "url", "files".
const Header = "X-Belfry-Submission"

// Limits of a form, apart from its size in all, which the door bounds.
const (
	MaxFiles = 20
	MaxText  = 256 << 10 // bytes of pasted text
	MaxURL   = 8 << 10   // bytes
	MaxEmail = 320       // bytes (RFC 5321, section 4.5.3.1)

	maxFileName = 200 // bytes
	maxParts    = 2 * MaxFiles
	maxType     = 100 // bytes of a media type
)

// The media types that a mail comes in.
const (
	TypeMail    = "message/rfc822"
	TypeOutlook = "application/vnd.ms-outlook"
)

// Form is what was handed in.
type Form struct {
	Files    []File
	Text     string
	URL      string
	Email    string // where to answer; empty: nowhere
	Language string // nl, fr, de or en; empty: not chosen
}

// File is one file of a form.
type File struct {
	Name    string
	Type    string // media type as declared
	Content []byte
}

// Parse reads a multipart/form-data body (RFC 7578) with the fields files[]
// (or files), text, url, email and language. Errors: Invalid for what breaks a
// rule, an unknown field among it, TooLarge for too much of something.
func Parse(contentType string, body io.Reader) (Form, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return Form{}, fault.New(fault.Invalid, "The form needs multipart/form-data with a boundary.")
	}
	var f Form
	r := multipart.NewReader(body, params["boundary"])
	for n := 0; ; n++ {
		part, err := r.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return f, f.Check()
		case err != nil:
			return Form{}, fault.Wrap(fault.Invalid, err, "The form cannot be read.")
		case n == maxParts:
			return Form{}, fault.New(fault.TooLarge, "The form has too many fields.")
		}
		if err := f.take(part); err != nil {
			return Form{}, err
		}
	}
}

// take adds one field.
func (f *Form) take(part *multipart.Part) error {
	field := func(into *string, name string, limit int64) error {
		if *into != "" {
			return fault.Errorf(fault.Invalid, "The field %s stands twice.", name)
		}
		b, err := read(part, limit, name)
		*into = strings.TrimSpace(clean(string(b)))
		return err
	}
	switch part.FormName() {
	case "files[]", "files":
		if len(f.Files) == MaxFiles {
			return fault.Errorf(fault.TooLarge, "The form has more than %d files.", MaxFiles)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "The form cannot be read.")
		}
		if len(b) > 0 || part.FileName() != "" { // browsers send an empty field for no file
			f.Files = append(f.Files, File{Name: part.FileName(), Type: part.Header.Get("Content-Type"), Content: b})
		}
		return nil
	case "text":
		return field(&f.Text, "text", MaxText)
	case "url":
		return field(&f.URL, "url", MaxURL)
	case "email":
		return field(&f.Email, "email", MaxEmail)
	case "language":
		return field(&f.Language, "language", 8)
	}
	return fault.New(fault.Invalid, "The form has a field that is not known here: files[], text, url, email and language are.")
}

func read(r io.Reader, limit int64, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "The form cannot be read.")
	case int64(len(b)) > limit:
		return nil, fault.Errorf(fault.TooLarge, "The field %s is longer than %d bytes.", name, limit)
	}
	return b, nil
}

// Check says what is wrong with a form: nothing in it, an address that is
// none, a URL that is none, a language that is not spoken here.
func (f *Form) Check() error {
	if f.Email != "" {
		a, err := mail.ParseAddress(f.Email)
		if err != nil || a.Address != f.Email || a.Name != "" || !strings.Contains(f.Email, ".") {
			return fault.New(fault.Invalid, "The address to answer to is no e-mail address.")
		}
	}
	if f.URL != "" {
		// A URL may be written without its scheme, and defanged.
		if _, err := url.Parse(f.URL); err != nil && !strings.ContainsAny(f.URL, "[]") || strings.ContainsAny(f.URL, "\r\n\t ") {
			return fault.New(fault.Invalid, "The field url holds no address of a page.")
		}
	}
	switch f.Language {
	case "", "nl", "fr", "de", "en":
	default:
		return fault.New(fault.Invalid, "The language is one of nl, fr, de and en.")
	}
	if f.Text == "" && f.URL == "" {
		for _, file := range f.Files {
			if len(file.Content) > 0 {
				return nil
			}
		}
		return fault.New(fault.Invalid, "There is nothing in it: send a file, a text or a URL.")
	}
	return nil
}

// Compose writes the container.
func (f *Form) Compose() []byte {
	size := len(f.Text) + len(f.URL) + 1024
	for _, file := range f.Files {
		size += len(file.Content)*3/2 + 512
	}
	var b bytes.Buffer
	b.Grow(size)
	var holds []string
	if f.Text != "" {
		holds = append(holds, "text")
	}
	if f.URL != "" {
		holds = append(holds, "url")
	}
	if len(f.Files) > 0 {
		holds = append(holds, "files")
	}
	boundary := f.boundary()
	fmt.Fprintf(&b, "%s: %s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n",
		Header, strings.Join(holds, " "), boundary)
	if text := strings.TrimSpace(f.Text + "\n\n" + f.URL); text != "" {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", boundary)
		encode(&b, []byte(text+"\n"))
	}
	for _, file := range f.Files {
		name, kind := fileName(file.Name), mediaType(file)
		fmt.Fprintf(&b, "--%s\r\nContent-Type: %s\r\nContent-Disposition: %s\r\n", boundary, kind,
			mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		if kind == TypeMail { // may not be encoded (RFC 2046, section 5.2.1)
			b.WriteString("Content-Transfer-Encoding: binary\r\n\r\n")
			b.Write(file.Content)
			b.WriteString("\r\n")
			continue
		}
		b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
		encode(&b, file.Content)
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

// boundary derives a boundary from the content, one that does not stand in it.
func (f *Form) boundary() string {
	h := sha256.New()
	part := func(s []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write(s)
	}
	part([]byte(f.Text))
	part([]byte(f.URL))
	for _, file := range f.Files {
		part([]byte(file.Name))
		part([]byte(file.Type))
		part(file.Content)
	}
	sum := h.Sum(nil)
	for {
		boundary := "=_belfry_" + hex.EncodeToString(sum[:16])
		if !f.contains([]byte(boundary)) {
			return boundary
		}
		next := sha256.Sum256(sum)
		sum = next[:]
	}
}

func (f *Form) contains(boundary []byte) bool {
	for _, file := range f.Files {
		if bytes.Contains(file.Content, boundary) {
			return true
		}
	}
	return false
}

// encode writes base64 in lines of 76 (RFC 2045, section 6.8).
func encode(b *bytes.Buffer, content []byte) {
	const raw = 57
	line := make([]byte, base64.StdEncoding.EncodedLen(raw)+2)
	for len(content) > 0 {
		n := min(raw, len(content))
		end := base64.StdEncoding.EncodedLen(n)
		base64.StdEncoding.Encode(line, content[:n])
		line[end], line[end+1] = '\r', '\n'
		b.Write(line[:end+2])
		content = content[n:]
	}
}

// mediaType returns the type under which a file is carried: a mail is one by
// its type or its name, all else as declared if that can stand in a header.
func mediaType(f File) string {
	kind, _, err := mime.ParseMediaType(f.Type)
	name := strings.ToLower(f.Name)
	switch {
	case kind == TypeMail, strings.HasSuffix(name, ".eml"):
		return TypeMail
	case strings.HasSuffix(name, ".msg"):
		return TypeOutlook
	case err != nil, len(kind) > maxType, !strings.Contains(kind, "/"), strings.HasPrefix(kind, "multipart/"), strings.HasPrefix(kind, "message/"):
		return "application/octet-stream"
	}
	return kind
}

// fileName takes the path and what cannot be seen out of a name.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(clean(name), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name)
	for len(name) > maxFileName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if name == "" || name == "." || name == "/" || name == ".." {
		return "file"
	}
	return name
}

// clean makes a foreign string valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
