package mailout

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// tlsMode is what ?tls= says.
type tlsMode string

const (
	tlsImplicit      tlsMode = "implicit" // smtps: TLS from the first byte (RFC 8314)
	tlsRequired      tlsMode = "required"
	tlsOpportunistic tlsMode = "opportunistic"
	tlsNone          tlsMode = "none"
)

// target is a relay's URL, taken apart.
type target struct {
	host, port     string
	mode           tlsMode
	user, password string
	local          bool // this very machine
}

// String names the relay without user and password.
func (t target) String() string {
	scheme := "smtp"
	if t.mode == tlsImplicit {
		scheme = "smtps"
	}
	return scheme + "://" + net.JoinHostPort(t.host, t.port)
}

// parseURL reads a relay's URL. Its errors never quote the URL: it may hold a
// password, and net/url's errors would.
func parseURL(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return target{}, errors.New("mailout: the relay's URL cannot be read; write smtp://host:port, and user and password with %-escapes")
	}
	t := target{host: u.Hostname(), port: u.Port()}
	switch u.Scheme {
	case "smtp":
		t.mode = tlsRequired
		t.port = orDefault(t.port, "25")
	case "smtps":
		t.mode = tlsImplicit
		t.port = orDefault(t.port, "465")
	default:
		return target{}, errors.New("mailout: the relay's URL must begin with smtp:// or smtps://")
	}
	if t.host == "" {
		return target{}, errors.New("mailout: the relay's URL has no host")
	}
	if n, err := strconv.Atoi(t.port); err != nil || n < 1 || n > 65535 {
		return target{}, errors.New("mailout: the port in the relay's URL must be 1 to 65535")
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return target{}, errors.New("mailout: the relay's URL must end after host and port, or with ?tls=")
	}
	t.local = isLocal(t.host)
	if t.local && t.mode == tlsRequired {
		t.mode = tlsOpportunistic
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return target{}, errors.New("mailout: the part after ? in the relay's URL cannot be read")
	}
	for key, values := range query {
		if key != "tls" || len(values) != 1 {
			return target{}, errors.New("mailout: the relay's URL knows one parameter, tls, once")
		}
		if t.mode == tlsImplicit {
			return target{}, errors.New("mailout: smtps:// is always TLS; leave ?tls= out")
		}
		switch m := tlsMode(values[0]); m {
		case tlsRequired, tlsOpportunistic, tlsNone:
			t.mode = m
		default:
			return target{}, errors.New("mailout: tls in the relay's URL must be required, opportunistic or none")
		}
	}
	if u.User != nil {
		t.user = u.User.Username()
		t.password, _ = u.User.Password()
		if t.user == "" || t.password == "" {
			return target{}, errors.New("mailout: the relay's URL needs both user and password, or neither")
		}
		if strings.ContainsRune(t.user+t.password, 0) {
			return target{}, errors.New("mailout: user and password cannot hold a NUL")
		}
		if t.mode != tlsImplicit && t.mode != tlsRequired && !t.local {
			return target{}, fmt.Errorf("mailout: a password goes over checked TLS only; tls=%s does not fit", t.mode)
		}
	}
	return t, nil
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// isLocal reports whether the host is this very machine.
func isLocal(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
