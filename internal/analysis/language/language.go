package language

// Detect tells the language of text as an ISO 639-1 code ("nl", "fr", "de",
// "en", …) and how sure that is, from 0 to 1. It answers "" when the text is
// too short or too mixed to tell; the confidence then says how far the best
// guess went. At most the first 4 KiB are read.
func Detect(text string) (lang string, confidence float64) { return "", 0 }

// FromForwardHeader tells the language of a mail program by the labels that it
// puts above a forwarded message ("Van:", "De :", "Von:", "From:"), found
// anywhere in text; "" when there is no such header or its language is open.
func FromForwardHeader(text string) string { return "" }
