package mailfetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/config"
)

// OAuth says how access tokens are got (RFC 6749): with RefreshToken by that
// (section 6), else by the client's own credentials (section 4.4).
type OAuth struct {
	TokenURL     string // https, or http to this very machine
	ClientID     string
	ClientSecret config.Secret // empty for a public client
	RefreshToken config.Secret
	Scope        string
	Client       *http.Client // nil asks directly, within 30 s
}

// tokens gets access tokens and keeps the last one until shortly before it
// expires.
type tokens struct {
	o      OAuth
	client *http.Client

	mu      sync.Mutex
	access  string
	until   time.Time
	refresh string // the latest: a server may hand out a new one with each answer
}

const (
	tokenPatience = 30 * time.Second
	maxTokenReply = 64 << 10 // bytes
	maxToken      = 16 << 10
	tokenMargin   = time.Minute // a token is not used in its last minute
)

// CheckTokenURL checks where tokens are to be got: secrets go there, so only
// over TLS.
func CheckTokenURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLocal(u.Hostname())) {
		return errors.New("mailfetch: the token URL must begin with https://")
	}
	return nil
}

func newTokens(o OAuth) (*tokens, error) {
	if err := CheckTokenURL(o.TokenURL); err != nil {
		return nil, err
	}
	if o.ClientID == "" || o.ClientSecret.IsZero() && o.RefreshToken.IsZero() {
		return nil, errors.New("mailfetch: tokens need a client id, and a client secret or a refresh token")
	}
	t := &tokens{o: o, refresh: o.RefreshToken.Reveal(), client: o.Client}
	if t.client == nil {
		t.client = &http.Client{Timeout: tokenPatience, Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxTokenReply,
		}}
	}
	c := *t.client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the secrets stay here
	t.client = &c
	return t, nil
}

// reject forgets an access token that the mail server did not take.
func (t *tokens) reject(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access == token {
		t.access = ""
	}
}

// get returns an access token that is good for a minute at least. Its errors
// hold no secret and no text of the server's but the error's code.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access != "" && time.Now().Before(t.until) {
		return t.access, nil
	}
	form := url.Values{"client_id": {t.o.ClientID}, "grant_type": {"client_credentials"}}
	if t.refresh != "" {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", t.refresh)
	}
	if s := t.o.ClientSecret.Reveal(); s != "" {
		form.Set("client_secret", s)
	}
	if t.o.Scope != "" {
		form.Set("scope", t.o.Scope)
	}
	asked := time.Now()
	reply, err := t.post(ctx, form)
	if err != nil {
		return "", fmt.Errorf("the token server: %w", err)
	}
	seconds, err := reply.ExpiresIn.Int64()
	if err != nil || seconds <= 0 {
		seconds = 5 * 60 // it is only recommended to tell (section 5.1)
	}
	life := time.Duration(min(seconds, 24*60*60)) * time.Second
	t.access, t.until = reply.AccessToken, asked.Add(max(life-tokenMargin, life/2))
	if r := reply.RefreshToken; r != "" && len(r) <= maxToken && t.refresh != "" {
		t.refresh = r
	}
	return t.access, nil
}

// tokenReply is RFC 6749, sections 5.1 and 5.2.
type tokenReply struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	// A number; some servers write it in quotes.
	ExpiresIn    json.Number `json:"expires_in"`
	RefreshToken string      `json:"refresh_token"`
	Error        string      `json:"error"`
}

// errorCode is what an error's code looks like; all else is not repeated.
var errorCode = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func (t *tokens) post(ctx context.Context, form url.Values) (r tokenReply, err error) {
	ctx, cancel := context.WithTimeout(ctx, tokenPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return r, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return r, err // it names the URL, which holds no secret
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenReply+1))
	if err != nil {
		return r, err
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // an odd one is no JSON
	if len(body) > maxTokenReply || kind != "application/json" || json.Unmarshal(body, &r) != nil {
		return r, fmt.Errorf("status %d, and no answer that can be read", resp.StatusCode)
	}
	switch {
	case resp.StatusCode != http.StatusOK && errorCode.MatchString(r.Error):
		return r, fmt.Errorf("status %d, %s", resp.StatusCode, r.Error)
	case resp.StatusCode != http.StatusOK:
		return r, fmt.Errorf("status %d", resp.StatusCode)
	case r.AccessToken == "" || len(r.AccessToken) > maxToken || strings.ContainsFunc(r.AccessToken, func(c rune) bool { return c <= ' ' || c > '~' }):
		return r, errors.New("no access token in its answer")
	case r.TokenType != "" && !strings.EqualFold(r.TokenType, "bearer"):
		return r, errors.New("its token is of a kind that we do not know")
	}
	return r, nil
}
