package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/belfry-centre/belfry/internal/app"
)

type serveCmd struct {
	storeFlags
	HTTP    string `help:"Address of pages and API." placeholder:"ADDR"`
	SMTP    string `help:"Address on which mail comes in; \"off\" for none." placeholder:"ADDR"`
	Metrics string `help:"Address of /metrics for monitoring." placeholder:"ADDR"`
	Relay   string `help:"Mail server for answers, smtp://[user:password@]host[:port]." placeholder:"URL"`

	LogFormat string `help:"Form of the log: text or json." enum:"text,json" default:"text" env:"BELFRY_LOG_FORMAT"`
	LogLevel  string `help:"What is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"BELFRY_LOG_LEVEL"`
}

func (c *serveCmd) Run(ctx context.Context, s streams) error {
	settings, err := c.settings(s, map[string]string{"http": c.HTTP, "smtp": c.SMTP, "metrics": c.Metrics, "relay": c.Relay})
	if err != nil {
		return err
	}
	lateGarbage()
	return app.Run(ctx, settings, app.Options{Version: versionText(), Log: c.logger(s.err)})
}

// lateGarbage lets garbage grow to four times of what lives, up to 2 GiB in
// all, before it is collected: a fifth of the processor time that a report
// costs is saved so (docs/measurements.md). GOGC and GOMEMLIMIT go before it.
func lateGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(2 << 30)
	}
}

func (c *serveCmd) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		level = slog.LevelInfo // kong has checked the name
	}
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	// Under systemd the journal writes the time.
	if os.Getenv("JOURNAL_STREAM") != "" {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, o))
}
