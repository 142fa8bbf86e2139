package original

import "github.com/belfry-centre/belfry/internal/analysis/message"

// Find returns the suspicious messages in a report: at least one, which is the
// report itself when nothing else was found in it.
func Find(m *message.Message) []Original {
	return []Original{{How: Itself, Message: m}}
}
