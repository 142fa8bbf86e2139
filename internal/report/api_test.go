package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/webtest"
)

// door is a house with its API, and a token for each role.
type door struct {
	*house
	srv    *web.Server
	tokens map[account.Role]string
}

func newDoor(t testing.TB, o Options) *door {
	t.Helper()
	db := databasetest.Open(t, database.Options{}, schemas...)
	accounts := account.New(db, account.Options{})
	d := &door{
		srv:    webtest.Server(t, web.Options{Accounts: accounts}, verdict.Wording, Locales),
		tokens: map[account.Role]string{},
	}
	for _, role := range account.Roles() {
		secret, _, err := accounts.Create(t.Context(), account.System("test"), account.NewToken{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		d.tokens[role] = secret
	}
	d.house = newHouse(t, db, o, func(p *parts.Parts) { p.Web, p.API, p.Accounts = d.srv, d.srv.API(), accounts })
	return d
}

// do sends a request and reads the JSON that comes back.
func (d *door) do(role account.Role, method, path, contentType string, body []byte, headers ...string) (int, map[string]any) {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), method, "/api/v1"+path, bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+d.tokens[role])
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.srv.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		d.t.Fatalf("%s %s: %d %q: %v", method, path, w.Code, w.Body, err)
	}
	if w.Code >= 400 && (w.Header().Get("Content-Type") != "application/problem+json" || out["type"] == "") {
		d.t.Errorf("%s %s: the error is no problem (RFC 9457): %s %s", method, path, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Code, out
}

// form writes a multipart/form-data body; names that begin with @ are files.
func form(t testing.TB, fields ...string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		var part io.Writer
		var err error
		if name, ok := strings.CutPrefix(fields[i], "@"); ok {
			part, err = w.CreateFormFile("files[]", name)
		} else {
			part, err = w.CreateFormField(fields[i])
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestSubmitThroughTheAPI(t *testing.T) {
	d := newDoor(t, Options{MaxSize: 100 << 10})
	mail := string(letter("ann@example.net", 1))
	multi := func(fields ...string) [2]string {
		kind, body := form(t, fields...)
		return [2]string{kind, string(body)}
	}
	for _, c := range []struct {
		name string
		role account.Role
		send [2]string
		want int
	}{
		{"a mail", account.Intake, [2]string{"message/rfc822", mail}, 201},
		{"a mail with a parameter", account.Analyst, [2]string{"message/rfc822; charset=utf-8", mail}, 201},
		{"an Outlook mail", account.Admin, [2]string{"application/vnd.ms-outlook", "\xd0\xcf\x11\xe0 rest"}, 201},
		{"a form with a mail", account.Intake, multi("@a.eml", mail, "email", "ann@example.net", "language", "fr"), 201},
		{"a form with all", account.Intake, multi("@a.eml", mail, "@shot.png", "\x89PNG", "text", "look", "url", "hxxp://evil[.]example/"), 201},
		{"a form with a text", account.Intake, multi("text", "Your parcel waits: http://evil.example.com"), 201},
		{"nobody", "", [2]string{"message/rfc822", mail}, 401},
		{"another type", account.Intake, [2]string{"text/html", mail}, 415},
		{"no type", account.Intake, [2]string{"", mail}, 415},
		{"an unreadable type", account.Intake, [2]string{"message/rfc822; =", mail}, 415},
		{"nothing", account.Intake, [2]string{"message/rfc822", ""}, 400},
		{"only space", account.Intake, [2]string{"message/rfc822", "\r\n\r\n"}, 422},
		{"too much", account.Intake, [2]string{"message/rfc822", strings.Repeat("x", 100<<10+1)}, 413},
		{"far too much", account.Intake, [2]string{"message/rfc822", strings.Repeat("x", 2<<20)}, 413},
		{"a form with nothing", account.Intake, multi("email", "ann@example.net"), 422},
		{"a form with an empty file", account.Intake, multi("@a.eml", ""), 422},
		{"an unknown field", account.Intake, multi("text", "x", "verdict", "legitimate"), 422},
		{"a field twice", account.Intake, multi("text", "x", "text", "y"), 422},
		{"a bad address", account.Intake, multi("text", "x", "email", "Ann <ann@example.net>\r\nBcc: x@example.net"), 422},
		{"a bad language", account.Intake, multi("text", "x", "language", "tlh"), 422},
		{"a bad URL", account.Intake, multi("url", "http://a b"), 422},
		{"a form without boundary", account.Intake, [2]string{"multipart/form-data", "x"}, 422},
		{"a broken form", account.Intake, [2]string{"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=text\r\n\r\nx"}, 422},
	} {
		before := d.count("SELECT count(*) FROM report")
		code, out := d.do(c.role, "POST", "/reports", c.send[0], []byte(c.send[1]))
		if code != c.want {
			t.Errorf("%s: %d %v, want %d", c.name, code, out, c.want)
		}
		stored := d.count("SELECT count(*) FROM report") - before
		if accepted := code == 201; accepted != (stored == 1) {
			t.Errorf("%s: %d, and %d reports stored", c.name, code, stored)
		}
		if code == 201 && (out["id"] == "" || !strings.HasPrefix(fmt.Sprint(out["follow"]), "https://centre.example.org/follow/")) {
			t.Errorf("%s: %v", c.name, out)
		}
	}
}

func TestIdempotencyKeysOfTheAPI(t *testing.T) {
	d := newDoor(t, Options{})
	kind, body := form(t, "text", "Your parcel waits", "email", "ann@example.net")
	send := func(role account.Role, key string, kind string, body []byte) (int, map[string]any) {
		return d.do(role, "POST", "/reports", kind, body, "Idempotency-Key", key)
	}
	_, first := send(account.Intake, "k1", kind, body)
	again, other := form(t, "text", "Your parcel waits", "email", "ann@example.net") // another boundary
	if code, out := send(account.Intake, "k1", again, other); code != 201 || out["id"] != first["id"] || out["follow"] != first["follow"] {
		t.Errorf("the same again: %d %v, want %v", code, out, first)
	}
	kind2, body2 := form(t, "text", "Something else")
	if code, out := send(account.Intake, "k1", kind2, body2); code != 409 {
		t.Errorf("another body: %d %v", code, out)
	}
	if code, out := send(account.Analyst, "k1", kind, body); code != 201 || out["id"] == first["id"] {
		t.Errorf("another account's key: %d %v", code, out)
	}
	if code, _ := send(account.Intake, strings.Repeat("k", 201), kind, body); code != 422 {
		t.Errorf("a long key: %d", code)
	}
}

// answers says that everything has been answered.
type answers struct{}

func (answers) AnswerFor(context.Context, database.ID, string) (Panel, bool, error) {
	return Panel{State: "sent", Kind: "full", Why: "sure", Language: "en", Subject: "Re", Text: "It is phishing.", SentAt: time.Unix(1e9, 0).UTC()}, true, nil
}

func (answers) AnswerStates(context.Context, []database.ID) (map[database.ID]string, error) {
	return nil, nil
}

func TestReadThroughTheAPI(t *testing.T) {
	d := newDoor(t, Options{Answers: answers{}})
	d.examine = func(content []byte, ev analysis.Evidence) analysis.Examination {
		x := fixed(content, ev)
		if bytes.Contains(content, []byte("SPAM")) {
			x.Items[0].Assessment.Verdict, x.Items[0].Assessment.Score = verdict.Spam, 0.2
		}
		return x
	}
	d.start()
	var ids []string
	for i := range 5 {
		kind := "SPAM"
		if i%2 == 0 {
			kind = "fraud"
		}
		ids = append([]string{d.accept(note(fmt.Sprintf("%s %d", kind, i))).ID.String()}, ids...)
	}
	d.settle()

	list := func(query string) (got []string, next string) {
		t.Helper()
		code, out := d.do(account.Analyst, "GET", "/reports"+query, "", nil)
		if code != 200 {
			t.Fatalf("GET /reports%s: %d %v", query, code, out)
		}
		for _, item := range out["items"].([]any) {
			m := item.(map[string]any)
			for _, key := range []string{"id", "received_at", "channel", "subject", "language", "verdict", "score", "state", "campaign"} {
				if _, ok := m[key]; !ok {
					t.Errorf("an item lacks %q", key)
				}
			}
			got = append(got, m["id"].(string))
		}
		return got, out["next"].(string)
	}
	var walked []string
	for next, pages := "", 0; pages == 0 || next != ""; pages++ {
		var got []string
		got, next = list("?limit=2&after=" + next)
		if walked = append(walked, got...); pages > 3 {
			t.Fatal("the list does not end")
		}
	}
	if fmt.Sprint(walked) != fmt.Sprint(ids) {
		t.Errorf("page by page %v, want %v", walked, ids)
	}
	if got, next := list("?verdict=spam"); fmt.Sprint(got) != fmt.Sprint([]string{ids[1], ids[3]}) || next != "" {
		t.Errorf("spam: %v, next %q", got, next)
	}
	if got, _ := list("?state=assessed&verdict=phishing&limit=500"); len(got) != 3 {
		t.Errorf("assessed phishing: %v", got)
	}
	if got, _ := list("?verdict=malware"); got != nil {
		t.Errorf("malware: %v", got)
	}

	code, out := d.do(account.Admin, "GET", "/reports/"+ids[0], "", nil)
	if code != 200 || out["id"] != ids[0] || out["reporter"] != "ann@example.net" || out["verdict"] != "phishing" {
		t.Errorf("GET /reports/{id}: %d %v", code, out)
	}
	m := out["messages"].([]any)[0].(map[string]any)
	if m["how"] != "attached" || m["malicious"] != true || m["words"] != "please look" || len(m["reasons"].([]any)) != 1 {
		t.Errorf("message = %v", m)
	}
	if len(out["observables"].([]any)) != 2 || out["answer"].(map[string]any)["state"] != "sent" {
		t.Errorf("observables %v, answer %v", out["observables"], out["answer"])
	}
	code, out = d.do(account.Analyst, "GET", "/observables?limit=2&value=hxxps%3A%2F%2Fevil%5B.%5Dexample%5B.%5Dcom%2Flogin", "", nil)
	if code != 200 || len(out["items"].([]any)) != 2 || out["next"] != ids[1] || len(out["observables"].([]any)) != 1 {
		t.Errorf("GET /observables: %d %v", code, out)
	}

	for _, c := range []struct {
		role account.Role
		path string
		want int
	}{
		{account.Intake, "/reports", 403},
		{account.Intake, "/reports/" + ids[0], 403},
		{account.Intake, "/observables?value=example.org", 403},
		{"", "/reports", 401},
		{"", "/observables?value=example.org", 401},
		{account.Analyst, "/reports?limit=0", 422},
		{account.Analyst, "/reports?limit=501", 422},
		{account.Analyst, "/reports?limit=x", 422},
		{account.Analyst, "/reports?after=x", 422},
		{account.Analyst, "/reports?after=-1", 422},
		{account.Analyst, "/reports?verdict=good", 422},
		{account.Analyst, "/reports?state=lost", 422},
		{account.Analyst, "/reports/x", 422},
		{account.Analyst, "/reports/9999", 404},
		{account.Analyst, "/observables", 422},
		{account.Analyst, "/observables?value=two+words", 422},
		{account.Analyst, "/observables?value=" + strings.Repeat("a", 8193), 422},
	} {
		if code, out := d.do(c.role, "GET", c.path, "", nil); code != c.want {
			t.Errorf("GET %.60s as %q: %d %v, want %d", c.path, c.role, code, out, c.want)
		}
	}
}

func TestReasonsAreInFourLanguages(t *testing.T) {
	h := newHouse(t, databasetest.Open(t, database.Options{}, schemas...), Options{})
	for _, key := range h.text.Keys() {
		code, ok := strings.CutPrefix(key, "reason.")
		if !ok || strings.Contains(code, ".") {
			continue
		}
		names, plural := h.text.Placeholders(key)
		if plural {
			continue
		}
		params := map[string]string{}
		for _, n := range names {
			params[n] = "x"
		}
		if got := h.ReasonText(verdict.Reason{Code: code, Params: params}); len(got) != 4 {
			t.Errorf("%s: %v", code, got)
		}
	}
	if got := h.ReasonText(verdict.Reason{Code: "no-such-code"}); len(got) != 0 {
		t.Errorf("an unknown code has a text: %v", got)
	}
}

func TestTheAPIsDescriptionNamesEveryBody(t *testing.T) {
	d := newDoor(t, Options{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/openapi.json", nil)
	w := httptest.NewRecorder()
	d.srv.ServeHTTP(w, r)
	for _, want := range []string{`"message/rfc822"`, `"application/vnd.ms-outlook"`, `"multipart/form-data"`, `"files[]"`, `"Idempotency-Key"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("it lacks %s", want)
		}
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for schema, properties := range map[string][]string{
		"ReportItem": {"id", "received_at", "campaign"}, "ReportDetail": {"id", "campaign", "messages"},
		"SearchOutputBody": {"observables", "items", "next"},
	} {
		for _, p := range properties {
			if _, ok := doc.Components.Schemas[schema].Properties[p]; !ok {
				t.Errorf("%s lacks %s: %v", schema, p, doc.Components.Schemas[schema].Properties)
			}
		}
	}
	if strings.Contains(w.Body.String(), `"enum"`) {
		t.Error("an enumeration is closed")
	}
}

// FuzzSubmissionBody sends any body of any type: each is accepted as a message
// within the limits, or refused with a kind.
func FuzzSubmissionBody(f *testing.F) {
	kind, body := form(f, "@a.eml", "Subject: x\r\n\r\ny", "text", "look", "url", "http://example.org/", "email", "ann@example.net")
	f.Add(kind, body)
	f.Add("message/rfc822", []byte("Subject: x\r\n\r\ny"))
	f.Add("application/vnd.ms-outlook", []byte("\xd0\xcf\x11\xe0"))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"files[]\"; filename=\"../../a\x00b.eml\"\r\nContent-Type: multipart/x\r\n\r\nz\r\n--b--"))
	c := New(Options{MaxSize: 64 << 10})
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		s, err := c.submissionOf(kind, body)
		if err != nil {
			return
		}
		n, err := c.prepare(s)
		if err != nil {
			return
		}
		if int64(len(s.Content)) > c.sizeLimit(API) || n.chosen != "" && len(n.chosen) != 2 {
			t.Errorf("%d bytes, language %q", len(s.Content), n.chosen)
		}
		if again, err := c.submissionOf(kind, body); err != nil || !bytes.Equal(again.Content, s.Content) {
			t.Errorf("not the same twice: %v", err)
		}
	})
}
