// Package job is the durable queue: a table in the same database as the facts,
// so that a job commits with the row that caused it, and its effects commit
// with its completion. The effects that a handler makes through Task.Finish
// happen exactly once; what it does outside the database, such as sending a
// mail, happens at least once.
//
// A claim pushes a job's run_at forward by a lease and returns the row; a job
// whose process died runs again when the lease is over. Lanes have their own
// workers, so that four thousand answers never delay an assessment. A job that
// fails too often is moved aside as a dead letter, with its error, and can be
// run again.
//
// Other processes' new jobs are seen by a poll each second, which costs less
// than a notification for each of a thousand reports a second would.
package job
