// Package analysis is the pure pipeline of judging a report: bytes in, facts
// out. It parses the message, finds the originals in it, reads their
// observables and language, tells automatic mail from a person's, and judges
// each original.
//
// It does no I/O and reads no clock: everything from outside comes in as
// Evidence. So it is the same on the command line, in the server and in a
// test, and two runs over the same bytes agree.
package analysis
