// Package mailauth decides whether the sender of a message is proved.
package mailauth
