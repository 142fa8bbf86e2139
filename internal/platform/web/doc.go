// Package web is the front door: one HTTP server for pages and API, with
// everything in one place that no handler should have to remember.
//
// A capability registers its routes and operations on a Server:
//
//	list, err := web.NewPage[listData](srv, pages, "pages/list.html")
//	srv.Handle("GET /staff/reports", h.list, web.Needs(account.ReadReport))
//	srv.Handle("POST /report", h.submit, web.Body(26<<20), web.Limit(perClient))
//	huma.Register(srv.API(), web.Protected(account.ReadReport, huma.Operation{…}), h.apiList)
//
// A Handler returns its error. The server turns the error's kind (package
// fault) into a page in the reader's language or into application/problem+json
// (RFC 9457), with an id that the log shows next to the cause.
//
// Who asks, from where and in which language is the Visit, which VisitOf takes
// from the request's context; stores get its Viewer as an argument, never the
// context's word for it.
//
// Each page is a template with a typed struct for its data. Package webtest
// holds every page against its type and against the catalogues.
package web
