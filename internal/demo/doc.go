// Package demo shows a whole centre at work on one machine: real SMTP, a DNS
// of its own that proves who sent what, invented people and messages, and the
// answers as they get them. It runs the same program as "belfry serve", and
// each step checks what came of it, so that "belfry demo --exit" is a test as
// well.
package demo
