// Package app is the whole program: it opens the platform's services, hands
// them to the capabilities, joins the capabilities to each other, and starts
// and stops everything in order. It knows nothing of command lines: cmd/belfry
// reads those, tests and the demo call New with Settings of their own.
//
// What the program consists of stands in capabilities.go, in one table.
package app
