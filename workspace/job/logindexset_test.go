package job

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func members(s LineSet) []int {
	var list []int
	for line := s.Next(-1); line >= 0; line = s.Next(line) {
		list = append(list, line)
	}
	return list
}

func TestLineSet(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b lineSetBuilder
		var want []int
		n := r.IntN(5000)
		density := 1 + r.IntN(200)
		for b.set.lines < n {
			if r.IntN(8) == 0 {
				b.skip(min(b.set.lines+r.IntN(400), n))
				continue
			}
			in := r.IntN(density) == 0
			if in {
				want = append(want, b.set.lines)
			}
			b.add(member(in))
		}
		s := b.set
		if s.Lines() != n || s.Count() != len(want) {
			t.Fatalf("%d lines, %d in the set, want %d, %d", s.Lines(), s.Count(), n, len(want))
		}
		if diff := cmp.Diff(want, members(s)); diff != "" {
			t.Fatal(diff)
		}
		for range 50 {
			line := r.IntN(n + 1)
			rank := 0
			for rank < len(want) && want[rank] < line {
				rank++
			}
			if got := s.Rank(line); got != rank {
				t.Fatalf("%d lines before %d, want %d", got, line, rank)
			}
			prev := -1
			if rank > 0 {
				prev = want[rank-1]
			}
			if got := s.Prev(line); got != prev {
				t.Fatalf("%d before %d, want %d", got, line, prev)
			}
		}
	}
}

// What was given away stays as it is while the log goes on.
func TestLineSetStays(t *testing.T) {
	var b lineSetBuilder
	var given []LineSet
	for i := range 3000 {
		given = append(given, b.set, b.set.with(true))
		b.add(i%3 == 0)
	}
	for i, s := range given {
		n := i / 2
		want := (n+2)/3 + i%2
		if s.Lines() != n+i%2 || s.Count() != want || i%37 == 0 && len(members(s)) != want {
			t.Fatalf("set %d: %d lines, %d", i, s.Lines(), s.Count())
		}
	}
}
