// Package mailin receives mail over SMTP.
package mailin
