// Package mailauth decides whether the sender of a message is proved: whether
// whoever controls the domain in its From field let this message go out.
//
// Proof is DMARC's idea of it (RFC 7489, section 3.1): a valid DKIM signature
// (RFC 6376) or an SPF pass (RFC 7208) of a domain aligned with the one in
// From, whether or not that domain publishes a policy. Behind relays of our
// own, which hide the real client, the Authentication-Results (RFC 8601) of a
// receiver that is named in the configuration counts as well.
//
// Whoever answers mail asks here first: an answer to a sender that is not
// proved is a weapon against whoever it names. So all doubt is decided
// against the proof: several addresses in From, a header that readers may
// understand differently, a signature over a part of the body only.
package mailauth
