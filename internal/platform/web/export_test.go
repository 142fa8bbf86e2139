package web

// FaultPage and SignInPage let tests hold the server's own pages against their
// types.
func (s *Server) FaultPage() *Page[faultData]   { return s.pages.fault }
func (s *Server) SignInPage() *Page[signInData] { return s.pages.signIn }
