package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRingKeepsTheLastBytes(t *testing.T) {
	r := &Ring{Size: 8}
	for i := range 10 {
		_, _ = fmt.Fprintf(r, "%04d", i)
	}
	data, next, skipped, err := r.Read(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if next != 40 || skipped+int64(len(data)) != 40 {
		t.Errorf("next %d, skipped %d, got %d bytes: want all 40 accounted for", next, skipped, len(data))
	}
	if !strings.HasSuffix(string(data), "00080009") {
		t.Errorf("got %q, want the last 8 bytes at its end", data)
	}
	if len(data) > 12 {
		t.Errorf("kept %d bytes, want at most 12", len(data))
	}
}

// A reader that waits gets what a later write brings, and the end after Close.
func TestRingReadWaits(t *testing.T) {
	r := &Ring{}
	got := make(chan string)
	go func() {
		var all strings.Builder
		off := int64(0)
		for {
			data, next, _, err := r.Read(context.Background(), off)
			if errors.Is(err, io.EOF) {
				got <- all.String()
				return
			}
			all.Write(data)
			off = next
		}
	}()
	_, _ = io.WriteString(r, "one ")
	_, _ = io.WriteString(r, "two")
	_ = r.Close()
	if diff := cmp.Diff("one two", <-got); diff != "" {
		t.Error(diff)
	}
}

func TestRingReadEndsWithContext(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, _, _, err := (&Ring{}).Read(ctx, 0); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}
