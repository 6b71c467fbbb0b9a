package serial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nestos/nosa/tui/screen"
)

// BenchmarkAttach is how long it takes from looking at a console until its end is shown.
func BenchmarkAttach(b *testing.B) {
	var text strings.Builder
	for i := 0; text.Len() < 100<<20; i++ {
		fmt.Fprintf(&text, "[%12.6f] systemd[1]: \x1b[0;32mStarted\x1b[0m unit number %d of a long boot.\r\n", float64(i)/1000, i)
	}
	text.WriteString("the end")
	b.Run("console-attach-live/nothing", func(b *testing.B) {
		g := startGuest(b)
		g.print(text.String())
		attached(b, g)
	})
	b.Run("console-attach-log/nothing", func(b *testing.B) {
		g := startGuest(b)
		if err := os.WriteFile(filepath.Join(g.dir, "console.log"), []byte(text.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		g.stop()
		<-g.stopped
		if err := g.m.End(time.Now(), "QEMU ended"); err != nil {
			b.Fatal(err)
		}
		attached(b, g)
	})
}

func attached(b *testing.B, g *guest) {
	b.Helper()
	most := time.Duration(0)
	n := 0
	for b.Loop() {
		for range 5 {
			start := time.Now()
			p := watch(b, g, 120, 40)
			p.await("the end")
			most = max(most, time.Since(start))
			p.stop()
			n++
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(most.Seconds()*1e3, "ms-most")
	b.ReportMetric(100, "ms-most-aim")
}

// BenchmarkFlood is what a guest that prints all the time costs: bytes a second that are shown.
func BenchmarkFlood(b *testing.B) {
	g := startGuest(b)
	p := watch(b, g, 120, 40)
	p.until("the console", func() bool { return p.Off() == "" })
	line := []byte(strings.Repeat("[    1.204511] systemd[1]: Started a unit of a long boot.\r\n", 140)[:8<<10])
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		p.src.show(line, 0)
		p.src.tell(func(screen.Event) {})
	}
}
