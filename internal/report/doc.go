// Package report takes in what people send, keeps it, has it assessed, and
// lets its reporter follow it. In the loop it is the first step and half of
// the second: report, then assess.
//
// The way of one report: every door (SMTP, API, form, import) calls
// [Capability.Accept], which makes the raw bytes durable and then commits a
// receipt, a row and a job in one transaction (intake.go). The job reads the
// bytes, examines them with the pure package analysis, and stores messages,
// assessments and observables together with its own completion, exactly once
// (jobs.go). The event [Assessed] lets others go on: answer tells the reporter.
//
// # What it costs
//
// Accepting writes three rows. Their keys grow with time, so the cost does not
// grow with the table; the one random key is that of the receipts, which are
// kept for seven days only. The indexes by reporter and by observable are
// written when the report is assessed. A follow link carries the report's id
// beside its secret, so that no index over secrets is needed.
//
// # What is kept, and how long
//
// Retention (retention.go) walks the reports by id, which is by age, with one
// stored cursor for each rule: no rule needs an index of its own, and each
// batch is done once. Raw bytes go by whole months, 90 days after the month's
// end at most; the reporter's address, words and envelope after 30 days;
// receipts after 7. A report under legal hold keeps everything, and its month
// then loses its other bytes one by one instead of all at once.
package report
