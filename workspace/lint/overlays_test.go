package lint

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStatOverride(t *testing.T) {
	modes := func(text string) map[string]string {
		return map[string]string{
			"overlay.d/05a/statoverride": text,
			"overlay.d/05a/etc/ä.conf":   "x\n", "overlay.d/05a/etc/b/c.conf": "x\n",
			"overlay.d/05a/usr/bin/s*": "#!/bin/sh\n", "overlay.d/05a/etc/l": "-> b/c.conf",
		}
	}
	const at = "overlay.d/05a/statoverride:"
	run(t, []lintCase{
		{name: "good", files: modes("# a comment\n\n=288 /etc/ä.conf\n  =448  /etc/b/\n+73 /etc/b/c.conf\n")},
		{name: "no path", files: modes("=288\n"), want: []string{at + "1:1: error[CF020]: want =MODE /path"}},
		{name: "leading zero", files: modes("=0440 /etc/ä.conf\n"), want: []string{at + "1:2: error[CF021]: the mode 0440 is octal, modes are decimal here => 288"}},
		{name: "0o", files: modes("=0o440 /etc/ä.conf\n"), want: []string{at + "1:2: error[CF021]: the mode 0o440 is octal, modes are decimal here => 288"}},
		{name: "octal too large for decimal", files: modes("=4755 /usr/bin/s\n"), want: []string{at + "1:2: error[CF021]: the mode 4755 is octal, modes are decimal here => 2541"}},
		{name: "octal without a zero", files: modes("# x\n =755 /etc/ä.conf\n"), want: []string{at + "2:3: error[CF021]: modes are decimal here: 755 is 01363 => 493"}},
		{name: "octal that could be meant", files: modes("=400 /etc/ä.conf\n"), want: []string{at + "1:2: warning[CF021]: modes are decimal here: 400 is 0620 => 256"}},
		{name: "too large", files: modes("=99999 /etc/ä.conf\n"), want: []string{at + "1:2: error[CF020]: the mode 99999 is larger than 4095, which is 07777"}},
		{name: "symbolic", files: modes("=u+s /etc/ä.conf\n"), want: []string{at + `1:2: error[CF020]: the mode "u+s" is no decimal number`}},
		{name: "relative", files: modes("=288 etc/ä.conf\n"), want: []string{at + `1:6: error[CF020]: the path "etc/ä.conf" does not begin with / => /etc/ä.conf`}},
		{name: "not there", files: modes("=288 /etc/ä.cnf\n=288 /usr/etc/b/c.conf\n=288 /nothing\n=288 /etc/ä.conf # mine\n"), want: []string{
			at + "1:6: error[CF020]: the overlay has no /etc/ä.cnf => /etc/ä.conf",
			at + "2:6: error[CF020]: the overlay has no /usr/etc/b/c.conf => /etc/b/c.conf",
			at + "3:6: error[CF020]: the overlay has no /nothing",
			at + "4:6: error[CF020]: the overlay has no /etc/ä.conf # mine",
		}},
		{name: "twice", files: modes("=288 /etc/ä.conf\n=256 /etc/ä.conf\n"), want: []string{at + "2:6: warning[CF023]: the mode of /etc/ä.conf is also set on line 1"}},
		{name: "surprising", files: modes("=438 /etc/ä.conf\n=416 /etc/b\n=2541 /usr/bin/s\n=420 /etc/l\n=383 /etc/b/c.conf\n"), want: []string{
			at + "1:2: warning[CF022]: everybody may write to /etc/ä.conf: 0666",
			at + "2:2: warning[CF022]: the directory /etc/b becomes 0640",
			at + "3:2: warning[CF022]: the script /usr/bin/s becomes 04755",
			at + "4:2: warning[CF022]: /etc/l is a link, and a link has no mode of its own",
			at + "5:2: warning[CF022]: everybody may write to /etc/b/c.conf: 0577",
		}},
	})
}

func TestOverlays(t *testing.T) {
	run(t, []lintCase{
		{name: "order by name", files: map[string]string{"overlay.d/5b/usr/x": "", "overlay.d/10a/usr/y": "", "overlay.d/core/usr/z": "", "overlay.d/README.md": "x"}, want: []string{
			"overlay.d/5b: warning[CF030]: the overlay 5b is applied after 10a",
			"overlay.d/core: info[CF030]: the overlay core has no two digits before its name",
		}},
		{name: "order of the treefile", files: map[string]string{
			"manifest.yaml":       "ostree-layers:\n  - overlay/10a\n  - overlay/05b\n  - overlay/10a\n",
			"overlay.d/05b/usr/x": "", "overlay.d/10a/usr/y": "",
		}, want: []string{
			"manifest.yaml:3:5: info[CF030]: the overlay 05b is applied after 10a, whose number is higher",
			"manifest.yaml:4:5: warning[CF030]: overlay/10a stands twice, the first time at manifest.yaml:2",
		}},
		{name: "unused", files: map[string]string{
			"manifest.yaml":       "ostree-layers: [overlay/05a]\nconditional-include:\n  - {if: basearch == \"s390x\", include: {ostree-layers: [overlay/20c]}}\n",
			"overlay.d/05a/usr/x": "", "overlay.d/10b/usr/x": "", "overlay.d/20c/usr/x": "", "overlay.d/30d/usr/x": "",
			"manifest-dev.yaml": "include: manifest.yaml\nostree-override-layers: [overlay/30d]\n",
		}, want: []string{"overlay.d/10b: warning[CF071]: the overlay 10b is not used"}},
		{name: "conflicts", files: map[string]string{
			"overlay.d/05a/etc/same": "x", "overlay.d/10b/usr/etc/same": "x",
			"overlay.d/05a/etc/other": "x", "overlay.d/10b/etc/other": "y",
			"overlay.d/05a/usr/bin/m*": "#!/bin/sh\n", "overlay.d/10b/bin/m": "#!/bin/sh\n",
			"overlay.d/05a/usr/t/f": "x", "overlay.d/10b/usr/t": "x",
			"overlay.d/05a/usr/l": "-> a", "overlay.d/10b/usr/l": "-> b",
		}, want: []string{
			"overlay.d/10b/bin: info[CF032]: /bin is a link to /usr/bin",
			"overlay.d/10b/bin/m: warning[CF006]: /usr/bin/m is not executable",
			"overlay.d/10b/bin/m: error[CF031]: /usr/bin/m is also in the overlay 05a, with different modes",
			"overlay.d/10b/etc/other: error[CF031]: /etc/other is also in the overlay 05a, with different content",
			"overlay.d/10b/usr/l: error[CF031]: /usr/l is also in the overlay 05a, with different targets",
			"overlay.d/10b/usr/t: error[CF031]: /usr/t is also in the overlay 05a, with different types",
		}},
		{name: "override", files: map[string]string{
			"manifest.yaml":           "ostree-layers: [overlay/05a]\nostree-override-layers: [overlay/10b]\n",
			"overlay.d/05a/etc/other": "x", "overlay.d/10b/etc/other": "y",
		}},
		{name: "lost", files: map[string]string{
			"overlay.d/05a/var/lib/x/a": "", "overlay.d/05a/var/lib/x/b": "", "overlay.d/05a/root/.ssh/k": "", "overlay.d/05a/opt/x": "",
			"overlay.d/05a/usr/local/bin/y*": "#!/bin/sh\n", "overlay.d/05a/boot/z": "", "overlay.d/05a/run/dir/-": "-> /x", "overlay.d/05a/data/kept": "",
			"overlay.d/05a/README.md": "x", "overlay.d/05a/stat-override": "x", "overlay.d/05a/ect/passwd": "",
		}, want: []string{
			"overlay.d/05a/README.md: warning[CF032]: this becomes /README.md on every machine",
			"overlay.d/05a/boot/z: warning[CF032]: /boot/z is not part of the system",
			"overlay.d/05a/ect: warning[CF032]: this becomes /ect => etc",
			"overlay.d/05a/opt/x: warning[CF032]: /opt/x is not part of the system",
			"overlay.d/05a/root/.ssh/k: warning[CF032]: /root/.ssh/k is not part of the system",
			"overlay.d/05a/run/dir/-: warning[CF032]: /run/dir/- is not part of the system",
			"overlay.d/05a/stat-override: warning[CF032]: this becomes /stat-override",
			"overlay.d/05a/usr/local/bin/y: warning[CF032]: /usr/local/bin/y is not part of the system",
			"overlay.d/05a/var/lib/x/a: warning[CF032]: /var/lib/x/a and 1 more below /var are not part of the system",
		}},
		{name: "opt-usrlocal root", files: map[string]string{
			"manifest.yaml": "opt-usrlocal: root\n", "overlay.d/05a/opt/x": "", "overlay.d/05a/usr/local/bin/y*": "",
		}},
		{name: "left over", files: map[string]string{
			"overlay.d/05a/etc/a~": "", "overlay.d/05a/etc/.b.swp": "", "overlay.d/05a/etc/c.orig": "", "overlay.d/05a/usr/empty/.gitkeep": "",
		}, want: []string{
			"overlay.d/05a/etc/.b.swp: warning[CF033]: /etc/.b.swp looks like what a program left behind, and is shipped",
			"overlay.d/05a/etc/a~: warning[CF033]: /etc/a~ looks like what a program left behind, and is shipped",
			"overlay.d/05a/etc/c.orig: warning[CF033]: /etc/c.orig looks like what a program left behind, and is shipped",
			"overlay.d/05a/usr/empty/.gitkeep: info[CF033]: /usr/empty/.gitkeep is shipped",
		}},
		{name: "links", files: map[string]string{
			"overlay.d/05a/usr/lib/a": "-> ../../etc/x", "overlay.d/05a/usr/lib/b": "-> ../../../etc/x",
			"overlay.d/05a/usr/lib/c": "-> /srv/config/overlay.d/05a/usr/lib/a", "overlay.d/05a/usr/lib/d": "-> /usr/lib/x",
			"overlay.d/05a/usr/lib/e": "-> ./e", "overlay.d/05a/etc/systemd/system/m.service": "-> /dev/null",
		}, want: []string{
			"overlay.d/05a/usr/lib/b: warning[CF034]: the link ../../../etc/x climbs out of the root",
			"overlay.d/05a/usr/lib/c: warning[CF034]: the link leads to /srv/config/overlay.d/05a/usr/lib/a, which is a place of this machine and not of the target",
			"overlay.d/05a/usr/lib/e: warning[CF034]: the link leads to itself",
		}},
		{name: "names", files: map[string]string{
			"overlay.d/05a/etc/sudoers.d/10-x.conf": "x", "overlay.d/05a/etc/sudoers.d/10-y": "x",
			"overlay.d/05a/usr/lib/systemd/system/x.service.d/override": "x", "overlay.d/05a/usr/lib/systemd/system/README": "x",
			"overlay.d/05a/usr/lib/systemd/system/y.sevice": "x", "overlay.d/05a/usr/lib/sysctl.d/z.cfg": "x",
			"overlay.d/05a/usr/lib/systemd/network/10.netwrok": "x", "overlay.d/05a/usr/lib/systemd/journald.conf.d/x": "x",
			"overlay.d/05a/etc/cron.daily/x.sh*": "#!/bin/sh\n", "overlay.d/05a/etc/containers/registries.conf.d/a.conf": "x",
		}, want: []string{
			"overlay.d/05a/etc/cron.daily/x.sh: info[CF035]: run-parts may skip files that have a dot in their name",
			"overlay.d/05a/etc/sudoers.d/10-x.conf: warning[CF035]: sudo skips files of sudoers.d that have a dot in their name",
			"overlay.d/05a/usr/lib/sysctl.d/z.cfg: warning[CF035]: files of /usr/lib/sysctl.d are only read when their name ends in .conf",
			"overlay.d/05a/usr/lib/systemd/journald.conf.d/x: warning[CF035]: files of /usr/lib/systemd/journald.conf.d are only read when their name ends in .conf",
			"overlay.d/05a/usr/lib/systemd/network/10.netwrok: warning[CF035]: files of /usr/lib/systemd/network are only read when their name ends in one of .network .netdev .link",
			"overlay.d/05a/usr/lib/systemd/system/x.service.d/override: warning[CF035]: files of /usr/lib/systemd/system/x.service.d are only read when their name ends in .conf",
			"overlay.d/05a/usr/lib/systemd/system/y.sevice: warning[CF035]: files of /usr/lib/systemd/system are only read when their name ends like a unit (.service, .mount, …)",
		}},
	})
}

func TestUnits(t *testing.T) {
	const unit = "overlay.d/05a/usr/lib/systemd/system/x.service"
	run(t, []lintCase{
		{name: "good", files: map[string]string{
			unit: "# c\n[Unit]\nDescription=ä\n\n[Service]\nExecStart=/bin/sh -c 'a \\\n  # comment in between\n  b'\n; c\n[X-Own]\nA=b\n[Install]\nWantedBy=a\n",
			"overlay.d/05a/usr/lib/systemd/system/x.timer.d/a.conf":  "[Timer]\nOnBootSec=1\n",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/dev.swap":    "[Swap]\nWhat=/dev/x\n",
			"overlay.d/05a/usr/lib/dracut/modules.d/50x/any.conf":    "a b c\n",
			"overlay.d/05a/usr/lib/systemd/user/a@.target":           "[Unit]\nA=\n",
			"overlay.d/05a/usr/lib/systemd/system/no-section.slice":  "",
			"overlay.d/05a/usr/lib/systemd/system/cont.service":      "[Service]\nExecStart=a \\\\\nExecStop=b\n",
			"overlay.d/05a/usr/lib/systemd/system/emptyline.service": "[Service]\nExecStart=a \\\n\n[Install]\n",
		}},
		{name: "slips", files: map[string]string{
			unit: "Description=x\n[Servce]\nExecStart=/x\n [Timer]\nthis is nothing\n[Install\n",
			"overlay.d/05a/usr/lib/systemd/system/x.mount.d/a.conf": "[Service]\n",
			"overlay.d/05a/etc/systemd/system/y.service":            "[Service]\nExecStart=/y\n",
		}, want: []string{
			"overlay.d/05a/etc/systemd/system/y.service: info[CF036]: units of the system belong in usr/lib/systemd/system",
			"overlay.d/05a/usr/lib/systemd/system/x.mount.d/a.conf:1:1: warning[CF036]: a mount unit has no section [Service], systemd ignores it",
			unit + ":1:1: warning[CF036]: Description stands before the first section, systemd ignores it",
			unit + ":2:1: warning[CF036]: a service unit has no section [Servce], systemd ignores it => [Service]",
			unit + ":4:2: warning[CF036]: a service unit has no section [Timer], systemd ignores it",
			unit + ":5:1: warning[CF036]: this line is neither a section nor KEY=VALUE, systemd ignores it",
			unit + ":6:1: warning[CF036]: the section has no closing ]",
		}},
	})
}

func TestSysusersAndTmpfiles(t *testing.T) {
	const users, temp = "overlay.d/05a/usr/lib/sysusers.d/x.conf", "overlay.d/05a/usr/lib/tmpfiles.d/x.conf"
	run(t, []lintCase{
		{name: "good", files: map[string]string{
			users: "# c\nu a\nu b 12:13 \"B b\" /var/b /sbin/nologin\nu! c - -\ng d - -\nm a d\nr - 500-900\n  u e -:grp 'E e' - -\n",
			temp:  "d /run/x 0755 root root 10d -\n  L+ /etc/x - - - - ../y z\nC! %t/y ~:2755\nw- /sys/x - - - - it's\nf^ /x - - - - c\nd \"/a b\"\n",
		}},
		{name: "sysusers", files: map[string]string{users: "x a\nu\nm a\nr a 1\nu ä - B b /var/b /bin/sh\ng a 1 x\nu a - \"x\nu a - - - - more\n"}, want: []string{
			users + `:1:1: error[CF037]: no line of sysusers.d begins with "x"`,
			users + ":2:1: error[CF037]: the name is missing",
			users + ":3:1: error[CF037]: the group is missing",
			users + ":4:3: error[CF037]: an r line has no name",
			users + ":5:18: error[CF037]: a line has at most 6 fields, this is one too many",
			users + ":6:7: error[CF037]: a g line has 3 fields, this is one too many",
			users + ":7:1: error[CF037]: a quote is not closed",
			users + ":8:13: error[CF037]: a line has at most 6 fields, this is one too many",
		}},
		{name: "tmpfiles", files: map[string]string{temp: "k /x\ndd /x\nd\nd run/x\nd /x rwx\nd /x 0999\n"}, want: []string{
			temp + `:1:1: warning[CF038]: no line of tmpfiles.d begins with "k"`,
			temp + `:2:1: warning[CF038]: the type "dd" has more than one letter`,
			temp + ":3:1: warning[CF038]: the path is missing",
			temp + ":4:3: warning[CF038]: the path run/x is not absolute => /run/x",
			temp + ":5:6: warning[CF038]: the mode rwx is no octal number",
			temp + ":6:6: warning[CF038]: the mode 0999 is no octal number",
		}},
	})
}

// TestNothingIsOpened: pipes and sockets block nobody, links are not followed,
// what cannot be read is said.
func TestNothingIsOpened(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "config")
	key := "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
	write(t, root, map[string]string{
		"outside/key.pem": key, "outside/x.repo": "[x]\n",
		"config/manifest.yaml": "packages: [bash]\n", "config/out": "-> ../outside", "config/out.pem": "-> ../outside/key.pem",
		"config/x.repo": "-> ../outside/x.repo", "config/in.repo": "-> repos/in.txt", "config/repos/in.txt": "[in]\n",
		"config/.git/key.pem": key, "config/loop": "-> .",
		"config/overlay.d/05a/etc/x": "",
	})
	if err := syscall.Mkfifo(filepath.Join(dir, "overlay.d/05a/etc/pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	socket, err := lc.Listen(t.Context(), "unix", filepath.Join(dir, "s.repo"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	want := []string{
		"in.repo:1:2: error[CF045]: the repository in has neither baseurl nor metalink nor mirrorlist",
		"overlay.d/05a/etc/pipe: error[CF039]: this is neither file, directory nor link",
	}
	if os.Geteuid() != 0 {
		secret := filepath.Join(dir, "secret.yaml")
		if err := os.WriteFile(secret, []byte(key), 0); err != nil {
			t.Fatal(err)
		}
		want = append(want, "secret.yaml: warning[CF001]: this cannot be read, so it was not checked: permission denied")
	}
	if diff := cmp.Diff(want, brief(Check(t.Context(), config(t, dir, dir)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
