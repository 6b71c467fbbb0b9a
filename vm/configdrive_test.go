package vm

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nestos/nosa/workspace/proc"
)

// The disk has the label and the files that Ignition looks for, and is no disk to boot from.
func TestConfigDrive(t *testing.T) {
	needPrograms(t, "mkfs.fat", "mcopy", "mmd", "mtype", "mlabel")
	d, err := configDrive(t.Context(), t.TempDir(), []byte("{\"ignition\":{}}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"mtype ::openstack/latest/user_data", "{\"ignition\":{}}"},
		{"mlabel -s ::", " Volume label is config-2   \n"},
	} {
		words := strings.Fields(tt.args)
		args := slices.Insert(words, 1, "-i", d.Path)
		out, err := proc.Output(t.Context(), proc.Cmd{Args: args, Env: []string{"MTOOLSRC=" + os.DevNull}})
		if err != nil || string(out) != tt.want {
			t.Errorf("%s: %q, %v", tt.args, out, err)
		}
	}
	index := 1
	if _ = d.args(1, &index); index != 1 {
		t.Error("it may be booted from")
	}
}
