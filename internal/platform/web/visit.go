package web

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/locale"
)

// Visit is what the server knows of one request: who asks, from where, in
// which language.
type Visit struct {
	ID     string         // names the request on error pages and in the log
	Client netip.Addr     // the client's address, past trusted proxies; not valid when unknown
	Secure bool           // the client speaks TLS, with us or with a trusted proxy
	Lang   string         // one of locale.Languages
	Viewer account.Viewer // who asks; the zero Viewer is nobody

	server  *Server
	request *http.Request // as handlers see it
	started time.Time
	body    *limitedBody
}

type visitKey struct{}

// VisitOf returns the visit to which the context belongs. Outside of a request
// it is a zero Visit in English, never nil.
func VisitOf(ctx context.Context) *Visit {
	if v, ok := ctx.Value(visitKey{}).(*Visit); ok {
		return v
	}
	return &Visit{Lang: "en"}
}

var idEncoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newVisitID draws a name for a request that can be read out on the telephone:
// 60 bits in 12 letters and digits without l, o, 0 and 1.
func newVisitID() string {
	var b [8]byte
	rand.Read(b[:])
	return idEncoding.EncodeToString(b[:])[:12]
}

// visit learns of a request what does not cost a query.
func (s *Server) visit(r *http.Request) *Visit {
	v := &Visit{ID: newVisitID(), server: s, started: s.o.Clock()}
	peer := peerOf(r.RemoteAddr)
	v.Client = peer
	v.Secure = r.TLS != nil || s.o.Public != nil && s.o.Public.Scheme == "https"
	if s.trusts(peer) {
		v.Client = s.forwarded(peer, r.Header.Values("X-Forwarded-For"))
		if r.Header.Get("X-Forwarded-Proto") == "https" {
			v.Secure = true
		}
	}
	v.Lang = s.language(r)
	return v
}

func peerOf(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func (s *Server) trusts(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	for _, p := range s.o.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// maxHops bounds how far back X-Forwarded-For is followed.
const maxHops = 16

// forwarded walks X-Forwarded-For from its end, where the nearest proxy wrote,
// and returns the first address that is not a trusted proxy. What stands
// before it was written by the client and says nothing. An entry that cannot
// be read ends the walk at the last address that could.
func (s *Server) forwarded(peer netip.Addr, headers []string) netip.Addr {
	entries := strings.Split(strings.Join(headers, ","), ",")
	last := peer
	for i := len(entries) - 1; i >= 0 && len(entries)-i <= maxHops; i-- {
		addr, ok := parseHop(strings.TrimSpace(entries[i]))
		if !ok {
			return last
		}
		last = addr
		if !s.trusts(addr) {
			return addr
		}
	}
	return last
}

// parseHop reads "192.0.2.1", "192.0.2.1:1234", "2001:db8::1" or
// "[2001:db8::1]:1234".
func parseHop(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

const languageCookie = "lang"

// language returns the language that the reader chose: in this address, else
// before (a cookie), else in the browser's settings, else the server's own.
func (s *Server) language(r *http.Request) string {
	if lang := queryLanguage(r); lang != "" {
		return lang
	}
	if c, err := r.Cookie(languageCookie); err == nil && locale.Known(c.Value) {
		return c.Value
	}
	if lang := s.o.Text.Match(r.Header.Get("Accept-Language")); lang != "" {
		return lang
	}
	return s.o.Language
}

// queryLanguage returns the language that ?lang= asks for, "" for none.
func queryLanguage(r *http.Request) string {
	if !strings.Contains(r.URL.RawQuery, languageCookie+"=") {
		return ""
	}
	if lang := r.URL.Query().Get(languageCookie); locale.Known(lang) {
		return lang
	}
	return ""
}

// keepLanguage remembers for a year what ?lang= asked for.
func keepLanguage(w http.ResponseWriter, r *http.Request, v *Visit) {
	lang := queryLanguage(r)
	if lang == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: v.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// identify finds out who asks, from a bearer token (RFC 6750) or a session's
// cookie. A token that does not hold is an error; a session that ended makes
// the visit anonymous, and the cookie is taken back.
func (s *Server) identify(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if s.o.Accounts == nil {
		return nil
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return fault.New(fault.Unauthorized, "Authorization takes a bearer token.")
		}
		viewer, err := s.o.Accounts.Authenticate(r.Context(), strings.TrimSpace(token))
		v.Viewer = viewer
		return err
	}
	name := sessionCookie(v)
	c, err := r.Cookie(name)
	if err != nil {
		return nil
	}
	viewer, err := s.o.Accounts.Resume(r.Context(), c.Value)
	if fault.Is(err, fault.Unauthorized) {
		dropSession(w, v)
		return nil
	}
	v.Viewer = viewer
	return err
}

// sessionCookie returns the cookie's name. The prefix __Host- (RFC 6265bis)
// makes browsers refuse it from anybody but this very host over TLS.
func sessionCookie(v *Visit) string {
	if v.Secure {
		return "__Host-session"
	}
	return "session"
}

func setSession(w http.ResponseWriter, v *Visit, secret string, ends time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(v), Value: secret, Path: "/", Expires: ends,
		HttpOnly: true, Secure: v.Secure, SameSite: http.SameSiteStrictMode,
	})
}

func dropSession(w http.ResponseWriter, v *Visit) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie(v), Path: "/", MaxAge: -1,
		HttpOnly: true, Secure: v.Secure, SameSite: http.SameSiteStrictMode,
	})
}

type signInData struct {
	Next     string
	problems []Problem
}

func (d signInData) Problems() []Problem { return d.problems }

func (s *Server) signInForm(w http.ResponseWriter, r *http.Request) error {
	return s.pages.signIn.Render(w, r, http.StatusOK, signInData{Next: local(r.FormValue("next"), "")})
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if s.o.Accounts == nil {
		return fault.New(fault.NotFound, "")
	}
	if err := ParseForm(r); err != nil {
		return err
	}
	v := VisitOf(r.Context())
	next := local(r.PostFormValue("next"), "")
	session, err := s.o.Accounts.SignIn(r.Context(), r.PostFormValue("token"))
	switch kind := fault.KindOf(err); {
	case err == nil:
	case kind == fault.Unauthorized || kind == fault.Forbidden:
		f := v.failure(err)
		f.log(s.log, r, err)
		text := s.o.Text.Text(v.Lang, "web.sign_in."+kind.String(), nil)
		return s.pages.signIn.Render(w, r, f.status, signInData{Next: next, problems: []Problem{{Field: "token", Text: text}}})
	default:
		return err
	}
	setSession(w, v, session.Secret, session.Ends)
	if next == "" {
		next = s.firstPage(session.Viewer)
	}
	return Redirect(w, r, next)
}

// firstPage is where somebody begins who signed in without asking for a page:
// the first entry of the menu that is theirs.
func (s *Server) firstPage(viewer account.Viewer) string {
	for _, item := range s.nav {
		if item.Needs != "" && viewer.May(item.Needs) {
			return item.Path
		}
	}
	return "/"
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	v := VisitOf(r.Context())
	if c, err := r.Cookie(sessionCookie(v)); err == nil && s.o.Accounts != nil {
		if err := s.o.Accounts.SignOut(r.Context(), c.Value); err != nil {
			return err
		}
	}
	dropSession(w, v)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return Redirect(w, r, "/")
}
