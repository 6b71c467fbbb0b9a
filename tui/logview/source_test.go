package logview

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/workspace/job"
)

// The whole way: a Source in its goroutine, a file that grows.
func TestSourceFollows(t *testing.T) {
	r := newRig(t, 60, 6, Options{})
	news := make(chan News)
	done := make(chan struct{})
	ctx := t.Context()
	go func() {
		defer close(done)
		r.v.Source().Follow(ctx, func(n any) {
			select {
			case news <- n.(News):
			case <-ctx.Done():
			}
		})
	}()
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			select {
			case n := <-news:
				r.v.Handle(n)
			case <-time.After(20 * time.Second):
				t.Fatal(what)
			}
		}
	}
	until("no news", func() bool { return r.v.news.rev != 0 })
	if err := os.WriteFile(r.file, []byte(jobLog(0, 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	until("not all lines", func() bool { return r.v.Lines() == 500 })
	r.v.Top()
	until("no first rows", func() bool { return r.v.row(0) != nil })
	other := New(Options{Path: r.file})
	if other.Handle(r.v.news) {
		t.Error("the news of another log were taken")
	}
}

func TestBarOfBigFile(t *testing.T) {
	r := newRig(t, 60, 6, Options{Form: job.PlainLog})
	if err := os.WriteFile(r.file, []byte(strings.Repeat("0123456789abcde\n", 2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	w := r.v.src.wanted()
	r.v.src.r.advance(t.Context(), w)
	r.v.Handle(r.v.src.r.news(r.v.src, w))
	r.draw()
	if got, want := r.v.Bar(r.th), "FOLLOW  reading 12%  32.0 MiB"; got != want {
		t.Errorf("the bar says %q, want %q", got, want)
	}
	if got := r.texts(); !slices.Equal(got, slices.Repeat([]string{"0123456789abcde"}, 4)) {
		t.Errorf("its end is %q", got)
	}
}
