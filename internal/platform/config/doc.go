// Package config reads a program's settings into a documented struct.
//
//	type Settings struct {
//		HTTP struct {
//			Addr    string          `doc:"Where to listen." default:"127.0.0.1:8080" env:"HTTP"`
//			Timeout config.Duration `doc:"How long a request may take." default:"30s"`
//		} `doc:"Pages and API."`
//		Relay config.URL `doc:"The mail relay." example:"smtp://user:password@relay.example:587"`
//	}
//	var settings Settings
//	_, err := config.Load(&settings, config.Sources{File: "belfry.toml", Environ: os.Environ(), Prefix: "BELFRY_"})
//
// A field's key is its name in snake_case, or what its tag toml says; keys of
// nested structs are joined by dots. Each setting comes from the highest of
// these that has it: flags, environment, file, the tag default. In the
// environment http.timeout is BELFRY_HTTP_TIMEOUT, and the tag env adds a
// shorter name; lists are separated by commas there.
//
// Secret and URL settings have a sibling whose key ends in _file, which names
// a file that holds the value, so that a secret need stand in no configuration.
// They redact themselves wherever they are printed.
//
// Load reports every fault at once, each with file, line and column: what is
// not TOML, keys that do not exist, values of the wrong type, and what the
// structs' own Validate methods object to. Example writes the file to start
// from out of the same struct.
package config
