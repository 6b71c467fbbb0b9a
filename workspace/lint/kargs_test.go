package lint

import (
	"testing"
)

func TestKargs(t *testing.T) {
	run(t, []lintCase{
		{name: "good", files: map[string]string{
			"image.yaml": "extra-kargs: [mitigations=auto, quiet, rw, zswap.enabled=1, my_driver.foo=1, nosmp, rd.dm=0, " +
				"systemd.unified-cgroup-hierarchy=1, unkown, init=/x, console=ttyPS0, console=tty0, rd.luks.name=a, rd.luks.name=b]\n",
			"platforms.yaml": "x86_64:\n  qemu:\n    kernel_arguments: [console=tty0, 'console=ttyS0,115200n8', console=hvc0]\naarch64:\n  metal:\n    kernel_arguments: [console=ttyAMA0]\n",
		}},
		{name: "slips", files: map[string]string{
			"image.yaml":      "include: image-base.yaml\nextra-kargs:\n  - consle=tty0\n  - 'ä=1 systemd.unt=x'\n",
			"image-base.yaml": "extra-kargs: [ignition.platfrom.id=x, Quiet]\nignition-network-kcmdline: [rd.neednt=1]\n",
			"platforms.yaml":  "x86_64:\n  qemu:\n    kernel_arguments:\n      - mitigation=auto\n",
		}, want: []string{
			"image-base.yaml:1:15: warning[CF050]: no kernel argument is called ignition.platfrom.id => ignition.platform.id",
			"image-base.yaml:1:39: warning[CF050]: no kernel argument is called Quiet => quiet",
			"image-base.yaml:2:29: warning[CF050]: no kernel argument is called rd.neednt => rd.neednet",
			"image.yaml:3:5: warning[CF050]: no kernel argument is called consle => console",
			"image.yaml:4:5: info[CF054]: these are 2 kernel arguments in one item",
			"image.yaml:4:10: warning[CF050]: no kernel argument is called systemd.unt => systemd.unit",
			"platforms.yaml:4:9: warning[CF050]: no kernel argument is called mitigation => mitigations",
		}},
		{name: "the build's own and contradictions", files: map[string]string{
			"image.yaml":     "extra-kargs: [root=LABEL=a, ignition.firstboot, ostree=x, ro]\n",
			"platforms.yaml": "x86_64:\n  qemu:\n    kernel_arguments: [root=LABEL=b, rw]\n  metal:\n    kernel_arguments: [root=LABEL=a]\n",
		}, want: []string{
			"image.yaml:1:29: warning[CF052]: ignition.firstboot is set by the build",
			"image.yaml:1:49: warning[CF052]: ostree is set by the build",
			"platforms.yaml:3:24: warning[CF051]: root=LABEL=b contradicts root=LABEL=a of image.yaml:1",
			"platforms.yaml:3:38: warning[CF051]: rw contradicts ro of image.yaml:1",
		}},
		{name: "consoles", files: map[string]string{
			"image.yaml":     "extra-kargs: [console=ttyS, console=ttySO]\n",
			"platforms.yaml": "x86_64:\n  qemu:\n    kernel_arguments: [console=ttyAMA0, console=ttS0, console=ttysclp0]\n",
		}, want: []string{
			"image.yaml:1:23: warning[CF053]: the console ttyS has no number => ttyS0",
			"image.yaml:1:37: warning[CF053]: the console ttySO ends in the letter O => ttyS0",
			"platforms.yaml:3:32: warning[CF053]: no machine of x86_64 has the console ttyAMA0",
			"platforms.yaml:3:49: warning[CF053]: no console is called ttS0 => ttyS0",
			"platforms.yaml:3:63: warning[CF053]: no machine of x86_64 has the console ttysclp0",
		}},
		{name: "bootc", files: map[string]string{
			"overlay.d/05a/usr/lib/bootc/kargs.d/10.toml": "# kargs = [\"consle\"]\nmatch-architectures = [\"x86_64\"]\nkargs = [\"consle=tty0\",\n  'quiett']\n",
		}, want: []string{
			"overlay.d/05a/usr/lib/bootc/kargs.d/10.toml:3:11: warning[CF050]: no kernel argument is called consle => console",
			"overlay.d/05a/usr/lib/bootc/kargs.d/10.toml:4:4: warning[CF050]: no kernel argument is called quiett => quiet",
		}},
		{name: "broken files are others'", files: map[string]string{"image.yaml": "extra-kargs: [\n", "platforms.yaml": "- a\n"}},
	})
}

func TestKargTables(t *testing.T) {
	for _, name := range append(wellKnownKargs(), rareKargs()...) {
		if near := nearKarg(name); near != "" {
			t.Errorf("%s is taken for a slip of %s", name, near)
		}
	}
}

func TestRemovals(t *testing.T) {
	run(t, []lintCase{
		{name: "real ones", files: map[string]string{"manifest.yaml": "remove-from-packages:\n  - [grub2-tools, /etc/grub.d/08_fallback_counting, /usr/lib/systemd/.*, usr/share/doc]\n  - [x, ^/usr/etc/x, foo$]\n"}},
		{name: "wrong ones", files: map[string]string{"manifest.yaml": "remove-from-packages:\n  - [a, ^/etc/x, ^etc/y, '/usr/z ', ^/opt/q]\n  - [b, '', .*]\n"}, want: []string{
			`manifest.yaml:2:9: warning[CF010]: remove-from-packages: no path of a matches "^/etc/x" => ^/usr/etc/x`,
			`manifest.yaml:2:18: warning[CF010]: remove-from-packages: no path of a matches "^etc/y" => ^/etc/y`,
			`manifest.yaml:2:26: warning[CF010]: remove-from-packages: no path of a matches "/usr/z " => "/usr/z"`,
			`manifest.yaml:2:37: warning[CF010]: remove-from-packages: no path of a matches "^/opt/q" => ^/usr/lib/opt/q`,
			"manifest.yaml:3:9: warning[CF010]: remove-from-packages: an empty pattern matches every file of b",
			"manifest.yaml:3:13: info[CF010]: remove-from-packages: every file of b is removed",
		}},
	})
}

func TestUnreached(t *testing.T) {
	run(t, []lintCase{
		{name: "all forms of include", files: map[string]string{
			"manifest.yaml": "variables: {x: 1}\ninclude: [a/a.yaml]\narch-include:\n  s390x: a/s390x.yaml\n  aarch64: [a/arm.yaml]\n" +
				"conditional-include:\n  - if: x == 2\n    include: a/no.yaml\n",
			"a/a.yaml": "include: b.json\n", "a/b.json": "{\"comment\": 1, \"packages\": []}", "a/s390x.yaml": "packages: []\n",
			"a/arm.yaml": "include: deep.yaml\n", "a/deep.yaml": "packages: []\n", "a/no.yaml": "packages: []\n",
			"manifest-dev.yaml": "include: a/dev.yaml\n", "a/dev.yaml": "packages: []\n", "other.yaml": "ref: x\ninclude: a/other.yml\n", "a/other.yml": "units: [x]\n",
		}},
		{name: "something else", files: map[string]string{
			"image-base.yaml": "include: x\n", "platforms.yaml": "{}\n", "extensions.yaml": "packages: []\n", "kola-denylist.yaml": "- pattern: x\n",
			"manifest-lock.x86_64.json": "{\"packages\": {\"a\": {\"evra\": \"1-1.x86_64\"}}}", "lock.json": "{\"packages\": {}}", ".gitlab-ci.yml": "include: x\nvariables: {}\n",
			"tests/x.yaml": "packages: []\n", "overlay.d/05a/etc/x.yaml": "packages: []\n", "ci/x.yaml": "variables: {}\n", "x.bu": "a: b\n", "conf.yaml": "packages: []\nother: 1\n",
			"broken.yaml": "packages: [\n", "empty.yaml": "",
		}},
		{name: "unreached", files: map[string]string{
			"a/old.yaml": "packages-x86_64: [x]\nboot_location: new\n", "old.json": "{\"units\": []}", "a/manifest-x.yaml": "packages: []\n",
		}, want: []string{
			"a/manifest-x.yaml: info[CF070]: no treefile includes this one",
			"a/old.yaml: info[CF070]: no treefile includes this one",
			"old.json: info[CF070]: no treefile includes this one",
		}},
		{name: "through a link", files: map[string]string{"manifest.yaml": "include: base.yaml\n", "base.yaml": "-> parts/real.yaml", "parts/real.yaml": "packages: []\n"}},
	})
}
