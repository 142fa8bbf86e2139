package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAPI holds the API to what others rely on.
func TestAPI(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	analyst, admin, intake, nobody := p.api("analyst"), p.api("admin"), p.api("intake"), &client{t: t, p: p}
	mail := reportMail("an@"+proved, "Uw pakket", nil)
	const rfc822 = "message/rfc822"

	// POST: 201, with the id and the follow link; a second try finds the first.
	first := intake.do(http.MethodPost, "/api/v1/reports", mail, "Content-Type", rfc822, "Idempotency-Key", "one")
	var made struct{ ID, Follow string }
	exactly(t, "POST /api/v1/reports", first, http.StatusCreated, &made, `{"id": "", "follow": ""}`)
	if want := "/api/v1/reports/" + made.ID; first.header.Get("Location") != want {
		t.Errorf("Location is %q, want %q", first.header.Get("Location"), want)
	}
	if again := intake.do(http.MethodPost, "/api/v1/reports", mail, "Content-Type", rfc822, "Idempotency-Key", "one"); again.status != http.StatusCreated || !bytes.Equal(again.body, first.body) {
		t.Errorf("the second try was answered %d %s, the first %s", again.status, again.body, first.body)
	}
	follow := nobody.do(http.MethodGet, strings.TrimPrefix(made.Follow, "http://"+p.http), nil)
	if follow.status != http.StatusOK || follow.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %v", made.Follow, follow.status, follow.header)
	}

	// More of them, for pages; in every form in which they may come.
	const reports = 12
	for i := range reports - 3 {
		intake.do(http.MethodPost, "/api/v1/reports", reportMail("an@"+proved, fmt.Sprintf("Uw pakket %d", i), nil), "Content-Type", rfc822)
	}
	for _, body := range []string{
		"--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nitsme: uw account verloopt, https://itsme-bevestigen.example/login\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"files[]\"; filename=\"x.eml\"\r\nContent-Type: message/rfc822\r\n\r\n" + string(mail) + "\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nhxxps://bank[.]example/x\r\n--b--\r\n",
	} {
		if a := intake.do(http.MethodPost, "/api/v1/reports", []byte(body), "Content-Type", "multipart/form-data; boundary=b"); a.status != http.StatusCreated {
			t.Errorf("a form was answered %d %s", a.status, a.body)
		}
	}
	all := analyst.settled(reports)

	// The list: these fields and, in v1, perhaps more one day; golden today.
	var page struct {
		Items []listed
		Next  string
	}
	exactly(t, "GET /api/v1/reports", analyst.do(http.MethodGet, "/api/v1/reports?limit=1", nil), http.StatusOK, &page,
		`{"items": [{"id": "", "received_at": "", "channel": "", "subject": "", "language": "", "verdict": "", "score": 0, "state": "", "campaign": ""}], "next": ""}`)
	newest := page.Items[0]
	if page.Next != newest.ID || newest.Channel != "api" || newest.Campaign != "" || time.Since(newest.ReceivedAt) > time.Hour {
		t.Errorf("the newest is %+v, next is %q", newest, page.Next)
	}

	// Pages of any size hold the same, newest first, each once, to the end.
	for _, limit := range []int{1, 5, reports, 500} {
		if paged := analyst.list(limit, ""); !slices.Equal(paged, all) {
			t.Errorf("in pages of %d: %d reports, %d in one", limit, len(paged), len(all))
		}
	}
	if !slices.IsSortedFunc(all, func(a, b listed) int { return b.ReceivedAt.Compare(a.ReceivedAt) }) {
		t.Error("the list is not in order")
	}
	for _, verdict := range []string{"phishing", "legitimate"} {
		got := analyst.list(3, "&verdict="+verdict)
		want := slices.DeleteFunc(slices.Clone(all), func(r listed) bool { return r.Verdict != verdict })
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%s: %d reports, want %d", verdict, len(got), len(want))
		}
	}

	// One report, and the search for what was seen in it.
	var one map[string]any
	exactly(t, "GET /api/v1/reports/{id}", analyst.do(http.MethodGet, "/api/v1/reports/"+made.ID, nil), http.StatusOK, &one, `{
		"id": "", "received_at": "", "channel": "", "subject": "", "language": "", "verdict": "", "score": 0, "state": "", "campaign": "",
		"automatic": true, "class": "", "desk": "", "size": 0, "raw_kept": true, "held": false, "proved": true,
		"messages": [{"index": 0, "how": "", "subject": "", "from_name": "", "from": "", "date": "", "words": "", "verdict": "",
			"malicious": true, "score": 0, "automatic": true, "brand": "", "language": "", "rules": "", "model": "", "assessed_at": "",
			"reasons": [{"code": "", "weight": 0, "evidence": "", "text": {"nl": "", "fr": "", "de": "", "en": ""}}]}],
		"observables": [{"type": "", "value": "", "message": 0, "where": "", "count": 0}],
		"answer": {"state": "", "kind": "", "why": "", "language": "", "subject": "", "text": ""}}`)
	var found struct {
		Observables []struct{ ID, Type, Value string }
		Items       []listed
	}
	for _, value := range []string{
		"http://bpost.pakket-herlevering.example/betaling/login.php?id=83121", "hxxp://bpost[.]pakket-herlevering[.]example/betaling/login.php?id=83121",
		"bpost.pakket-herlevering.example", "info@pakket-herlevering.example",
	} {
		exactly(t, "GET /api/v1/observables", analyst.do(http.MethodGet, "/api/v1/observables?limit=2&value="+value, nil), http.StatusOK, &found,
			`{"observables": [{"id": "", "type": "", "value": ""}], "items": [{"id": "", "received_at": "", "channel": "", "subject": "", "language": "", "verdict": "", "score": 0, "state": "", "campaign": ""}], "next": ""}`)
		if len(found.Items) != 2 || len(found.Observables) == 0 {
			t.Errorf("%s was found in %d reports", value, len(found.Items))
		}
	}

	// Rights, decided in one place.
	for _, c := range []struct {
		method, path string
		who          *client
		want         int
	}{
		{http.MethodGet, "/api/v1/reports", nobody, 401},
		{http.MethodGet, "/api/v1/reports", &client{t, p, "bt_wrong"}, 401},
		{http.MethodGet, "/api/v1/reports", intake, 403},
		{http.MethodGet, "/api/v1/reports", admin, 200},
		{http.MethodGet, "/api/v1/reports/" + made.ID, intake, 403},
		{http.MethodGet, "/api/v1/reports/" + made.ID, nobody, 401},
		{http.MethodGet, "/api/v1/observables?value=x.example", intake, 403},
		{http.MethodGet, "/api/v1/observables?value=x.example", analyst, 200},
		{http.MethodPost, "/api/v1/reports", nobody, 401},
		{http.MethodGet, "/api/v1/reports?limit=0", analyst, 422},
		{http.MethodGet, "/api/v1/reports?limit=501", analyst, 422},
		{http.MethodGet, "/api/v1/reports?limit=x", analyst, 422},
		{http.MethodGet, "/api/v1/reports?after=x", analyst, 422},
		{http.MethodGet, "/api/v1/reports?verdict=evil", analyst, 422},
		{http.MethodGet, "/api/v1/reports/x", analyst, 422},
		{http.MethodGet, "/api/v1/reports/1", analyst, 404},
		{http.MethodGet, "/api/v1/observables", analyst, 422},
		{http.MethodGet, "/api/v1/nothing", analyst, 404},
		{http.MethodDelete, "/api/v1/reports", analyst, 405},
	} {
		a := c.who.do(c.method, c.path, nil, "Content-Type", rfc822)
		if a.status != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, a.status, c.want, a.body)
		}
		if c.want >= 400 {
			checkProblem(t, c.method+" "+c.path, a)
		}
	}
	for _, c := range []struct {
		what, contentType, key string
		body                   []byte
		want                   int
	}{
		{"other bytes under a used key", rfc822, "one", []byte("Subject: other\r\n\r\nx\r\n"), 409},
		{"nothing", rfc822, "", nil, 400},
		{"a strange type", "application/x-tar", "", []byte("x"), 415},
		{"no type", "", "", []byte("x"), 415},
		{"an unknown field", "multipart/form-data; boundary=b", "", []byte("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b--\r\n"), 422},
		{"a broken form", "multipart/form-data; boundary=b", "", []byte("--b\r\nContent"), 422},
		{"too much", rfc822, "", bytes.Repeat([]byte("x"), 26<<20), 413},
		{"a long key", rfc822, strings.Repeat("k", 201), []byte("Subject: x\r\n\r\nx\r\n"), 422},
	} {
		a := intake.do(http.MethodPost, "/api/v1/reports", c.body, "Content-Type", c.contentType, "Idempotency-Key", c.key)
		if a.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.what, a.status, c.want, a.body)
		}
		checkProblem(t, c.what, a)
	}
	if n := len(analyst.list(500, "")); n != reports {
		t.Errorf("%d reports after the refused ones, want %d", n, reports)
	}

	// A revoked token is none.
	var tokens []string
	out, _, _ := p.belfry("token", "list")
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "analyst" {
			tokens = append(tokens, f[0])
		}
	}
	if _, errs, err := p.belfry("token", "revoke", tokens[0]); err != nil {
		t.Fatal(errs)
	}
	eventually(t, func() error {
		if a := analyst.do(http.MethodGet, "/api/v1/reports", nil); a.status != http.StatusUnauthorized {
			return fmt.Errorf("the revoked token gets %d", a.status)
		}
		return nil
	})
	p.stop()
	p.verify()
}

// exactly holds an answer against an example: the same keys, and values of the
// same types, where the example has them; a list has elements like its first.
// Keys that may be missing do not stand in the example and are let pass.
func exactly(t *testing.T, what string, a httpAnswer, status int, into any, example string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s: %d, want %d: %s", what, a.status, status, a.body)
	}
	var got, want any
	if err := json.Unmarshal([]byte(example), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%s: %v: %s", what, err, a.body)
	}
	compareShape(t, what, got, want)
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatal(err)
	}
}

// mayAlso are the fields that are left out when they are empty.
var mayAlso = []string{"reporter", "span", "source", "text", "hidden", "via", "sent_at"}

func compareShape(t *testing.T, at string, got, want any) {
	t.Helper()
	if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
		t.Errorf("%s is %v, want one like %v", at, got, want)
		return
	}
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for key, w := range want {
			if g, ok := got[key]; ok {
				compareShape(t, at+"."+key, g, w)
			} else {
				t.Errorf("%s.%s is missing", at, key)
			}
		}
		for key := range got {
			if _, ok := want[key]; !ok && !slices.Contains(mayAlso, key) {
				t.Errorf("%s.%s is new: add it to the test", at, key)
			}
		}
	case []any:
		got := got.([]any)
		if len(got) == 0 && len(want) > 0 {
			t.Errorf("%s is empty", at)
		}
		for i, g := range got {
			compareShape(t, fmt.Sprintf("%s[%d]", at, i), g, want[0])
		}
	}
}

// checkProblem checks an error's answer (RFC 9457).
func checkProblem(t *testing.T, what string, a httpAnswer) {
	t.Helper()
	var p struct {
		Type, Title, Detail, ID string
		Status                  int
	}
	if err := json.Unmarshal(a.body, &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: no problem+json: %s %s", what, a.header.Get("Content-Type"), a.body)
		return
	}
	if !strings.HasPrefix(p.Type, "urn:belfry:problem:") || p.Title == "" || p.Detail == "" || p.Status != a.status || p.ID == "" {
		t.Errorf("%s: %s", what, a.body)
	}
	for _, inside := range []string{"SQL", "sqlite", "pgx", ".go:", "internal/"} {
		if strings.Contains(string(a.body), inside) {
			t.Errorf("%s tells of our inside: %s", what, a.body)
		}
	}
}

const openAPI = "../docs/openapi.json"

// TestOpenAPI holds the API's description against the golden file, so that a
// change of the interface is seen: v1 only ever adds.
// Renew it with: go test ./test -run OpenAPI -update
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	p := start(t, options{})
	a := (&client{t: t, p: p}).do(http.MethodGet, "/api/openapi.json", nil)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var doc map[string]any
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatal(err)
	}
	if v, _ := doc["openapi"].(string); !strings.HasPrefix(v, "3.1") {
		t.Errorf("it is OpenAPI %v", doc["openapi"])
	}
	doc["info"].(map[string]any)["version"] = "1" // else that of this very build
	got, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(openAPI, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("/api/openapi.json is not as in %s; if that is meant, run: go test ./test -run OpenAPI -update", openAPI)
	}
}
