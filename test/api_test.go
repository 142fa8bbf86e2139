package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// client speaks with a program's pages and API.
type client struct {
	t     testing.TB
	p     *server
	token string
}

func (p *server) api(role string) *client { return &client{p.t, p, p.token(role)} }

// answer is what the server said.
type httpAnswer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request; header is name, value, name, value.
func (c *client) do(method, path string, body []byte, header ...string) httpAnswer {
	c.t.Helper()
	a, err := c.try(context.Background(), method, path, body, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (c *client) try(ctx context.Context, method, path string, body []byte, header ...string) (httpAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.p.http+path, bytes.NewReader(body))
	if err != nil {
		return httpAnswer{}, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := noRedirect.Do(req)
	if err != nil {
		return httpAnswer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return httpAnswer{resp.StatusCode, resp.Header, b}, err
}

var noRedirect = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get reads JSON; the answer must be 200.
func (c *client) get(path string, into any) {
	c.t.Helper()
	a := c.do(http.MethodGet, path, nil)
	if a.status != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		c.t.Fatalf("GET %s: %v in %s", path, err, a.body)
	}
}

// listed is a report as the list shows it.
type listed struct {
	ID         string    `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	Channel    string    `json:"channel"`
	Subject    string    `json:"subject"`
	Language   string    `json:"language"`
	Verdict    string    `json:"verdict"`
	Score      float64   `json:"score"`
	State      string    `json:"state"`
	Campaign   string    `json:"campaign"`
}

// detail is what the tests look at of one report.
type detail struct {
	listed
	Reporter string `json:"reporter"`
	Proved   bool   `json:"proved"`
	Class    string `json:"class"`
	Size     int64  `json:"size"`
	RawKept  bool   `json:"raw_kept"`
	Messages []struct {
		How        string  `json:"how"`
		Subject    string  `json:"subject"`
		From       string  `json:"from"`
		FromName   string  `json:"from_name"`
		Verdict    string  `json:"verdict"`
		Score      float64 `json:"score"`
		AssessedAt *time.Time
		Reasons    []struct{ Code string }
	} `json:"messages"`
	Answer *struct {
		State, Kind, Why, Language, Subject, Text string
	} `json:"answer"`
}

// list returns every report, newest first, in pages of that size.
func (c *client) list(limit int, query string) (all []listed) {
	c.t.Helper()
	for next := ""; ; {
		var page struct {
			Items []listed `json:"items"`
			Next  string   `json:"next"`
		}
		c.get(fmt.Sprintf("/api/v1/reports?limit=%d&after=%s%s", limit, url.QueryEscape(next), query), &page)
		all = append(all, page.Items...)
		if next = page.Next; next == "" {
			return all
		}
		if len(page.Items) == 0 {
			c.t.Fatal("a page is empty and not the last")
		}
	}
}

func (c *client) report(id string) (d detail) {
	c.t.Helper()
	c.get("/api/v1/reports/"+id, &d)
	return d
}

// settled waits until that many reports are there and none of them moves any
// more by itself, and returns them, newest first.
func (c *client) settled(n int) (all []listed) {
	c.t.Helper()
	eventually(c.t, func() error {
		all = c.list(500, "")
		if len(all) != n {
			return fmt.Errorf("%d reports, want %d", len(all), n)
		}
		for _, r := range all {
			switch r.State {
			case "waiting", "answered", "closed":
			default:
				return fmt.Errorf("report %s is %s", r.ID, r.State)
			}
		}
		return nil
	})
	return all
}

// sendMail hands one mail over, as a provider's server does.
func (p *server) sendMail(from string, to string, data []byte) error {
	c, err := smtp.Dial(p.smtp)
	if err != nil {
		return err
	}
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = patience, patience
	if err := c.Hello("mx." + proved); err != nil {
		return err
	}
	if err := c.SendMail(from, []string{to}, bytes.NewReader(data)); err != nil {
		return err
	}
	return c.Quit()
}
