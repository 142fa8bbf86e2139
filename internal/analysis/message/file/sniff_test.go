package file

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipOf makes an archive with empty files of these names.
func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range names {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func wide(s string) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteByte(s[i])
		out.WriteByte(0)
	}
	return out.String()
}

func TestSniff(t *testing.T) {
	const ole = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	tests := []struct {
		name    string
		content string
		want    string
		macros  bool
	}{
		{"program", "MZ\x90\x00", "application/vnd.microsoft.portable-executable", false},
		{"pdf", "%PDF-1.7", "application/pdf", false},
		{"pdf after junk", "\n\n  %PDF-1.7", "application/pdf", false},
		{"png", "\x89PNG\r\n\x1a\n", "image/png", false},
		{"rar", "Rar!\x1a\x07\x01", "application/vnd.rar", false},
		{"7z", "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed", false},
		{"shortcut", "L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut", false},
		{"onenote", "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote", false},
		{"disk image", strings.Repeat("\x00", 0x8001) + "CD001", "application/x-iso9660-image", false},
		{"tnef", "\x78\x9f\x3e\x22\x01", "application/ms-tnef", false},
		{"rtf", "{\\rtf1", "application/rtf", false},
		{"html", "  <!DOCTYPE html><p>", "text/html", false},
		{"html after a comment", "<!-- saved --><html>", "text/html", false},
		{"utf-16 html", "\xff\xfe" + wide("<html>"), "text/html", false},
		{"script only", "<script>location='x'</script>", "text/html", false},
		{"svg", `<?xml version="1.0"?><svg onload="x()">`, "image/svg+xml", false},
		{"calendar", "BEGIN:VCALENDAR\r\n", "text/calendar", false},
		{"mail", "Received: x\nFrom: a@b.test\n\nhi", "message/rfc822", false},
		{"prose", "Dear Sir: hello\nthere", "text/plain", false},
		{"latin prose", "Gr\xfc\xdfe aus Gent", "text/plain", false},
		{"noise", "\x01\x02\x03\x04\x05\x06\x07\x08", "application/octet-stream", false},
		{"nothing", "", "text/plain", false},
		{"zip", string(zipOf(t, "a.js")), "application/zip", false},
		{"docx", string(zipOf(t, "[Content_Types].xml", "word/document.xml")), "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false},
		{"xlsm", string(zipOf(t, "[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin")), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", true},
		{"jar", string(zipOf(t, "META-INF/MANIFEST.MF")), "application/java-archive", false},
		{"doc with macros", ole + wide("WordDocument") + wide("_VBA_PROJECT"), "application/msword", true},
		{"xls", ole + wide("Workbook"), "application/vnd.ms-excel", false},
		{"outlook", ole + wide("__substg1.0_001A001F"), "application/vnd.ms-outlook", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, macros := Sniff([]byte(tt.content))
			if got != tt.want || macros != tt.macros {
				t.Errorf("got %q, %v; want %q, %v", got, macros, tt.want, tt.macros)
			}
		})
	}
}

func TestZipEntries(t *testing.T) {
	archive := zipOf(t, "invoice.pdf.exe", "dir/ünï.txt")
	want := []Entry{{Name: "invoice.pdf.exe"}, {Name: "dir/ünï.txt"}}
	if diff := cmp.Diff(want, Entries(archive)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, Entries(append([]byte("MZ in front"), archive...))); diff != "" {
		t.Errorf("with something before it: %s", diff)
	}
	locked := bytes.Clone(archive)
	locked[bytes.Index(locked, []byte("PK\x01\x02"))+8] |= 1
	if got := Entries(locked); len(got) != 2 || !got[0].Encrypted || got[1].Encrypted {
		t.Errorf("encrypted flag: %+v", got)
	}
	for i := range archive { // no piece of an archive may break it
		Entries(archive[:i])
		Entries(archive[i:])
	}
}

func TestCleanFileName(t *testing.T) {
	tests := []struct {
		in, want   string
		path, bidi bool
	}{
		{"invoice.pdf", "invoice.pdf", false, false},
		{"../../etc/passwd", "passwd", true, false},
		{`C:\Users\x\invoice.exe`, "invoice.exe", true, false},
		{"invoice\u202efdp.exe", "invoicefdp.exe", false, true},
		{"a\x00b\r\n.txt", "ab.txt", true, false},
		{"..", "", true, false},
		{" spaced .pdf ", "spaced .pdf", false, false},
		{strings.Repeat("é", 300) + ".exe", strings.Repeat("é", 125) + ".exe", false, false},
	}
	for _, tt := range tests {
		got, path, bidi := Name(tt.in)
		if got != tt.want || path != tt.path || bidi != tt.bidi {
			t.Errorf("Name(%q) = %q, %v, %v; want %q, %v, %v", tt.in, got, path, bidi, tt.want, tt.path, tt.bidi)
		}
	}
}
