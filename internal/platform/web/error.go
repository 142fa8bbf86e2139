package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// fail is the one place where an error becomes an answer.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	v := VisitOf(r.Context())
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil && !begun(w) {
		w.WriteHeader(statusGone) // nobody reads it; it is for the metrics
		return
	}
	f := v.failure(err)
	f.log(s.log, r, err)
	if begun(w) {
		panic(http.ErrAbortHandler)
	}
	f.headers(w.Header())
	w.Header().Del("Etag")
	w.Header().Set("Cache-Control", "no-store")
	if wantsJSON(r) {
		s.writeProblem(w, f)
		return
	}
	if f.kind == fault.Unauthorized && s.o.Accounts != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	if err := s.pages.fault.Render(w, r, f.status, faultData{Kind: f.kind.String(), ID: f.id}); err != nil {
		s.log.Error("the error page failed", "id", f.id, "error", err)
		http.Error(w, f.id, f.status)
	}
}

// statusGone stands in metrics for a client that went away (nginx's number).
const statusGone = 499

// failure is what the outside learns of an error.
type failure struct {
	kind    fault.Kind
	status  int
	message string
	id      string
}

func (v *Visit) failure(err error) failure {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || v.body != nil && v.body.over {
		err = fault.Wrap(fault.TooLarge, err, "")
	}
	f := failure{kind: fault.KindOf(err), message: fault.Message(err), id: v.ID}
	f.status = f.kind.HTTPStatus()
	if _, ok := errors.AsType[*methodError](err); ok {
		f.kind, f.status = fault.Unsupported, http.StatusMethodNotAllowed
		f.message = "That method is not allowed here."
	}
	return f
}

// headers sets what the kind calls for.
func (f failure) headers(h http.Header) {
	switch f.kind {
	case fault.RateLimited, fault.Busy:
		h.Set("Retry-After", "30")
	case fault.Unauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
}

// log writes the cause next to the id. Neither the address nor the path is
// written: a follow link is a secret, and an address is a person's.
func (f failure) log(log *slog.Logger, r *http.Request, err error) {
	level := slog.LevelDebug
	switch f.kind {
	case fault.Internal:
		level = slog.LevelError
	case fault.Busy:
		level = slog.LevelWarn
	}
	log.Log(r.Context(), level, "request failed", "id", f.id, "kind", f.kind.String(),
		"method", method(r), "route", r.Pattern, "error", err)
}

// method returns the request's method if it is a known one: it goes into logs
// and metrics, where a stranger's words have no place.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// wantsJSON reports whether the client is a program: it asks the API, or asks
// for JSON and not for HTML.
func wantsJSON(r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return true
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}
