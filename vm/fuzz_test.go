package vm

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
)

// FuzzQMP: whatever comes from QEMU's socket, the reader ends with it, and who
// waits for an answer gets one or an error.
func FuzzQMP(f *testing.F) {
	const greeting = `{"QMP": {"version": {}}}` + "\n"
	for _, seed := range []string{
		greeting + `{"return": {}, "id": 1}`, greeting + greeting, greeting + `{"error": {"class": "a", "desc": "b"}, "id": 1}`,
		greeting + `{"event": "STOP", "data": {}}{"id": 7}{"return": 5, "id": 1}{"id": 1}`, greeting + `{"return": {}, "id": -1}[`, "x", "{}" + greeting, `{"QMP": null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		go func() { // QEMU takes what it is asked
			buf := make([]byte, 512)
			for {
				if _, err := theirs.Read(buf); err != nil {
					return
				}
			}
		}()
		go func() {
			_, _ = theirs.Write(data)
			theirs.Close()
		}()
		q, err := dialQMP(t.Context(), ours, func(name string, _ json.RawMessage) {
			if name == "" {
				t.Error("an event without a name")
			}
		})
		if err != nil {
			ours.Close()
			return
		}
		_, _ = q.Do(t.Context(), "query-status", nil)
		q.Close()
		<-q.done
	})
}

// FuzzUsernet: forwarded ports are read only from lines that say so.
func FuzzUsernet(f *testing.F) {
	f.Add("  TCP[HOST_FORWARD]  13       127.0.0.1 39577       10.0.2.15    22     0     0\n")
	f.Add("TCP[HOST_FORWARD] a b c d e f\nUDP[2 sec] 1 2 3 4 5 6\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n := len(parseUsernet(text)); n > strings.Count(text, "TCP[HOST_FORWARD]") {
			t.Fatalf("%d of %q", n, text)
		}
	})
}
