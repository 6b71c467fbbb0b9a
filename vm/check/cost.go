package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

// Costs is the content of a build's icount-ARTIFACT.json: boots of one image on
// one kind of machine.
type Costs struct {
	V        int       `json:"v"` // 1
	Artifact string    `json:"artifact"`
	Machine  string    `json:"machine"` // boots on another machine cannot be compared
	Commit   string    `json:"commit"`
	Time     time.Time `json:"time"`  // when the first boot began
	Shift    int       `json:"shift"` // an instruction took 2^Shift ns of the guest's time
	Boots    []Cost    `json:"boots"`
}

// ParseCosts reads an icount-ARTIFACT.json.
func ParseCosts(data []byte) (Costs, error) {
	var c Costs
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("parsing the cost of a boot: %w", err)
	}
	if c.V != 1 || len(c.Boots) == 0 {
		return c, fmt.Errorf("the cost of a boot: version %d with %d boots, want 1 with at least one", c.V, len(c.Boots))
	}
	return c, nil
}

// Spread is by how much the totals differ, as a part of their median: (max-min)/median.
func (c Costs) Spread() float64 {
	var totals []int64
	for _, b := range c.Boots {
		totals = append(totals, b.Total)
	}
	if m := median(totals); m > 0 {
		return float64(slices.Max(totals)-slices.Min(totals)) / float64(m)
	}
	return 0
}

// Median is the boot in the middle, each of its numbers by itself. A unit that
// ran in fewer than half of the boots is not in it.
func (c Costs) Median() Cost {
	of := func(number func(Cost) int64) int64 {
		var list []int64
		for _, b := range c.Boots {
			list = append(list, number(b))
		}
		return median(list)
	}
	units := map[string][]int64{}
	for _, b := range c.Boots {
		for _, u := range b.Units {
			units[u.Unit] = append(units[u.Unit], u.Insns)
		}
	}
	m := Cost{
		Total:     of(func(b Cost) int64 { return b.Total }),
		Kernel:    of(func(b Cost) int64 { return b.Kernel }),
		Initrd:    of(func(b Cost) int64 { return b.Initrd }),
		Userspace: of(func(b Cost) int64 { return b.Userspace }),
		Rest:      of(func(b Cost) int64 { return b.Rest }),
	}
	for unit, list := range units {
		if 2*len(list) >= len(c.Boots) {
			m.Units = append(m.Units, UnitCost{unit, median(list)})
		}
	}
	slices.SortFunc(m.Units, dearestFirst)
	return m
}

// median is the value in the middle; of an even number the mean of the two.
func median(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	n := len(list) / 2
	if len(list)%2 == 1 {
		return list[n]
	}
	return (list[n-1] + list[n]) / 2
}

// CostDiff is by what the boots of two builds differ, in guest instructions:
// medians, where there are several boots.
type CostDiff struct {
	Machine [2]string `json:"machine"` // the same, else nothing is comparable
	Boots   [2]int    `json:"boots"`   // how many were measured
	// Phases are total, kernel, initrd and userspace, all of them.
	Phases []CostChange `json:"phases"`
	// Units are those whose cost differs, and rest, what belongs to none; the
	// greatest difference first.
	Units  []CostChange `json:"units"`
	Hidden int          `json:"hidden"` // units whose difference is noise
}

// CostChange is what became of one cost.
type CostChange struct {
	Name   string `json:"name"`
	Change string `json:"change"` // dearer, cheaper, new, gone, same
	From   int64  `json:"from"`
	To     int64  `json:"to"`
}

// Percent is the difference as a part of what it was; +Inf of something new.
func (c CostChange) Percent() float64 {
	if c.From == 0 {
		return math.Inf(1)
	}
	return 100 * float64(c.To-c.From) / float64(c.From)
}

// noise is by how much the boots differ among themselves in a unit that all of
// them have, or in the rest.
func (c Costs) noise(unit string) int64 {
	var list []int64
	for _, b := range c.Boots {
		i := slices.IndexFunc(b.Units, func(u UnitCost) bool { return u.Unit == unit })
		switch {
		case unit == rest:
			list = append(list, b.Rest)
		case i >= 0:
			list = append(list, b.Units[i].Insns)
		}
	}
	if len(list) < 2 {
		return 0
	}
	return slices.Max(list) - slices.Min(list)
}

// rest is the name of what belongs to no unit.
const rest = "rest"

// The limits below which a difference is noise: a part of the cost itself, and,
// since small units vary more, a part of the whole boot.
const (
	ownLimit   = 0.01
	totalLimit = 0.001
)

// DiffCosts compares the boots of two builds.
func DiffCosts(from, to Costs) CostDiff {
	a, b := from.Median(), to.Median()
	d := CostDiff{
		Machine: [2]string{from.Machine, to.Machine}, Boots: [2]int{len(from.Boots), len(to.Boots)},
		Units: []CostChange{},
	}
	for _, p := range []CostChange{
		{Name: "total", From: a.Total, To: b.Total},
		{Name: "kernel", From: a.Kernel, To: b.Kernel},
		{Name: "initrd", From: a.Initrd, To: b.Initrd},
		{Name: "userspace", From: a.Userspace, To: b.Userspace},
	} {
		p.Change = p.change(0)
		d.Phases = append(d.Phases, p)
	}
	floor := int64(totalLimit * float64(max(a.Total, b.Total)))
	units := map[string]CostChange{rest: {From: a.Rest, To: b.Rest}}
	for _, u := range a.Units {
		units[u.Unit] = CostChange{From: u.Insns}
	}
	for _, u := range b.Units {
		units[u.Unit] = CostChange{From: units[u.Unit].From, To: u.Insns}
	}
	for name, u := range units {
		u.Name = name
		switch u.Change = u.change(max(floor, from.noise(name), to.noise(name))); {
		case u.Change != "same":
			d.Units = append(d.Units, u)
		case u.From != u.To:
			d.Hidden++
		}
	}
	slices.SortFunc(d.Units, func(x, y CostChange) int {
		return cmp.Or(cmp.Compare(abs(y.To-y.From), abs(x.To-x.From)), cmp.Compare(x.Name, y.Name))
	})
	return d
}

// change names the difference; one of at most floor, or below a hundredth, is none.
func (c CostChange) change(floor int64) string {
	diff := c.To - c.From
	switch {
	case c.From == 0 && c.To > 0:
		return "new"
	case c.To == 0 && c.From > 0:
		return "gone"
	case abs(diff) <= floor || float64(abs(diff)) < ownLimit*float64(c.From):
		return "same"
	case diff > 0:
		return "dearer"
	}
	return "cheaper"
}

func abs(n int64) int64 { return max(n, -n) }
