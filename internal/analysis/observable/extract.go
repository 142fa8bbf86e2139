package observable

import "github.com/belfry-centre/belfry/internal/analysis/message"

// Extract lists the observables of one message under the default limits, in
// the order in which their places come (see Observable.Where) and each value
// once. The recipients' own addresses are left out: they are the victim's, not
// the sender's.
func Extract(m *message.Message) []Observable { return ExtractWithin(m, Limits{}) }

// ExtractWithin is Extract under other limits.
func ExtractWithin(m *message.Message, limits Limits) []Observable {
	return nil
}
