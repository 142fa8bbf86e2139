package reason

import (
	"strconv"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
)

// The limits of looking into attachments.
const (
	maxAttachments = 100
	maxEntries     = 1000
	maxHTML        = 512 << 10 // bytes of one attached page that are read
	maxPages       = 5         // attached pages that are read
)

// attachment looks at the files that come along.
func (x *exam) attachment() {
	for i := range x.m.Attachments {
		if i == maxAttachments {
			return
		}
		x.file(&x.m.Attachments[i], i)
	}
}

func (x *exam) file(a *message.Attachment, index int) {
	part := "attachment:" + strconv.Itoa(index)
	show := func(code string, pairs ...string) {
		x.add(at(code, part, a.Name, 0, len(a.Name), params(append([]string{"Name", name(a)}, pairs...)...)))
	}
	ending, before := endings(a.Name)
	switch {
	case programs[ending] || runs(a.Type):
		show("attachment-program", "Type", typeName(ending, a.Type))
	case containers[ending] || contains(a.Type):
		show("attachment-container", "Type", typeName(ending, a.Type))
	case ending == "html" || ending == "htm" || ending == "shtml" || ending == "xhtml" || ending == "svg" && hasScript(a.Content) || a.Type == "text/html" && !a.Inline && ending != "eml" && ending != "txt":
		show("attachment-html")
		x.attachedPage(a)
	}
	if a.Macros || ending == "docm" || ending == "xlsm" || ending == "pptm" || ending == "xlam" || ending == "dotm" || ending == "xll" {
		show("attachment-macros")
	}
	if documents[before] && (programs[ending] || containers[ending] || ending == "html" || ending == "htm" || archives[ending] && programs[before]) {
		show("attachment-double-ending", "Ending", "."+ending)
	}
	if pretends(ending, a) {
		show("attachment-type-differs", "Type", a.Type)
	}
	x.archive(a, show)
}

// archive looks at the list of what is inside.
func (x *exam) archive(a *message.Attachment, show func(string, ...string)) {
	locked := false
	for i := range a.Entries {
		if i == maxEntries {
			break
		}
		e := &a.Entries[i]
		locked = locked || e.Encrypted
		if ending, _ := endings(e.Name); programs[ending] && ending != "com" && ending != "url" && ending != "js" && ending != "dll" || containers[ending] {
			show("attachment-archived-program", "Inside", e.Name)
		}
	}
	if ending, _ := endings(a.Name); !locked && a.Type != "application/vnd.rar" && a.Type != "application/x-7z-compressed" && ending != "rar" && ending != "7z" {
		return
	}
	for i := range x.texts {
		for _, m := range x.texts[i].matches {
			if m.Group == reference.Secret {
				r := at("attachment-locked", x.texts[i].part, x.texts[i].value, m.Start, m.End, params("Name", name(a)))
				x.add(r)
				return
			}
		}
	}
}

// attachedPage reads an attached HTML page for what a page in a mail has no
// honest need of.
func (x *exam) attachedPage(a *message.Attachment) {
	if x.pages++; x.pages > maxPages {
		return
	}
	content := a.Content
	if len(content) > maxHTML {
		content = content[:maxHTML]
	}
	d := markup.Read(string(content), markup.Limits{})
	if smuggles(d) {
		x.add(Reason{Code: "html-smuggling", Evidence: cut(strings.Join(d.Markers, " "))})
	}
	for i := range d.Forms {
		if d.Forms[i].Password() {
			x.add(Reason{Code: "html-password", Params: params("Target", d.Forms[i].Action), Evidence: cut(a.Name)})
			return
		}
	}
}

// documents are the endings that people take for harmless.
var documents = map[string]bool{
	"pdf": true, "doc": true, "docx": true, "xls": true, "xlsx": true, "ppt": true, "pptx": true, "txt": true, "rtf": true, "jpg": true, "jpeg": true, "png": true, "gif": true, "csv": true, "mp3": true, "mp4": true, "wav": true, "xml": true,
}

var archives = map[string]bool{"zip": true, "rar": true, "7z": true, "gz": true, "tar": true, "ace": true, "cab": true}

// endings returns the last and the last but one ending of a file name, lower
// case; either may be empty.
func endings(name string) (last, before string) {
	name = strings.ToLower(strings.TrimRight(name, ". "))
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", ""
	}
	last, name = strings.TrimSpace(name[i+1:]), strings.TrimRight(name[:i], " ")
	if j := strings.LastIndexByte(name, '.'); j >= 0 {
		before = strings.TrimSpace(name[j+1:])
	}
	return last, before
}

// name is what a file is called, or what it is where it has no name.
func name(a *message.Attachment) string {
	if a.Name == "" {
		return a.Type
	}
	return a.Name
}

func runs(media string) bool {
	switch media {
	case "application/vnd.microsoft.portable-executable", "application/x-executable", "application/x-mach-binary", "application/java-vm",
		"application/x-ms-shortcut", "application/vnd.ms-htmlhelp", "application/java-archive", "application/vnd.android.package-archive":
		return true
	}
	return false
}

func contains(media string) bool {
	switch media {
	case "application/x-iso9660-image", "application/x-virtualbox-vhd", "application/x-virtualbox-vhdx", "application/onenote":
		return true
	}
	return false
}

// pretends reports whether a file is called a picture or document and is
// something that is opened in another way.
func pretends(ending string, a *message.Attachment) bool {
	if !documents[ending] || a.Size == 0 {
		return false
	}
	switch a.Type {
	case "text/html", "application/zip", "application/vnd.rar", "application/x-7z-compressed", "application/x-ace-compressed", "application/gzip":
		return ending != "txt" && ending != "csv" && ending != "xml" && !strings.HasSuffix(ending, "x")
	}
	return runs(a.Type) || contains(a.Type)
}

func hasScript(content []byte) bool {
	return strings.Contains(strings.ToLower(string(content[:min(len(content), maxHTML)])), "<script")
}

func typeName(ending, media string) string {
	if ending != "" {
		return "." + ending
	}
	return media
}
