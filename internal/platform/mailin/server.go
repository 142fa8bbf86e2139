package mailin

import (
	"context"
	"errors"
	"net"
)

// Server is an SMTP server.
type Server struct {
	opt Options
}

// New checks the options. It opens nothing.
func New(opt Options) (*Server, error) {
	if opt.Accept == nil || opt.Recipient == nil {
		return nil, errors.New("mailin: Accept and Recipient are required")
	}
	return &Server{opt: opt}, nil
}

// Start listens and serves in the background.
func (s *Server) Start() error { return nil }

// Addr returns the address that Start listens on.
func (s *Server) Addr() net.Addr { return nil }

// Stop takes no new connection, lets messages that are under way end until
// ctx is done, and closes everything.
func (s *Server) Stop(ctx context.Context) error { return nil }
