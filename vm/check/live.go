package check

import "context"

// liveLooks are what makes a system a live one.
func liveLooks(user string) []look {
	type row struct{ name, want, script string }
	list := []row{
		{"live system", "the generator's stamp", `if [ -e /run/ostree-live ]; then echo "the generator's stamp"; else echo "no /run/ostree-live"; fi`},
		{"root filesystem", "squashfs", "findmnt -nro FSTYPE --target /sysroot | tail -n 1"},
		{"writable /etc", "in memory", writableScript("/etc")},
		{"writable /var", "in memory", writableScript("/var")},
	}
	if user != "" {
		list = append(list, row{"automatic login", user, `echo "${SUDO_USER:-$(id -un)}"`})
	}
	var looks []look
	for _, l := range list {
		looks = append(looks, look{l.name, func(ctx context.Context, s *shell) (verdict, error) { return s.prints(ctx, l.want, l.script) }})
	}
	return looks
}

// writableScript makes a file in dir and looks what it is on: what is written to
// tmpfs or zram, or to an overlay or a loop device over such, is in memory.
func writableScript(dir string) string {
	return `f=` + dir + `/nosa-check-live-$$
if ! echo x >$f; then exit; fi
rm -f $f
src=$(findmnt -nro SOURCE --target ` + dir + ` | tail -n 1); src=${src%%\[*}; fs=$(findmnt -nro FSTYPE --target ` + dir + ` | tail -n 1)
case $fs in
tmpfs|ramfs|overlay) echo "in memory";;
*) case $src in
	/dev/loop*|/dev/zram*|/dev/ram*) echo "in memory";;
	*) echo "$fs of $src";;
	esac;;
esac`
}
