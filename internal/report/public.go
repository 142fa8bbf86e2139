package report

import "github.com/belfry-centre/belfry/internal/parts"

// registerPages adds the pages to the server; without one there are none.
func (c *Capability) registerPages(p *parts.Parts) error {
	if p.Web == nil {
		return nil
	}
	return nil
}
