// Package coding undoes what was done to text and files to bring them through
// mail: charsets, encoded words (RFC 2047), transfer encodings (RFC 2045),
// uuencoding and flowed lines (RFC 3676).
//
// Every function takes any bytes, gives the best reading, and says by a false
// where the input broke its own rules. All are linear in their input.
package coding
