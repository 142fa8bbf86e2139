package test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// browser reads pages as a person does, with cookies. Each page that it sees
// is checked for what foreign text may have become.
type browser struct {
	t    testing.TB
	base string
	http *http.Client
}

func newBrowser(t testing.TB, p *server) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, "http://" + p.http, &http.Client{Jar: jar, Timeout: patience}}
}

func (b *browser) do(req *http.Request) (status int, page, at string) {
	b.t.Helper()
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	policy := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		b.t.Errorf("%s: the Content-Security-Policy is %q", req.URL.Path, policy)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		checkInert(b.t, req.URL.String(), string(body))
	}
	return resp.StatusCode, string(body), resp.Request.URL.Path
}

func (b *browser) get(path string) (status int, page, at string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

func (b *browser) post(path, contentType string, body []byte) (status int, page, at string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.base+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Origin", b.base)
	return b.do(req)
}

// signIn opens the staff pages with a token.
func (b *browser) signIn(token string) {
	b.t.Helper()
	status, page, at := b.post("/sign-in", "application/x-www-form-urlencoded", []byte(url.Values{"token": {token}}.Encode()))
	if status != http.StatusOK && status != http.StatusNotFound || strings.HasPrefix(at, "/sign-in") {
		b.t.Fatalf("signing in led to %d %s: %.500s", status, at, page)
	}
}

// crawl opens the pages and those of our own to which they lead, a hundred at
// most, and returns the paths of those that were found.
func (b *browser) crawl(paths []string) (seen []string) {
	b.t.Helper()
	known := map[string]bool{}
	for len(paths) > 0 && len(known) < 100 {
		path := paths[0]
		paths = paths[1:]
		if known[path] {
			continue
		}
		known[path] = true
		status, page, at := b.get(path)
		if status >= 500 {
			b.t.Errorf("GET %s: %d", path, status)
		}
		if status != http.StatusOK {
			continue
		}
		seen = append(seen, at)
		for _, link := range links(b.t, page) {
			u, err := url.Parse(link)
			if err != nil || u.Host != "" && "http://"+u.Host != b.base || u.Scheme != "" && u.Scheme != "http" ||
				!strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "/static/") {
				continue
			}
			paths = append(paths, u.RequestURI())
		}
	}
	return seen
}

func links(t testing.TB, page string) (all []string) {
	t.Helper()
	for n := range parsed(t, page).Descendants() {
		for _, a := range n.Attr {
			if n.Data == "a" && a.Key == "href" {
				all = append(all, a.Val)
			}
		}
	}
	return all
}

func parsed(t testing.TB, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// checkInert fails when foreign text has become more than text: an element, an
// attribute, a script, or a link that leads out.
func checkInert(t testing.TB, where, page string) {
	t.Helper()
	for n := range parsed(t, page).Descendants() {
		if n.Type == html.TextNode && n.Parent.Data == "script" || n.Type == html.TextNode && n.Parent.Data == "style" {
			t.Errorf("%s: there is an inline %s: %.100s", where, n.Parent.Data, n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		if strings.Contains(n.Data, marker) || n.Data == "iframe" || n.Data == "object" || n.Data == "base" {
			t.Errorf("%s: there is an element <%s>", where, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.Contains(a.Key, marker) || strings.HasPrefix(a.Key, "on") || a.Key == "style":
				t.Errorf("%s: <%s> has an attribute %s=%q", where, n.Data, a.Key, a.Val)
			case a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction":
				u, err := url.Parse(a.Val)
				if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" ||
					strings.Contains(u.Host, "pakket") || strings.Contains(u.Host, "x.example") {
					t.Errorf("%s: <%s> leads to %q", where, n.Data, a.Val)
				}
			}
		}
	}
}

// textParts returns the mail's text/plain and text/html, decoded.
func textParts(t testing.TB, m mailTaken) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(m.data, []byte("\r\n\r\n"))
	all := map[string]string{}
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = string(text)
	}
}
