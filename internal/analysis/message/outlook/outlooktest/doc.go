// Package outlooktest writes small .msg and TNEF files for tests. They follow
// the formats as far as their readers look, and no further.
package outlooktest
