package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs what a user would type: testdata/script/*.txtar. Beside
// testscript's own commands there are
//
//	exit N ARG…           run belfry, which must end with that code
//	json N PATH OP VALUE  look at line N of the output as JSON; see checkJSON
//	serve [KEY=VALUE…]    start belfry serve on the folder data
//	stop                  end it
//	send FROM FILE        mail the file to its desk
//	settled N             wait until it has N reports, all of them settled
//	api PATH              GET from its API as an admin
//	keep NAME PATH        put the JSON value at PATH of the output's line 1 into $NAME
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", built.dir+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("LANG", "C.UTF-8")
			e.Values[scripted{}] = &scriptState{t: e.T().(testing.TB)}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit":    scriptExit,
			"json":    scriptJSON,
			"keep":    scriptKeep,
			"serve":   scriptServe,
			"stop":    func(ts *testscript.TestScript, _ bool, _ []string) { scriptServer(ts).stop() },
			"send":    scriptSend,
			"settled": scriptSettled,
			"api":     scriptAPI,
		},
	})
}

// scripted is the key under which a script keeps its state.
type scripted struct{}

type scriptState struct {
	t   testing.TB
	run *server // the last one that was started
}

func scriptServer(ts *testscript.TestScript) *server {
	s := ts.Value(scripted{}).(*scriptState)
	if s.run == nil {
		ts.Fatalf("no server was started")
	}
	return s.run
}

func scriptExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exit CODE ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("belfry", args[1:]...)
	if got := exitCode(err); got != want {
		ts.Fatalf("belfry ended with %d, want %d (%v)", got, want, err)
	}
}

func scriptServe(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(scripted{}).(*scriptState)
	s.run = start(s.t, options{data: ts.MkAbs("data"), env: args})
}

func scriptSend(ts *testscript.TestScript, _ bool, args []string) {
	data := strings.ReplaceAll(ts.ReadFile(args[1]), "\n", "\r\n")
	ts.Check(scriptServer(ts).sendMail(args[0], desk, []byte(data)))
}

func scriptSettled(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	scriptClient(ts).settled(n)
}

func scriptClient(ts *testscript.TestScript) *client {
	p := scriptServer(ts)
	return p.api("admin")
}

func scriptAPI(ts *testscript.TestScript, _ bool, args []string) {
	a := scriptClient(ts).do(http.MethodGet, args[0], nil)
	if a.status != http.StatusOK {
		ts.Fatalf("GET %s: %d %s", args[0], a.status, a.body)
	}
	ts.Check(os.WriteFile(ts.MkAbs("answer.json"), a.body, 0o600))
	ts.Check(ts.Exec("cat", ts.MkAbs("answer.json")))
}

func scriptKeep(ts *testscript.TestScript, _ bool, args []string) {
	v := outputLine(ts, 1)
	found := walkJSON(v, strings.Split(args[1], "."))
	if len(found) != 1 {
		ts.Fatalf("%s is not one value: %v", args[1], found)
	}
	ts.Setenv(args[0], fmt.Sprint(found[0]))
}

func outputLine(ts *testscript.TestScript, n int) (v any) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	if n < 1 || n > len(lines) {
		ts.Fatalf("the output has %d lines", len(lines))
	}
	if err := json.Unmarshal([]byte(lines[n-1]), &v); err != nil {
		ts.Fatalf("line %d: %v", n, err)
	}
	return v
}

// scriptJSON checks one value of one line. PATH is keys and indexes with dots
// between; * stands for every element. OP is
//
//	== VALUE   the only value there is VALUE, as text
//	has VALUE  one of the values there is VALUE
//	>= N       every value there is a number, and that much at least
//	is TYPE    every value there is of that type, and there is one
//	keys A,B   the object there has exactly these keys
//	count N    there are so many values
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: json LINE PATH OP VALUE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	if ok, err := checkJSON(outputLine(ts, n), args[1], args[2], args[3]); err != nil {
		ts.Fatalf("%v", err)
	} else if ok == neg {
		ts.Fatalf("json %s: it is %v", strings.Join(args, " "), walkJSON(outputLine(ts, n), strings.Split(args[1], ".")))
	}
}

func checkJSON(v any, path, op, want string) (bool, error) {
	found := walkJSON(v, strings.Split(path, "."))
	every := func(ok func(any) bool) bool {
		return len(found) > 0 && !slices.ContainsFunc(found, func(v any) bool { return !ok(v) })
	}
	switch op {
	case "==":
		return len(found) == 1 && fmt.Sprint(found[0]) == want, nil
	case "has":
		return slices.ContainsFunc(found, func(v any) bool { return fmt.Sprint(v) == want }), nil
	case ">=":
		least, err := strconv.ParseFloat(want, 64)
		return every(func(v any) bool { f, ok := v.(float64); return ok && f >= least }), err
	case "is":
		kinds := map[string]reflect.Kind{
			"string": reflect.String, "number": reflect.Float64, "bool": reflect.Bool, "array": reflect.Slice, "object": reflect.Map,
		}
		return every(func(v any) bool { return reflect.ValueOf(v).Kind() == kinds[want] }), nil
	case "keys":
		return every(func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && strings.Join(slices.Sorted(maps.Keys(m)), ",") == want
		}), nil
	case "count":
		return strconv.Itoa(len(found)) == want, nil
	}
	return false, fmt.Errorf("there is no operator %q", op)
}

func walkJSON(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	key, rest := path[0], path[1:]
	switch v := v.(type) {
	case map[string]any:
		if inner, ok := v[key]; ok {
			return walkJSON(inner, rest)
		}
	case []any:
		if key == "*" {
			var all []any
			for _, e := range v {
				all = append(all, walkJSON(e, rest)...)
			}
			return all
		}
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
			return walkJSON(v[i], rest)
		}
	}
	return nil
}
