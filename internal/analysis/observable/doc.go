// Package observable reads the values out of a message that an investigator
// would write down: URLs, domains, e-mail addresses, IP addresses, the hashes
// of attachments, phone numbers, IBANs and the addresses of wallets.
//
// Every value has one canonical form, so that the same thing seen twice is the
// same string: hosts are lower-case A-labels without a trailing dot (UTS 46,
// non-transitional), an IPv4 address written in decimal, hexadecimal or octal
// is written with four decimals, default ports are dropped, dot segments are
// resolved and percent-encoding is normalised as RFC 3986, section 6.2.2,
// allows. Where browsers and RFC 3986 differ (backslashes, tabs within a URL,
// missing slashes) the WHATWG URL standard wins, because that is where the
// victim's click goes. The fragment is kept: on a single-page kit it decides
// what the victim sees, and the wrapped target of some redirects stands in it.
//
// Addresses rewritten by mail gateways and click trackers are unwrapped (see
// [Unwrap]); both the wrapping and the inner address are observables, and the
// inner one says in Via and From how it was found.
//
// The package does no I/O and never resolves or fetches anything. Input is
// hostile: lengths, counts and nesting are bounded by [Limits].
package observable
