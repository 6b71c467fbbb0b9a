package guest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ReportVersion is the value of Report.V.
const ReportVersion = 1

// Report is what a running guest says of itself. Everything in it comes from the
// guest and is not trusted: texts are cleaned of what a terminal obeys and
// bounded, lists too. What the guest could not tell is empty, and named in Unknown.
type Report struct {
	V    int       `json:"v"`
	Time time.Time `json:"time"` // of the question, by this host's clock

	Host  Host   `json:"host"`
	State string `json:"state"` // systemctl is-system-running: running, degraded, starting …
	// Jobs are the units that still start or stop.
	Jobs        []string     `json:"jobs,omitempty"`
	Failed      []FailedUnit `json:"failed_units"`
	Deployments []Deployment `json:"deployments"` // the booted one has Booted; newest first
	Boot        BootTime     `json:"boot"`
	Packages    Packages     `json:"packages"`
	Filesystems []Filesystem `json:"filesystems"` // those on disks, fullest first
	Sockets     []Socket     `json:"sockets"`     // that listen, by port
	Network     Network      `json:"network"`
	// Unknown are the parts that the guest did not answer, with the reason.
	Unknown map[string]string `json:"unknown,omitempty"`
}

// Host is the system itself.
type Host struct {
	Name      string   `json:"name"`
	OS        string   `json:"os"`                // PRETTY_NAME of os-release
	Version   string   `json:"version,omitempty"` // OSTREE_VERSION or IMAGE_VERSION
	Kernel    string   `json:"kernel"`
	Arch      string   `json:"arch"`
	MachineID string   `json:"machine_id"`
	BootID    string   `json:"boot_id"`
	UptimeMS  int64    `json:"uptime_ms"`
	ClockSkew int64    `json:"clock_skew_s"` // seconds that its clock is ahead of this host's
	CPUs      int      `json:"cpus"`
	Load      string   `json:"load,omitempty"` // 1, 5 and 15 minutes
	MemoryKiB int64    `json:"memory_kib"`
	FreeKiB   int64    `json:"memory_available_kib"`
	Args      []string `json:"kernel_args"`
	SELinux   string   `json:"selinux"`       // enforcing, permissive or disabled
	Root      bool     `json:"asked_as_root"` // else sockets' programs and journals are missing
}

// FailedUnit is a unit that failed.
type FailedUnit struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Result      string   `json:"result"` // exit-code, timeout, signal …
	Status      int      `json:"status"` // of its main process
	Restarts    int      `json:"restarts"`
	Journal     []string `json:"journal"` // its last lines of this boot
}

// Deployment is one of the bootable commits.
type Deployment struct {
	Booted   bool   `json:"booted"`
	Staged   bool   `json:"staged,omitempty"`
	Rollback bool   `json:"rollback,omitempty"`
	Pinned   bool   `json:"pinned,omitempty"`
	OS       string `json:"os"`
	Commit   string `json:"commit"`
	Serial   int    `json:"serial"`
	Version  string `json:"version,omitempty"`
	Origin   string `json:"origin,omitempty"`
	// Layered are packages put over the commit (rpm-ostree install).
	Layered []string `json:"layered,omitempty"`
}

// BootTime is where the time of this boot went, in milliseconds. Zero is unknown.
type BootTime struct {
	FirmwareMS  int64      `json:"firmware_ms,omitempty"`
	LoaderMS    int64      `json:"loader_ms,omitempty"`
	KernelMS    int64      `json:"kernel_ms"`
	InitrdMS    int64      `json:"initrd_ms"`
	UserspaceMS int64      `json:"userspace_ms"` // until all units of the default target had started
	Units       []UnitTime `json:"units"`        // of the boot itself, the slowest first
}

// UnitTime is how long a unit took to start, as systemd-analyze blame counts.
type UnitTime struct {
	Name string `json:"name"`
	MS   int64  `json:"ms"`
	AtMS int64  `json:"at_ms"` // since the kernel began
}

// Packages are what rpm lists, and how that differs from what a build was made of.
type Packages struct {
	Count int `json:"count"`
	// ComparedWith names what Differences were found against; "" is nothing.
	ComparedWith string              `json:"compared_with,omitempty"`
	Differences  []PackageDifference `json:"differences"`

	all []Package
}

// Package is an installed package.
type Package struct{ Name, EVRA string } // EVRA is EPOCH:VERSION-RELEASE.ARCH, without epoch 0

// PackageDifference is a package that is not as it should be: with Want and Got
// another version, with one of them missing or extra.
type PackageDifference struct {
	Name string `json:"name"`
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// Filesystem is a mounted filesystem on a disk.
type Filesystem struct {
	Mount  string `json:"mount"`
	Device string `json:"device"`
	Type   string `json:"type"`
	Size   int64  `json:"size"` // bytes
	Used   int64  `json:"used"`
	Free   int64  `json:"free"`
	UsedPc int    `json:"used_percent"`
}

// Socket is a socket that listens.
type Socket struct {
	Protocol string `json:"protocol"` // tcp or udp
	Address  string `json:"address"`  // 0.0.0.0, [::], 127.0.0.53%lo …
	Port     int    `json:"port"`
	Program  string `json:"program,omitempty"`
	PID      int    `json:"pid,omitempty"`
}

// Local says that only the guest itself reaches the socket.
func (s Socket) Local() bool { return isLoopback(s.Address) }

// Network is how the guest is connected.
type Network struct {
	Interfaces []Interface `json:"interfaces"`
	Gateway    string      `json:"gateway,omitempty"` // of the default route
}

// Interface is a network interface; the loopback is left out.
type Interface struct {
	Name      string   `json:"name"`
	State     string   `json:"state"` // UP, DOWN, UNKNOWN
	MAC       string   `json:"mac,omitempty"`
	Addresses []string `json:"addresses"` // with prefix length
}

// errNoAnswer is a guest that ran the script and printed nothing of it.
var errNoAnswer = errors.New("the guest's answer has none of the expected parts")

// Inspect asks a running guest about itself, over SSH or its console. now is the
// host's clock. The script changes nothing; it takes seconds, under TCG on a busy
// host minutes.
func Inspect(ctx context.Context, r Runner, now func() time.Time) (Report, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return Report{}, fmt.Errorf("inspecting the guest: %w", err)
	}
	mark := "NOSA-PART-" + hex.EncodeToString(b[:])
	run := r.Run
	if s, ok := r.(*Shell); ok { // one command, but a long one
		run = func(ctx context.Context, script string) (Output, error) {
			return s.RunWithin(ctx, s.c.Pace.Settle, script)
		}
	}
	when := span{asked: now()}
	out, err := run(ctx, inspection(mark))
	if err != nil {
		return Report{}, fmt.Errorf("inspecting the guest: %w", err)
	}
	when.answered = now()
	report, err := parseReport(mark, out.Stdout, when)
	if err != nil {
		return Report{}, fmt.Errorf("inspecting the guest: %w (status %d: %s)", err, out.Code, cut(trimmed(out.Stderr), maxText))
	}
	return report, nil
}

// Compare fills Packages.Differences: want is what should be there, EVRA (epoch
// 0 left out) by name, and with names it.
func (p *Packages) Compare(with string, want map[string]string) {
	p.ComparedWith, p.Differences = with, []PackageDifference{}
	got := map[string][]string{}
	for _, g := range p.all {
		got[g.Name] = append(got[g.Name], g.EVRA)
	}
	for name, evra := range want {
		have := got[name]
		i := slices.Index(have, evra)
		switch {
		case i >= 0:
			got[name] = slices.Delete(have, i, i+1)
		case len(have) > 0:
			p.Differences = append(p.Differences, PackageDifference{Name: name, Want: evra, Got: have[0]})
			got[name] = have[1:]
		default:
			p.Differences = append(p.Differences, PackageDifference{Name: name, Want: evra})
		}
	}
	for name, rest := range got {
		for _, evra := range rest {
			p.Differences = append(p.Differences, PackageDifference{Name: name, Got: evra})
		}
	}
	slices.SortFunc(p.Differences, compareDifferences)
}

// List is all packages that rpm listed, sorted.
func (p *Packages) List() []Package { return p.all }
