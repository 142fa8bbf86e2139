// Package bench measures the whole program on the machine that it runs on, and
// says how it compares with what the machine could do at best.
//
// Figures of one machine say little about another, and those of a machine that
// does other things meanwhile say little at all. So what counts are ratios:
// what is compared runs in turns in the same process, on the same disk, fed by
// the same senders with mails of the same making (package corpus), and each
// mail is written before the clock starts.
//
// It knows the program as a user does: mail goes in over SMTP, lists come out
// of the API, and what happened inside is read from the program's own metrics.
package bench
