package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), exitFailed},
		{usageError{errors.New("x")}, exitUsage},
		{fmt.Errorf("installing: %w", errCancelled), exitCancelled},
	} {
		if got := (&app{stderr: &bytes.Buffer{}}).exit(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := newProgress(&out, true)
	p.now = func() time.Time { return now }
	p.Step("Writing")
	p.Progress(0, 4<<20)
	p.Progress(1<<20, 4<<20) // too soon
	now = now.Add(time.Second)
	p.Progress(2<<20, 4<<20)
	p.Progress(4<<20, 4<<20)
	p.Step("Done")
	p.end()
	want := "Writing\n\r>   0%  0 B of 4.00 MiB\x1b[K\r>  50%  2.00 MiB of 4.00 MiB\x1b[K\r> 100%  4.00 MiB of 4.00 MiB\x1b[K\nDone\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
