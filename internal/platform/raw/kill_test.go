package raw

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const killDirEnv = "BELFRY_TEST_RAW_KILL_DIR"

// TestMain turns the test binary into a process that puts until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killDirEnv); dir != "" {
		putForEver(dir)
		return
	}
	os.Exit(m.Run())
}

func putForEver(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	seed := uint64(os.Getpid()) << 20
	var out sync.Mutex
	for w := range uint64(8) {
		go func() {
			for i := uint64(0); ; i++ {
				size := 3000
				if i%9 == 8 {
					size = Large + 100
				}
				ref, err := s.Put(context.Background(), time.Now(), mail(seed+w<<16+i, size))
				out.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println(ref)
				}
				out.Unlock()
			}
		}()
	}
	select {}
}

// TestKilledAtAnyMoment kills a process that puts, and finds each content for
// which Put had returned. (That a power cut loses nothing either is the work
// of fsync, which no test here can cut.)
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killDirEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var promised []Ref
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // a line cut short was not yet promised
			}
			ref, err := ParseRef(strings.TrimSpace(line))
			if err != nil {
				t.Errorf("the process says %q", line)
			}
			if promised = append(promised, ref); len(promised) == 1 {
				time.AfterFunc(time.Duration(60+round*70)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait() // it was killed
		s, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range promised {
			if _, err := s.Get(t.Context(), ref); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
		if len(promised) == 0 {
			t.Errorf("round %d: nothing was put", round)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
