package check

import (
	"context"

	"github.com/nestos/nosa/vm"
)

// secure asserts, where the machine's firmware enforces Secure Boot, that the
// guest was started under it: everything up to the kernel was signed.
func (g *session) secure(ctx context.Context, run *Run) error {
	if g.m.Spec.Firmware != vm.UEFISecure {
		return nil
	}
	a, err := g.shell.assert(ctx, look{"Secure Boot", func(ctx context.Context, s *shell) (verdict, error) {
		return s.prints(ctx, "enabled", secureScript("/sys/firmware/efi/efivars"))
	}})
	run.Assertions = append(run.Assertions, a)
	return err
}

// secureScript prints whether the firmware's variable SecureBoot is 1, as mokutil
// does. A file in efivars has four bytes of attributes before the value.
func secureScript(efivars string) string {
	return `var=` + quote(efivars+"/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c") + `
if [ ! -e "$var" ]; then echo "not known to the firmware"
elif [ "$(od -An -tu1 -j4 -N1 "$var" | tr -d ' ')" = 1 ]; then echo enabled
else echo disabled; fi`
}
