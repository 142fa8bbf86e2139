package observable

// Unwrap takes one layer of rewriting off a URL: what a gateway (Safe Links,
// Proofpoint, …) or a click tracker wrapped around the address that the mail
// leads to. target is canonical; via names the rewriter. It reports false when
// nothing readable is wrapped inside.
func Unwrap(rawURL string) (target, via string, ok bool) { return "", "", false }
