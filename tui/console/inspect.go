package console

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nestos/nosa/tui/feed"
	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/machine"
)

// report is what a machine said of itself.
type report struct {
	said  *said  // nil: nothing yet
	err   string // why it could not be asked last
	hint  string
	asked time.Time // when; zero: it is not being asked
	boot  int       // the boot after which it was asked by itself
}

// said is what matters here of nosa inspect --output json.
type said struct {
	Build string    `json:"build"`
	Over  string    `json:"over"`
	Time  time.Time `json:"time"`
	Host  struct {
		Name      string   `json:"name"`
		OS        string   `json:"os"`
		Version   string   `json:"version"`
		Kernel    string   `json:"kernel"`
		UptimeMS  int64    `json:"uptime_ms"`
		ClockSkew int64    `json:"clock_skew_s"`
		CPUs      int      `json:"cpus"`
		Load      string   `json:"load"`
		MemoryKiB int64    `json:"memory_kib"`
		FreeKiB   int64    `json:"memory_available_kib"`
		Args      []string `json:"kernel_args"`
		SELinux   string   `json:"selinux"`
		Root      bool     `json:"asked_as_root"`
	} `json:"host"`
	State  string   `json:"state"`
	Jobs   []string `json:"jobs"`
	Failed []struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Result      string   `json:"result"`
		Status      int      `json:"status"`
		Journal     []string `json:"journal"`
	} `json:"failed_units"`
	Deployments []struct {
		Booted   bool     `json:"booted"`
		Staged   bool     `json:"staged"`
		Rollback bool     `json:"rollback"`
		Commit   string   `json:"commit"`
		Version  string   `json:"version"`
		Layered  []string `json:"layered"`
	} `json:"deployments"`
	Boot struct {
		FirmwareMS  int64 `json:"firmware_ms"`
		LoaderMS    int64 `json:"loader_ms"`
		KernelMS    int64 `json:"kernel_ms"`
		InitrdMS    int64 `json:"initrd_ms"`
		UserspaceMS int64 `json:"userspace_ms"`
		Units       []struct {
			Name string `json:"name"`
			MS   int64  `json:"ms"`
		} `json:"units"`
	} `json:"boot"`
	Packages struct {
		Count        int    `json:"count"`
		ComparedWith string `json:"compared_with"`
		Differences  []struct {
			Name string `json:"name"`
			Want string `json:"want"`
			Got  string `json:"got"`
		} `json:"differences"`
	} `json:"packages"`
	Filesystems []struct {
		Mount  string `json:"mount"`
		Type   string `json:"type"`
		Size   int64  `json:"size"`
		UsedPc int    `json:"used_percent"`
	} `json:"filesystems"`
	Sockets []struct {
		Protocol string `json:"protocol"`
		Address  string `json:"address"`
		Port     int    `json:"port"`
		Program  string `json:"program"`
	} `json:"sockets"`
	Network struct {
		Interfaces []struct {
			Name      string   `json:"name"`
			State     string   `json:"state"`
			Addresses []string `json:"addresses"`
		} `json:"interfaces"`
		Gateway string `json:"gateway"`
	} `json:"network"`
	Unknown map[string]string `json:"unknown"`
}

// inspected is the answer of a machine.
type inspected struct {
	id   machine.ID
	said *said
	err  error
}

func inspectArgs(id machine.ID) []string { return []string{"inspect", string(id)} }

// inspect asks a machine about itself.
func (s *Screen) inspect(m *feed.Machine) []screen.Effect {
	r := s.reports[m.ID]
	if r == nil {
		r = &report{}
		s.reports[m.ID] = r
	}
	if !r.asked.IsZero() {
		return nil
	}
	r.asked = s.env.Now()
	if b, ok := m.Boot(); ok {
		r.boot = b.Number
	}
	env, id := s.env, m.ID
	s.refact()
	return []screen.Effect{screen.Work{Key: "console.inspect " + string(id), Do: func(ctx context.Context) screen.Event {
		e := inspected{id: id}
		out, err := env.Query(ctx, inspectArgs(id)...)
		if e.err = err; err == nil {
			e.said = &said{}
			e.err = json.Unmarshal(out, e.said)
		}
		return e
	}}}
}

// takeReport takes the answer. One that went wrong leaves what was said before.
func (s *Screen) takeReport(e inspected) {
	r := s.reports[e.id]
	if r == nil {
		return
	}
	r.asked, r.err, r.hint = time.Time{}, "", ""
	if e.err == nil {
		r.said = e.said
	} else {
		r.err = e.err.Error()
		if q, ok := errors.AsType[*screen.QueryError](e.err); ok {
			r.err, r.hint = q.Text, q.Hint
		}
	}
	s.refact()
}

// inspectOnce asks the machine that is shown when it has come up, once a boot, where the answer is seen.
func (s *Screen) inspectOnce() []screen.Effect {
	m, ok := s.machine()
	if !ok || m.Phase != feed.PhaseUp || !s.reporting() {
		return nil
	}
	b, _ := m.Boot()
	if r := s.reports[m.ID]; r != nil && r.boot == b.Number {
		return nil
	}
	return s.inspect(&m)
}
