package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

const apiPrefix = "/api/v1"

// bearer names the security scheme in the API's description.
const bearer = "token"

// actKey is where Protected and Public leave their mark on an operation.
const actKey = "belfry.act"

// Protected keeps an operation for viewers who may do that.
func Protected(act account.Act, op huma.Operation) huma.Operation {
	op = marked(op, act)
	op.Security = []map[string][]string{{bearer: {}}}
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	return op
}

// Public opens an operation to everybody.
func Public(op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{}
	return marked(op, "")
}

func marked(op huma.Operation, act account.Act) huma.Operation {
	if op.BodyReadTimeout == 0 { // huma's own is five seconds, too short for a slow line
		op.BodyReadTimeout = patienceFor(op.MaxBodyBytes)
	}
	metadata := map[string]any{actKey: act}
	for k, v := range op.Metadata {
		metadata[k] = v
	}
	op.Metadata = metadata
	return op
}

// ActOf returns what an operation needs, "" for one open to everybody; ok is
// false for one that is neither Protected nor Public, and so answers nobody.
func ActOf(op *huma.Operation) (act account.Act, ok bool) {
	act, ok = op.Metadata[actKey].(account.Act)
	return act, ok
}

// newAPI makes the API. It describes itself at /api/openapi.json only: no page
// that loads foreign scripts, no links to schemas.
func (s *Server) newAPI() huma.API {
	version := s.o.Version
	if version == "" {
		version = "1"
	}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Belfry", Version: version},
			Servers: []*huma.Server{{URL: apiPrefix}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearer: {Type: "http", Scheme: "bearer", Description: "A token made with: belfry token create"},
				},
			},
		},
		Formats:       huma.DefaultFormats,
		DefaultFormat: "application/json",
	}
	api := humago.NewWithPrefix(apiMux{s}, apiPrefix, config)
	api.UseMiddleware(s.guard(api))
	return api
}

// apiMux puts the API's operations on the server's mux.
type apiMux struct{ s *Server }

func (m apiMux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.s.mux.HandleFunc(pattern, h)
}
func (m apiMux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.s.ServeHTTP(w, r) }

// guard checks rights and bounds bodies before any operation.
func (s *Server) guard(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		v := VisitOf(ctx.Context())
		op := ctx.Operation()
		act, ok := ActOf(op)
		if !ok {
			act = account.Act("undeclared")
		}
		if act != "" {
			if err := account.Require(v.Viewer, act); err != nil {
				huma.WriteErr(api, ctx, http.StatusInternalServerError, "", err)
				return
			}
		}
		r, w := humago.Unwrap(ctx)
		limit := op.MaxBodyBytes
		if limit <= 0 {
			limit = defaultBody
		}
		patience := patienceFor(limit)
		limitBody(w, r, limit, patience)
		v.request = r
		c, cancel := context.WithTimeout(ctx.Context(), patience)
		defer cancel()
		next(huma.WithContext(ctx, c))
	}
}

// openAPI serves the description of every operation registered before Start.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	b, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Write(b)
	return nil
}

// Detail is one thing wrong with a request.
type Detail struct {
	Message  string `json:"message" doc:"What is wrong."`
	Location string `json:"location,omitempty" doc:"Where it is wrong, such as body.items[3].value or query.limit."`
}

// ProblemDetails is an error's answer, as in RFC 9457.
type ProblemDetails struct {
	Type   string   `json:"type" doc:"The kind of error, a URN that stays the same." example:"urn:belfry:problem:not-found"`
	Title  string   `json:"title" doc:"The kind of error in words."`
	Status int      `json:"status" doc:"The HTTP status."`
	Detail string   `json:"detail" doc:"What went wrong here, in one sentence."`
	ID     string   `json:"id,omitempty" doc:"Names this error in the server's log; quote it."`
	Errors []Detail `json:"errors,omitempty" doc:"Each thing that is wrong with the request."`
}

func (p *ProblemDetails) Error() string { return p.Detail }

// GetStatus lets huma answer with the status.
func (p *ProblemDetails) GetStatus() int { return p.Status }

// ContentType lets huma answer with RFC 9457's media type.
func (p *ProblemDetails) ContentType(string) string { return problemType }

const (
	problemType = "application/problem+json"
	maxDetails  = 50
	maxDetail   = 300 // bytes of one detail
)

func (f failure) problem() *ProblemDetails {
	return &ProblemDetails{
		Type: "urn:belfry:problem:" + f.kind.String(), Title: http.StatusText(f.status),
		Status: f.status, Detail: f.message, ID: f.id,
	}
}

// writeProblem answers a program that asks outside of an operation.
func (s *Server) writeProblem(w http.ResponseWriter, f failure) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(f.status)
	json.NewEncoder(w).Encode(f.problem())
}

// huma has its errors made by package variables. They are set here once,
// before any API exists, and read everything else from the request.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return problemOf(&Visit{}, status, message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		v := VisitOf(ctx.Context())
		p := problemOf(v, status, message, errs)
		f := failure{kind: fault.FromHTTP(p.Status), status: p.Status, id: p.ID}
		h := http.Header{}
		f.headers(h)
		for name := range h {
			ctx.SetHeader(name, h.Get(name))
		}
		if v.server != nil {
			f.log(v.server.log, v.request, errors.Join(errs...))
		}
		return p
	}
}

// problemOf makes the answer to an error. With an error of ours among errs it
// is that one's kind that counts; otherwise it is what huma found wrong with
// the request.
func problemOf(v *Visit, status int, message string, errs []error) *ProblemDetails {
	foreign := slices.IndexFunc(errs, func(err error) bool { _, ok := err.(huma.ErrorDetailer); return !ok })
	over := v.body != nil && v.body.over
	if status >= 500 || foreign >= 0 || over {
		err := errors.Join(errs...)
		if foreign >= 0 {
			err = errs[foreign]
		}
		if err != nil || over || status >= 500 {
			return v.failure(err).problem()
		}
	}
	f := failure{kind: fault.FromHTTP(status), status: status, message: message, id: v.ID}
	if message != "" {
		f.message = strings.ToUpper(message[:1]) + message[1:] + "."
	}
	p := f.problem()
	for _, err := range errs {
		d := err.(huma.ErrorDetailer).ErrorDetail()
		if len(p.Errors) == maxDetails {
			break
		}
		p.Errors = append(p.Errors, Detail{Message: cut(d.Message), Location: cut(d.Location)})
	}
	return p
}

func cut(s string) string {
	if len(s) > maxDetail {
		return strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}
