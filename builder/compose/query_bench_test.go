package compose

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// forest is a repository of 10,000 packages: the first 1,500 hang together below 100 of them, as
// those of an operating system do; a third of the requirements are of a library, some are rich.
func forest(b *testing.B) string {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	packages := make([]testPackage, 0, 10_000)
	for i := range 10_000 {
		p := testPackage{name: fmt.Sprintf("tree-%d", i), files: map[string]string{fmt.Sprintf("/usr/bin/tree-%d", i): "x"}}
		for j := range 6 {
			p.provides = append(p.provides, fmt.Sprintf("libtree%d.so.%d()(64bit)", i, j))
		}
		last := 1499
		if i > last {
			last = 9_999
		}
		for j := range 12 {
			other := min(i+1+random.IntN(200), last)
			switch {
			case j < 4 && last == 1499: // together these lead to all of the 1,500
				p.requires = append(p.requires, fmt.Sprintf("tree-%d", min(max(i/14*14+100, i*14%1400+100+j), last)))
			case j%3 == 0:
				p.requires = append(p.requires, fmt.Sprintf("libtree%d.so.%d()(64bit)", other, j%6))
			case j == 10:
				p.requires = append(p.requires, fmt.Sprintf("(tree-%d or tree-%d)", other, last))
			default:
				p.requires = append(p.requires, fmt.Sprintf("tree-%d >= 1", other))
			}
		}
		packages = append(packages, p)
	}
	packages[1400].conflicts = []string{"tree-9999"}
	return makeRepo(b, packages...)
}

// BenchmarkQuery looks 100 requests up that stand for 1,500 of 10,000 packages, and compares that with
// opening the repository for a single package.
func BenchmarkQuery(b *testing.B) {
	r := request(b, forest(b))
	for i := range 100 {
		r.Install = append(r.Install, Item{Text: fmt.Sprintf("tree-%d", i), Origin: origin(i + 1)})
	}
	fetchMetadata(b, r)
	for _, bb := range []struct {
		name   string
		change func(*QueryRequest)
	}{
		{"query-good", func(*QueryRequest) {}},
		{"query-why", func(q *QueryRequest) { q.Package = "tree-1300" }},
		{"query-why-not", func(q *QueryRequest) { q.Package = "tree-9000" }},
		{"query-missing", func(q *QueryRequest) {
			q.Install = append(q.Install[:100:100], items("tre-1", "treee-7000", "tree-55555", "tree-x", "bush-1")...)
		}},
		{"query-excluded", func(q *QueryRequest) { q.Exclude = items("tree-1300", "tree-12345") }},
		{"query-conflict", func(q *QueryRequest) { q.Install = append(q.Install[:100:100], items("tree-9999")...) }},
	} {
		b.Run(bb.name+"/one_package", func(b *testing.B) {
			q := QueryRequest{ResolveRequest: r}
			one := q
			one.Install = items("tree-9998")
			bb.change(&q)
			var open, query cost
			for b.Loop() {
				open.measure(b, one)
				query.measure(b, q)
			}
			n := float64(b.N)
			for unit, value := range map[string]float64{
				"ns/op":  0,
				"s-wall": query.wall.Seconds() / n, "s-wall-base": open.wall.Seconds() / n, "x-wall": query.wall.Seconds() / open.wall.Seconds(),
				"s-cpu": query.cpu.Seconds() / n, "s-cpu-base": open.cpu.Seconds() / n, "x-cpu": query.cpu.Seconds() / open.cpu.Seconds(),
			} {
				b.ReportMetric(value, unit)
			}
		})
	}
}

// cost is what queries took: by the clock, and the helpers' processor time.
type cost struct{ wall, cpu time.Duration }

func (c *cost) measure(b *testing.B, q QueryRequest) {
	b.Helper()
	cpu, start := childrenTime(b), time.Now()
	asked(b, q)
	c.wall += time.Since(start)
	c.cpu += childrenTime(b) - cpu
}

func childrenTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
