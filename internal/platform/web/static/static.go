// Package static holds what browsers fetch besides pages: the stylesheet, the
// script and the pictures. Each is served under a name with the hash of its
// content, so that browsers keep it for a year and never show a stale one.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed files
var files embed.FS

// Set is the files, ready to be served. It does not change.
type Set struct {
	names  map[string]string // plain name to hashed name
	served map[string]file   // by hashed name
}

type file struct {
	mediaType string
	plain     []byte
	zipped    []byte // nil where it saves nothing
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
	".ico": "image/x-icon",
}

// New reads the embedded files.
func New() (*Set, error) {
	s := &Set{names: map[string]string{}, served: map[string]file{}}
	err := fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		ext := path.Ext(name)
		mediaType, ok := mediaTypes[ext]
		if !ok {
			return fmt.Errorf("static: %s: no media type for %q", name, ext)
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		plain := path.Base(name)
		hashed := strings.TrimSuffix(plain, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		s.names[plain] = hashed
		s.served[hashed] = file{mediaType: mediaType, plain: content, zipped: compress(content)}
		return nil
	})
	return s, err
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a valid one
	w.Write(content)                                      // a bytes.Buffer does not fail
	w.Close()
	if b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

// Path returns where the file of that plain name is served, "" for one that
// does not exist.
func (s *Set) Path(plain string) string {
	hashed, ok := s.names[plain]
	if !ok {
		return ""
	}
	return "/static/" + hashed
}

// Serve answers with the file of that hashed name, and reports whether there
// is one.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request, hashed string) bool {
	f, ok := s.served[hashed]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	content := f.plain
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		content = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.Write(content)
	return true
}
