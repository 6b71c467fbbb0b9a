package builder

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/workspace"
)

// builtLive is builtOnce with live artifacts that fit each other; their contents are made up.
func builtLive(t *testing.T) *Env {
	t.Helper()
	needTools(t, "xorriso")
	work := t.TempDir()
	path := func(name string) string { return filepath.Join(work, name) }
	err := errors.Join(
		os.WriteFile(path("kernel"), []byte("kernel"), 0o644),
		os.WriteFile(path("own"), []byte("own."), 0o644),
		os.WriteFile(path("rootfs"), append(make([]byte, live.SquashfsOffset), "hsqs and more"...), 0o644),
		os.WriteFile(path("nestos-1.2-metal.x86_64.raw.osmet"), []byte("o"), 0o644),
		os.WriteFile(path("efiboot"), make([]byte, 4096), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := live.FinishRootfs(t.Context(), path("rootfs"), live.File{Name: live.RootfsStamp, Data: []byte("1.2\n")}, []string{path("nestos-1.2-metal.x86_64.raw.osmet")})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		live.WriteInitrd(path("initrd"), path("own"), []live.File{{Name: live.InitramfsStamp, Data: []byte("1.2\n")}, {Name: live.WantRootfs, Data: sums}}),
		live.WriteISO(t.Context(), live.ISO{Path: path("iso"), VolumeID: "nestos-1.2", Time: time.Unix(1700000000, 0), Sources: map[string]string{
			live.KernelPath: path("kernel"), live.InitrdPath: path("initrd"), live.RootfsPath: path("rootfs"), live.EFIBootPath: path("efiboot"),
		}}, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"ostree": []byte("o")}
	for kind, name := range map[string]string{"live-kernel": "kernel", "live-initramfs": "initrd", "live-rootfs": "rootfs", "live-iso": "iso"} {
		if files[kind], err = os.ReadFile(path(name)); err != nil {
			t.Fatal(err)
		}
	}
	env, _ := builtOnce(t, files)
	err = workspace.UpdateMeta(t.Context(), env.WS.BuildDir("1.2", "x86_64"), env.Now(), func(m *workspace.Meta) error {
		m.Extra = map[string]json.RawMessage{liveKey: json.RawMessage(`{"compressor":"zstd","level":15,"block":131072,"images":["metal"]}`)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// Whoever changes one of the artifacts together with its record is found out by the others.
func TestVerifyLive(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   string
		change func(data []byte) []byte
		want   string
	}{
		{name: "whole", want: "live-initramfs ok sha256, build, it wants the live-rootfs\nlive-iso ok sha256, label, the same files as for PXE\nlive-kernel ok sha256\nlive-rootfs ok sha256, squashfs at byte 124, build"},
		{
			name: "another rootfs", kind: "live-rootfs", change: func(data []byte) []byte { return []byte(strings.Replace(string(data), "and more", "and less", 1)) },
			want: "live-initramfs failed the rootfs that it wants is not the live-rootfs of the build: it would not start with it\n" +
				"live-iso failed /images/pxeboot/rootfs.img is not the live-rootfs of the build\nlive-kernel ok sha256\nlive-rootfs ok sha256, squashfs at byte 124, build",
		},
		{
			name: "of another build", kind: "live-rootfs", change: func(data []byte) []byte { return []byte(strings.Replace(string(data), "1.2\n", "1.3\n", 1)) },
			want: `live-rootfs failed it says that it is of build "1.3"`,
		},
		{
			name: "without what installs", kind: "live-rootfs",
			change: func(data []byte) []byte { return []byte(strings.ReplaceAll(string(data), "raw.osmet", "raw.other")) },
			want:   "live-rootfs failed metal cannot be installed from it: it has no nestos-1.2-metal.x86_64.raw.osmet",
		},
		{
			name: "the squashfs moved", kind: "live-rootfs", change: func(data []byte) []byte { return append([]byte("0707"), data...) },
			want: "live-rootfs failed no squashfs at byte 124",
		},
		{
			name: "the system's own initramfs", kind: "live-initramfs", change: func(data []byte) []byte { return data[:4] },
			want: "live-initramfs failed it has no archive of a live system behind the system's own\nlive-iso failed /images/pxeboot/initrd.img is not the live-initramfs of the build",
		},
		{
			name: "no ISO", kind: "live-iso", change: func([]byte) []byte { return []byte("x") },
			want: "live-iso failed it is no ISO 9660 image",
		},
		{
			name: "another label", kind: "live-iso", change: func(data []byte) []byte { return []byte(strings.Replace(string(data), "nestos-1.2", "nestos-1.3", 1)) },
			want: `live-iso failed its label is "nestos-1.3", want "nestos-1.2"`,
		},
	} {
		env := builtLive(t)
		dir := env.WS.BuildDir("1.2", "x86_64")
		err := workspace.UpdateMeta(t.Context(), dir, env.Now(), func(m *workspace.Meta) error {
			if tt.kind == "" {
				return nil
			}
			a := m.Images[tt.kind]
			name := filepath.Join(dir, a.Path)
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			data = tt.change(data)
			a.SHA256, a.Size = sha(data), int64(len(data))
			m.Images[tt.kind] = a
			return errors.Join(os.Remove(name), os.WriteFile(name, data, 0o444))
		})
		if err != nil {
			t.Fatal(err)
		}
		v := &verification{req: VerifyRequest{Build: "1.2", Artifacts: liveTypes()}}
		plan, err := v.plan(env)
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Run(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range v.rows[1:] {
			if r.State == VerifiedFailed && r.Next != "nosa buildextend-live --build 1.2 --force makes it anew" {
				t.Errorf("%s: next is %q", tt.name, r.Next)
			}
			text := r.Checks
			if r.State != VerifiedOK {
				text = r.Problems
			}
			got = append(got, r.Name+" "+r.State+" "+strings.Join(text, ", "))
		}
		if all := strings.Join(got, "\n"); all != tt.want && !strings.Contains(all, tt.want) {
			t.Errorf("%s: %s", tt.name, cmp.Diff(tt.want, all))
		}
	}
}
