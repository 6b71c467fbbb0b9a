package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3" //nolint:depguard // the baseline

	"github.com/nestos/nosa/workspace/doc"
)

// BenchmarkLoad measures the load of a config, with all checks and the reading
// of its files, against nothing but yaml.v3's parsing of the same treefiles
// from memory, in the metrics that .ci/bench makes a table of.
func BenchmarkLoad(b *testing.B) {
	b.Run("load-config/yaml.v3_alone", func(b *testing.B) {
		benchLoad(b, filepath.Join("testdata", "corpus-nestos-master", "manifest.yaml"), 40)
	})
	b.Run("load-539-files/yaml.v3_alone", func(b *testing.B) {
		benchLoad(b, filepath.Join(largeConfig(b, 539), "manifest.yaml"), 1)
	})
}

// largeConfig writes a config of n treefiles of the shapes that real ones have.
func largeConfig(b *testing.B, n int) string {
	b.Helper()
	files := map[string]string{}
	var includes strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&includes, "  - parts/%d.yaml\n", i)
		var t strings.Builder
		fmt.Fprintf(&t, "# What part %d of the system needs.\n# It is included by manifest.yaml.\n\npackages:\n", i)
		for j := range 20 {
			fmt.Fprintf(&t, "  # used by unit %d\n  - package-%d-%d package-%d-%d-libs\n", j, i, j, i, j)
		}
		fmt.Fprintf(&t, "exclude-packages: [other-%d]\nremove-files:\n  - usr/share/info/part-%d\n", i, i)
		fmt.Fprintf(&t, "postprocess:\n  - |\n    #!/usr/bin/env bash\n    set -xeuo pipefail\n    # comment\n    cat > /usr/lib/part-%d.conf <<'EOT'\n    [Unit]\n    Description=%d\n    EOT\n", i, i)
		fmt.Fprintf(&t, "remove-from-packages:\n  - [package-%d-1, /usr/share/doc/.*, /usr/share/man/.*]\n", i)
		fmt.Fprintf(&t, "conditional-include:\n  - if: basearch == \"%s\"\n    include: {packages: [conditional-%d]}\n", []string{"x86_64", "aarch64"}[i%2], i)
		files[fmt.Sprintf("parts/%d.yaml", i)] = t.String()
	}
	files["manifest.yaml"] = "ref: nestos/${basearch}/large\nreleasever: \"24.03\"\nautomatic-version-prefix: \"${releasever}.<date:%Y%m%d>\"\ninclude:\n" + includes.String()
	return writeTree(b, files)
}

func benchLoad(b *testing.B, top string, times int) {
	opts := Options{Arch: "x86_64"}
	m, ds := Load(top, opts)
	if ds.HasErrors() {
		b.Fatal(ds)
	}
	var treefiles [][]byte
	for _, name := range m.Files {
		if !doc.IsYAML(name) {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		treefiles = append(treefiles, data)
	}
	var parse, load cost
	for b.Loop() {
		for range 5 { // in turns, so that what else the machine does falls on both
			parse.measure(b, func() error {
				for range times {
					for _, data := range treefiles {
						var n yaml.Node
						if err := yaml.Unmarshal(data, &n); err != nil {
							return err
						}
					}
				}
				return nil
			})
			load.measure(b, func() error {
				for range times {
					if _, ds := Load(top, opts); ds.HasErrors() {
						return ds
					}
				}
				return nil
			})
		}
	}
	n := float64(b.N)
	for unit, value := range map[string]float64{
		"ns/op": 0, "x-aim": 3,
		"s-wall": load.wall.Seconds() / n, "s-wall-base": parse.wall.Seconds() / n, "x-wall": load.wall.Seconds() / parse.wall.Seconds(),
		"s-cpu": load.cpu.Seconds() / n, "s-cpu-base": parse.cpu.Seconds() / n, "x-cpu": load.cpu.Seconds() / parse.cpu.Seconds(),
	} {
		b.ReportMetric(value, unit)
	}
}

// cost is what a piece of work took: by the clock, and on all processors.
type cost struct{ wall, cpu time.Duration }

func (c *cost) measure(b *testing.B, work func() error) {
	b.Helper()
	cpu, start := cpuTime(b), time.Now()
	if err := work(); err != nil {
		b.Fatal(err)
	}
	c.wall += time.Since(start)
	c.cpu += cpuTime(b) - cpu
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
