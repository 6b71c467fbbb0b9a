package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nestos/nosa/vm"
	"github.com/nestos/nosa/vm/guest"
)

// A guest that goes silent under KVM makes the next run emulate; any other end does not.
func TestSilentKVM(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		missing(t, "needs qemu-system-x86_64")
	}
	device := filepath.Join(t.TempDir(), "kvm")
	for _, tc := range []struct {
		name  string
		accel vm.Accel
		err   error
		told  bool
	}{
		{"silent under KVM", vm.KVM, &guest.BootError{Trouble: guest.Silence}, true},
		{"silent under TCG", vm.TCG, &guest.BootError{Trouble: guest.Silence}, false},
		{"a panic under KVM", vm.KVM, &guest.BootError{Trouble: guest.Panic}, false},
		{"no error", vm.KVM, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.WriteFile(device, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p := &runPlan{choice: vm.Choice{Accel: tc.accel}, prober: vm.Prober{Cache: filepath.Join(t.TempDir(), "kvm.json"), Device: device}}
			err := p.silentKVM(t.Context(), tc.err)
			var told hinted
			if errors.As(err, &told) != tc.told || !errors.Is(err, tc.err) {
				t.Fatalf("got %v", err)
			}
			choice, err := p.prober.Probe(t.Context(), p.req.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if distrusted := choice.Reason == "a KVM guest printed nothing for 20s"; distrusted != tc.told {
				t.Errorf("the next run: %+v", choice)
			}
		})
	}
}
