// Package file tells what a file is by what is in it, lists what is in a zip
// archive, and gets the mails out of one. It unpacks nothing else, and nothing
// beyond its limits.
package file
