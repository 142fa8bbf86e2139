// Command belfry takes in suspicious messages, judges them, and answers the
// people who reported them. "belfry --help" lists its verbs; "belfry demo"
// shows all of it at work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// version is set by the linker in a release.
var version = ""

// commands are the verbs, one file each.
type commands struct {
	Serve    serveCmd    `cmd:"" help:"Run the server: mail, pages, API and jobs."`
	Demo     demoCmd     `cmd:"" help:"Show a whole centre at work on this machine."`
	Assess   AssessCmd   `cmd:"" help:"Assess messages offline; nothing is stored."`
	Import   importCmd   `cmd:"" help:"Take in reports from files and folders."`
	Token    tokenCmd    `cmd:"" help:"Make, list and revoke access tokens."`
	Config   configCmd   `cmd:"" help:"Show or check the configuration."`
	Backup   backupCmd   `cmd:"" help:"Copy everything, also while the server runs."`
	Restore  restoreCmd  `cmd:"" help:"Bring a copy back into an empty folder."`
	Verify   verifyCmd   `cmd:"" help:"Check hashes, references and the audit log."`
	Answer   answerCmd   `cmd:"" help:"Send answers that are waiting."`
	Erase    eraseCmd    `cmd:"" help:"Remove what is known of one person, or one report."`
	Purge    purgeCmd    `cmd:"" help:"Remove old reports."`
	Audit    auditCmd    `cmd:"" help:"Print the audit log, one JSON object a line."`
	Hold     holdCmd     `cmd:"" help:"Put reports under legal hold, or let them go."`
	Reassess reassessCmd `cmd:"" help:"Assess open reports again, after the rules changed."`
	Job      jobCmd      `cmd:"" help:"Look at what failed, and run it again."`
	Bench    benchCmd    `cmd:"" help:"Measure this program on this machine."`
	Train    trainCmd    `cmd:"" help:"Build the model that judges from labelled mail."`
	Evaluate evaluateCmd `cmd:"" help:"Measure how well mail is judged on a labelled collection."`

	Version kong.VersionFlag `help:"Print the version and quit."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// streams are where a verb writes: results to out, all else to err.
type streams struct{ out, err io.Writer }

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	exit := -1
	var c commands
	parser, err := kong.New(&c,
		kong.Name("belfry"),
		kong.Description("One program for a cyber-security centre: takes in suspicious messages, judges each one and says why, and answers the person who reported it."),
		kong.UsageOnError(),
		kong.Writers(out, errs),
		kong.Exit(func(code int) { exit = code }),
		kong.Vars{"version": versionText()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{out, errs}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errs, "belfry:", err)
		return fault.Internal.ExitCode()
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exit >= 0 { // --help or --version has spoken
		return exit
	}
	if err != nil {
		if p, ok := errors.AsType[*kong.ParseError](err); ok {
			parser.Stdout = errs           // standard output is for results
			_ = p.Context.PrintUsage(true) // to our own writer
		}
		fmt.Fprintln(errs, "belfry:", err)
		return fault.Invalid.ExitCode()
	}
	return tell(errs, k.Run())
}

// tell tells the user of a verb's failure and returns the exit code.
func tell(errs io.Writer, err error) int {
	switch e, ok := errors.AsType[exitError](err); {
	case err == nil:
		return 0
	case ok:
		return int(e)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(errs, "belfry: interrupted")
		return 130
	}
	fmt.Fprintln(errs, "belfry:", err)
	return fault.KindOf(err).ExitCode()
}

// exitError ends the program with a code when everything has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// versionText is the linker's version, or what Go knows of the build.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "development " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}

// storeFlags say which centre a verb works on. They stand above the
// environment and the file.
type storeFlags struct {
	Config   string `help:"Configuration file (TOML)." env:"BELFRY_CONFIG" type:"path" placeholder:"FILE"`
	Data     string `help:"Folder of everything that is kept; else belfry-data ($BELFRY_DATA)." placeholder:"DIR"`
	Database string `help:"PostgreSQL URL in place of the embedded database ($BELFRY_DATABASE)." placeholder:"URL"`
	Raw      string `help:"S3 URL of the raw bytes, when not beside the database ($BELFRY_RAW)." placeholder:"URL"`
}

func (f storeFlags) flags() map[string]string {
	set := map[string]string{}
	for key, value := range map[string]string{"data": f.Data, "database": f.Database, "raw": f.Raw} {
		if value != "" {
			set[key] = value
		}
	}
	return set
}

// settings reads the configuration, with more flags above it. A variable that
// looks like a setting and is none is told: it may be one that was misspelt.
func (f storeFlags) settings(s streams, more map[string]string) (app.Settings, error) {
	var settings app.Settings
	flags := f.flags()
	for key, value := range more {
		if value != "" {
			flags[key] = value
		}
	}
	loaded, err := config.Load(&settings, config.Sources{File: f.Config, Environ: environ(), Prefix: "BELFRY_", Flags: flags})
	if err != nil {
		return settings, err
	}
	for _, name := range loaded.Strange {
		fmt.Fprintf(s.err, "belfry: %s is set, but stands for no setting\n", name)
	}
	return settings, nil
}

// notSettings are the variables with our prefix that are read elsewhere: the
// file's own name, the log's form, and what tests are told.
var notSettings = []string{"BELFRY_CONFIG=", "BELFRY_LOG_", "BELFRY_TEST_"}

// environ returns the environment as far as it is settings.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return slices.ContainsFunc(notSettings, func(prefix string) bool { return strings.HasPrefix(entry, prefix) })
	})
}

// open opens the centre for a verb that works on its store.
func (f storeFlags) open(ctx context.Context, s streams) (*app.App, error) {
	return f.openWith(ctx, s, nil)
}

// openWith is open, with more flags above the configuration.
func (f storeFlags) openWith(ctx context.Context, s streams, more map[string]string) (*app.App, error) {
	settings, err := f.settings(s, more)
	if err != nil {
		return nil, err
	}
	return app.New(ctx, settings, app.Options{Existing: true, Version: versionText(), Log: warnings(s.err)})
}

// begin is open for a verb that may come before the server's first start.
func (f storeFlags) begin(ctx context.Context, s streams) (*app.App, error) {
	settings, err := f.settings(s, nil)
	if err != nil {
		return nil, err
	}
	return app.New(ctx, settings, app.Options{Version: versionText(), Log: warnings(s.err)})
}

// closing ends an App behind a verb, and keeps the verb's own error first.
func closing(ctx context.Context, a *app.App, err *error) {
	*err = errors.Join(*err, a.Stop(context.WithoutCancel(ctx)))
}

// warnings is the log of a verb: only what its user should know.
func warnings(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
