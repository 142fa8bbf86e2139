package app

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/answer"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/report"
)

// Settings is the configuration: what the file, the environment and the
// command line may set. See config.Load for the order in which they count.
type Settings struct {
	Data     string     `toml:"data" default:"belfry-data" doc:"Folder of everything that is kept: database, raw bytes, keys. Created when missing."`
	Database config.URL `toml:"database" doc:"PostgreSQL in place of the embedded database; any number of processes may share it." example:"postgres://belfry@/belfry?host=/run/postgresql"`
	Raw      config.URL `toml:"raw" doc:"Where raw bytes are kept, when not beside the database." example:"s3://s3.example.org/belfry?region=eu-west-1"`
	HTTP     string     `toml:"http" env:"HTTP" default:"127.0.0.1:8080" doc:"Address of pages and API; port 0 takes a free one."`
	SMTP     string     `toml:"smtp" env:"SMTP" default:"127.0.0.1:2525" doc:"Address on which reports come in by mail; \"off\" closes this door."`
	Metrics  string     `toml:"metrics" doc:"Address of /metrics, /healthz and /readyz for monitoring; empty opens none." example:"127.0.0.1:9090"`
	Relay    config.URL `toml:"relay" doc:"Mail server through which answers go out. With none they stand on the follow page only." example:"smtp://user:password@relay.example.org:587"`

	Mailboxes []MailboxSettings `toml:"mailbox" doc:"Mailboxes on IMAP servers from which reports are fetched. Every process of the centre needs the same ones."`

	Centre    CentreSettings    `toml:"centre" doc:"Who runs this Belfry."`
	Desks     []DeskSettings    `toml:"desk" doc:"Addresses to which people report. With none: suspicious@localhost."`
	Web       WebSettings       `toml:"web" doc:"Pages and API."`
	Intake    IntakeSettings    `toml:"intake" doc:"Reports that come in by mail."`
	Trust     TrustSettings     `toml:"trust" doc:"Whose word counts on who sent a mail."`
	Outgoing  OutgoingSettings  `toml:"outgoing" doc:"Mail that goes out."`
	Workers   WorkerSettings    `toml:"workers" doc:"How much is done at once."`
	Report    report.Options    `toml:"report" doc:"What is kept, and how long."`
	Answer    answer.Options    `toml:"answer" doc:"Answers to reporters."`
	Migration MigrationSettings `toml:"migration" doc:"What happens when a newer version changes the tables."`
}

// CentreSettings names the centre.
type CentreSettings struct {
	Name     string          `toml:"name" default:"Belfry" doc:"The centre's name, on every page and in every answer."`
	URL      string          `toml:"url" doc:"Address of the public site, for links in answers. Empty: the address it listens on." example:"https://report.example.org"`
	Domain   string          `toml:"domain" default:"localhost" doc:"Mail domain of the centre's own messages."`
	Language config.Language `toml:"language" default:"en" doc:"Language for who asks for none that we have: nl, fr, de or en."`
	TimeZone string          `toml:"time_zone" default:"UTC" doc:"Time zone in which pages write times, by its IANA name." example:"Europe/Brussels"`
}

// DeskSettings is one address for reports.
type DeskSettings struct {
	Address      string          `toml:"address" doc:"The address." example:"suspicious@example.org"`
	Language     config.Language `toml:"language" doc:"Language of its answers when nothing tells better; empty is the centre's." example:"en"`
	Organisation string          `toml:"organisation" doc:"Whose desk it is; empty is the centre's own."`
}

// MailboxSettings is one mailbox from which reports are fetched.
type MailboxSettings struct {
	URL          string          `toml:"url" doc:"Its server: imaps://, or imap:// with STARTTLS." example:"imaps://imap.example.org"`
	User         string          `toml:"user" doc:"Who we are there." example:"suspicious@example.org"`
	Auth         string          `toml:"auth" default:"password" doc:"How we prove it: password, or xoauth2."`
	Password     config.Secret   `toml:"password" doc:"With auth = \"password\"."`
	TokenURL     string          `toml:"token_url" doc:"With xoauth2: where access tokens are got." example:"https://login.example.org/token"`
	ClientID     string          `toml:"client_id" doc:"With xoauth2: the name under which Belfry is registered there."`
	ClientSecret config.Secret   `toml:"client_secret" doc:"With xoauth2: its secret; alone, tokens are got with it (client_credentials)."`
	RefreshToken config.Secret   `toml:"refresh_token" doc:"With xoauth2: the mailbox owner's consent, where tokens are got with that."`
	Scope        string          `toml:"scope" doc:"With xoauth2: what the token is for." example:"https://outlook.office365.com/.default"`
	CA           string          `toml:"ca" doc:"PEM file of who signed the server's certificate, when the system does not know it."`
	Folder       string          `toml:"folder" default:"INBOX" doc:"Folder that is watched, read and unread mail alike."`
	Processed    string          `toml:"processed" default:"Processed" doc:"Folder to which mail goes once it is safe here; created when missing."`
	Failed       string          `toml:"failed" default:"Failed" doc:"Folder for what will never be taken: too large, or not a mail."`
	Desk         string          `toml:"desk" doc:"Desk whose mail it is; empty is the desk with the user's address, else the first."`
	Poll         config.Duration `toml:"poll" default:"1m" doc:"How often the folder is looked at; the server's own notice (IDLE) comes sooner."`
	MaxAge       config.Duration `toml:"max_age" default:"30d" doc:"Mail that has lain there for longer is left alone; 0s takes it all, and answers it."`
	TrustResults bool            `toml:"trust_results" default:"true" doc:"Believe its topmost Authentication-Results where trust.receivers names who wrote it. Switch off where the server lets foreign ones through."`
}

// WebSettings are about the web server.
type WebSettings struct {
	Certificate    string   `toml:"certificate" doc:"PEM file of the certificate chain; without one a proxy has to speak HTTPS."`
	Key            string   `toml:"key" doc:"PEM file of its key."`
	TrustedProxies []string `toml:"trusted_proxies" doc:"Networks whose X-Forwarded-For is believed." example:"10.0.0.0/8"`
}

// IntakeSettings are about the SMTP server.
type IntakeSettings struct {
	Hostname         string      `toml:"hostname" doc:"Name in the greeting; empty is the centre's domain."`
	Certificate      string      `toml:"certificate" doc:"PEM file of the certificate chain; switches STARTTLS on."`
	Key              string      `toml:"key" doc:"PEM file of its key."`
	TrustedProxies   []string    `toml:"trusted_proxies" doc:"Networks that must speak the PROXY protocol."`
	MaxSize          config.Size `toml:"max_size" default:"25MiB" doc:"A bigger message is refused."`
	Recipients       int         `toml:"recipients" default:"100" doc:"Recipients of one message."`
	Connections      int         `toml:"connections" default:"1000" doc:"Connections at a time."`
	ConnectionsPerIP int         `toml:"connections_per_ip" default:"50" doc:"Connections at a time from one address, or one IPv6 /64."`
	PerMinute        int         `toml:"per_minute" default:"120" doc:"Messages a minute from one sender before it is slowed down."`
	PerMinuteNetwork int         `toml:"per_minute_network" default:"1200" doc:"Messages a minute from one IPv4 address or IPv6 /64, whoever sends. Trusted relays are exempt."`
}

// TrustSettings are about the authentication of mail.
type TrustSettings struct {
	Relays    []string `toml:"relays" doc:"Networks of our own mail servers that hand reports on to us." example:"10.0.0.25/32"`
	Receivers []string `toml:"receivers" doc:"Their names in Authentication-Results headers." example:"mx.example.org"`
	Resolver  string   `toml:"resolver" doc:"DNS server to check SPF, DKIM and DMARC with; \"system\" is that of the machine. Empty: nothing is asked of the network." example:"127.0.0.1:53"`
}

// OutgoingSettings are about mail that leaves.
type OutgoingSettings struct {
	Connections  int    `toml:"connections" default:"4" doc:"Connections to the relay."`
	DKIMDomain   string `toml:"dkim_domain" doc:"Domain that signs; empty signs nothing." example:"example.org"`
	DKIMSelector string `toml:"dkim_selector" doc:"Selector of its key." example:"belfry"`
	DKIMKey      string `toml:"dkim_key" doc:"PEM file of the private key, RSA of 2048 bits or Ed25519."`
}

// WorkerSettings bound what is done at once. 0 takes what suits the machine.
type WorkerSettings struct {
	Assess int `toml:"assess" doc:"Assessments at a time; 0 takes what suits the machine."`
	Answer int `toml:"answer" doc:"Answers at a time; 0 is twice the connections to the relay."`
	Bulk   int `toml:"bulk" default:"2" doc:"Clean-up jobs at a time."`
}

// MigrationSettings are about upgrades.
type MigrationSettings struct {
	Backup bool `toml:"backup" default:"true" doc:"Copy the embedded database to the folder backups before its tables are changed."`
}

// DefaultSettings returns the settings of an empty configuration: loopback
// only, one desk, suspicious@localhost.
func DefaultSettings() Settings {
	var s Settings
	if err := config.Defaults(&s); err != nil {
		panic(err) // the struct above is wrong, whatever the input
	}
	return s
}

// Validate checks what types cannot.
func (s *Settings) Validate() (all []config.Problem) {
	wrong := func(key, format string, args ...any) {
		all = append(all, config.Problem{Key: key, Message: fmt.Sprintf(format, args...)})
	}
	if s.Data == "" {
		wrong("data", "wants a folder")
	}
	for key, addr := range map[string]string{"http": s.HTTP, "smtp": s.SMTP, "metrics": s.Metrics} {
		if addr == "" && key == "metrics" || addr == "off" && key == "smtp" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			wrong(key, `wants an address and a port, such as "127.0.0.1:8080"`)
		}
	}
	if db := s.Database.URL(); db != nil && db.Scheme != "postgres" && db.Scheme != "postgresql" {
		wrong("database", "wants a URL that begins with postgres://")
	}
	if raw := s.Raw.URL(); raw != nil && raw.Scheme != "s3" {
		wrong("raw", "wants a URL that begins with s3://")
	}
	if relay := s.Relay.URL(); relay != nil && relay.Scheme != "smtp" && relay.Scheme != "smtps" {
		wrong("relay", "wants a URL that begins with smtp:// or smtps://")
	}
	if u := s.Centre.URL; u != "" {
		if p, err := url.Parse(u); err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" || p.RawQuery != "" {
			wrong("centre.url", "wants an address such as https://report.example.org")
		}
	}
	if s.Centre.Domain == "" || strings.ContainsAny(s.Centre.Domain, "@ \t\r\n<>") {
		wrong("centre.domain", "wants a domain such as example.org")
	}
	if !locale.Known(string(s.Centre.Language)) {
		wrong("centre.language", "wants nl, fr, de or en")
	}
	if _, err := time.LoadLocation(s.Centre.TimeZone); err != nil {
		wrong("centre.time_zone", "wants an IANA name such as Europe/Brussels")
	}
	seen := map[string]bool{}
	for i, d := range s.Desks {
		key := fmt.Sprintf("desk[%d].", i)
		a, err := mail.ParseAddress(d.Address)
		switch {
		case err != nil || a.Address != d.Address:
			wrong(key+"address", "wants an address such as suspicious@example.org")
		case seen[strings.ToLower(d.Address)]:
			wrong(key+"address", "stands twice")
		}
		seen[strings.ToLower(d.Address)] = true
		if d.Language != "" && !locale.Known(string(d.Language)) {
			wrong(key+"language", "wants nl, fr, de or en")
		}
	}
	all = append(all, s.validateMailboxes()...)
	for key, list := range map[string][]string{
		"web.trusted_proxies": s.Web.TrustedProxies, "intake.trusted_proxies": s.Intake.TrustedProxies, "trust.relays": s.Trust.Relays,
	} {
		if _, err := networks(list); err != nil {
			wrong(key, "%v", err)
		}
	}
	for key, pair := range map[string][2]string{
		"web.certificate": {s.Web.Certificate, s.Web.Key}, "intake.certificate": {s.Intake.Certificate, s.Intake.Key},
		"outgoing.dkim_domain": {s.Outgoing.DKIMDomain, s.Outgoing.DKIMKey}, "outgoing.dkim_selector": {s.Outgoing.DKIMSelector, s.Outgoing.DKIMKey},
	} {
		if (pair[0] == "") != (pair[1] == "") {
			wrong(key, "needs its key, and the key needs it")
		}
	}
	return all
}

// networks reads a list of networks or single addresses.
func networks(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network such as 10.0.0.0/8", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// desks returns the desks with their defaults.
func (s *Settings) desks() []parts.Desk {
	if len(s.Desks) == 0 {
		return []parts.Desk{{Address: "suspicious@localhost", Language: string(s.Centre.Language)}}
	}
	var all []parts.Desk
	for _, d := range s.Desks {
		language := string(d.Language)
		if language == "" {
			language = string(s.Centre.Language)
		}
		all = append(all, parts.Desk{Address: strings.ToLower(d.Address), Language: language, Organisation: d.Organisation})
	}
	return all
}

// fingerprint names a configuration in the audit log, so that a change of it
// can be seen there and nothing of it can be read.
func (s *Settings) fingerprint() string {
	text, err := config.Print(s)
	if err != nil {
		return "unprintable"
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16]
}
