// Package mailin receives mail over SMTP (RFC 5321) for a program that takes
// mail only for its own few addresses and never relays.
//
// A Server hands each message to one function and tells the client 250 only
// when that returned nil: from then on the message is the callee's. Whatever
// else happens, the client gets a 4xx or 5xx and keeps its copy.
//
// Extensions: STARTTLS (RFC 3207), PIPELINING (RFC 2920), SIZE (RFC 1870),
// 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), ENHANCEDSTATUSCODES (RFC 2034).
// There is no AUTH, no VRFY, no EXPN, no ETRN and no BDAT.
//
// Everything a client sends is bounded, see Limits. The message is kept byte
// for byte: only CR LF dot CR LF ends it, a bare LF or CR is data like any
// other (the SMTP smuggling family, CVE-2023-51764). Logs hold the random id
// of the session, codes and counts, and nothing that a client sent.
package mailin
