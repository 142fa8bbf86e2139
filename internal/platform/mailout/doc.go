// Package mailout composes mail, signs it and hands it to a relay.
package mailout
