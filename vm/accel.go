package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/nestos/nosa/workspace/proc"
	"github.com/nestos/nosa/workspace/share"
)

// probeTime is how long KVM has to run the probe's few instructions.
const probeTime = 3 * time.Second

// Choice is an accelerator and why it was chosen.
type Choice struct {
	Accel  Accel  `json:"accel"`
	Reason string `json:"reason"`
}

// Prober finds out which accelerator works here. The zero value probes each
// time and knows no environment.
type Prober struct {
	// Cache is a file that remembers the answer for this boot of the host, this
	// QEMU and these flags; "" is none.
	Cache string
	// NoKVM is set when the user wants none (COSA_NO_KVM, NOSA_NO_KVM).
	NoKVM bool
	// Device is the KVM device; "" is /dev/kvm.
	Device string
	// BootID is the file that tells one boot of the host from another; "" is
	// the kernel's.
	BootID string
}

// NoKVM reads from an environment (KEY=VALUE) whether the user forbids KVM.
func NoKVM(environ []string) bool {
	return slices.ContainsFunc(environ, func(kv string) bool {
		key, value, _ := strings.Cut(kv, "=")
		return (key == "COSA_NO_KVM" || key == "NOSA_NO_KVM") && value != ""
	})
}

// Probe says which accelerator to use for spec: KVM only when QEMU, with the
// machine and CPU of the real run, really executes guest code with it within 3 s
// (a device that is there proves nothing). It fails only when ctx is done or
// QEMU itself is missing.
func (p Prober) Probe(ctx context.Context, spec Spec) (Choice, error) {
	if spec.Icount.Shift != 0 {
		return Choice{TCG, "KVM does not count instructions"}, nil
	}
	spec.Accel, spec.CPU = KVM, ""
	spec, plat, err := spec.withDefaults()
	if err != nil {
		return Choice{}, err
	}
	if reason := p.unfit(spec); reason != "" {
		return Choice{TCG, reason}, nil
	}
	key, err := p.key(ctx, spec, plat)
	if err != nil {
		return Choice{}, err
	}
	if c, ok := p.recall(key); ok {
		return c, nil
	}
	c := Choice{KVM, "KVM works"}
	if err := runProbe(ctx, spec, plat); err != nil {
		if ctx.Err() != nil {
			return Choice{}, context.Cause(ctx)
		}
		c = Choice{TCG, "KVM is there but does not work: " + err.Error()}
	}
	return c, p.store(key, c)
}

// Distrust remembers that KVM failed a real guest, so that Probe says TCG with
// this reason until the host boots again.
func (p Prober) Distrust(ctx context.Context, spec Spec, reason string) error {
	spec.Accel, spec.CPU = KVM, ""
	spec, plat, err := spec.withDefaults()
	if err != nil {
		return err
	}
	key, err := p.key(ctx, spec, plat)
	if err != nil {
		return err
	}
	return p.store(key, Choice{TCG, reason})
}

// unfit says why KVM is out of the question; "" when it is not.
func (p Prober) unfit(spec Spec) string {
	if p.NoKVM {
		return "KVM is switched off by the environment"
	}
	if native := map[string]Arch{"amd64": X86_64, "arm64": AArch64}[runtime.GOARCH]; native != spec.Arch {
		return fmt.Sprintf("a %s guest on another architecture", spec.Arch)
	}
	device := p.Device
	if device == "" {
		device = "/dev/kvm"
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return ""
	}
	if errors.Is(err, os.ErrNotExist) {
		return "this host has no " + device
	}
	return fmt.Sprintf("%s cannot be opened: %v", device, errors.Unwrap(err))
}

// runProbe runs the probe's code with the flags of the real run.
func runProbe(ctx context.Context, spec Spec, plat platform) error {
	dir, err := os.MkdirTemp("", "nosa-kvm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "probe")
	if err := os.WriteFile(image, probeCode(spec.Arch), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	found := &watchFor{text: probeSays, found: cancel}
	err = proc.Run(ctx, proc.Cmd{Args: probeArgs(spec, plat, image), Stdout: found})
	if found.seen() {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("guest code did not run within %s", probeTime)
	}
	if err == nil {
		err = errors.New("QEMU ended before guest code ran")
	}
	return err
}

// probeArgs is the argv of the probe: the real run's machine and CPU, the serial
// port on standard output. BIOS always, for it is the firmware that is quickest.
func probeArgs(spec Spec, plat platform, image string) []string {
	spec.Firmware, spec.Memory = BIOS, MemoryFile{}
	args := append(spec.base(plat), "-nic", "none", "-serial", "stdio")
	if spec.Arch == AArch64 {
		return append(args, "-kernel", image)
	}
	return append(args, "-drive", "if=none,id=disk0,format=raw,readonly=on,file="+comma(image), "-device", "virtio-blk-pci,drive=disk0,bootindex=1")
}

// key is what an answer holds for.
func (p Prober) key(ctx context.Context, spec Spec, plat platform) (string, error) {
	version, err := proc.Output(ctx, proc.Cmd{Args: []string{plat.binary, "--version"}})
	if err != nil {
		return "", err
	}
	file := p.BootID
	if file == "" {
		file = "/proc/sys/kernel/random/boot_id"
	}
	boot, err := os.ReadFile(file)
	if err != nil {
		boot = nil // no answer is remembered over a boot that cannot be told
	}
	_, inContainer := os.Stat("/run/.containerenv")
	spec.Memory = MemoryFile{}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%v", boot, version, strings.Join(spec.base(plat), " "), inContainer == nil)
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

func (p Prober) recall(key string) (Choice, bool) {
	if p.Cache == "" {
		return Choice{}, false
	}
	data, err := os.ReadFile(p.Cache)
	if err != nil {
		return Choice{}, false
	}
	var known map[string]Choice
	if json.Unmarshal(data, &known) != nil {
		return Choice{}, false
	}
	c, ok := known[key]
	return c, ok
}

// store remembers one answer; those of other boots are dropped with it.
func (p Prober) store(key string, c Choice) error {
	if p.Cache == "" {
		return nil
	}
	data, err := json.MarshalIndent(map[string]Choice{key: c}, "", "  ")
	if err != nil {
		return err
	}
	if err := share.Replace(p.Cache, append(data, '\n')); err != nil {
		return fmt.Errorf("remembering the accelerator: %w", err)
	}
	return nil
}
