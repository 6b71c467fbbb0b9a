package lint

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nestos/nosa/workspace/doc"
)

// karg is a kernel argument and where it stands.
type karg struct {
	name, value string
	at          doc.Origin
}

func newKarg(text string, at doc.Origin) karg {
	name, value, _ := strings.Cut(text, "=")
	return karg{name: name, value: value, at: at}
}

// kargs checks the kernel arguments of image.yaml, platforms.yaml and of the
// overlays' usr/lib/bootc/kargs.d.
func (k *checker) kargs() {
	always := k.imageKargs()
	for _, l := range k.layers {
		for _, f := range l.files {
			if path.Dir(f.rel) == "usr/lib/bootc/kargs.d" {
				always = append(always, bootcKargs(f)...)
			}
		}
	}
	for _, a := range always {
		k.karg(a, "")
	}
	k.contradictions(always)
	k.platformKargs(always)
}

// imageKargs gives those of image.yaml and the files that it includes.
func (k *checker) imageKargs() []karg {
	var list []karg
	name := k.Image
	for range 16 { // workspace.LoadImage reports longer chains
		root := k.yaml(name)
		if root == nil {
			break
		}
		for _, key := range []string{"extra-kargs", "ignition-network-kcmdline"} {
			list = append(list, k.kargList(root.Get(key))...)
		}
		include := root.Get("include")
		if !include.Is(doc.String) || path.IsAbs(include.Text) {
			break
		}
		name = path.Join(path.Dir(name), include.Text)
	}
	return list
}

// yaml parses the file at path, nil if it is not there or is not what it
// should be: others report that.
func (k *checker) yaml(name string) *doc.Node {
	e := k.byPath[path.Clean(name)]
	if e == nil || e.text == "" {
		return nil
	}
	root, ds := doc.Parse(doc.Source{Name: e.name}, []byte(e.text))
	if ds.HasErrors() || root == nil || root.Kind != doc.Map {
		return nil
	}
	return root
}

// kargList splits the items of a list into arguments.
func (k *checker) kargList(n *doc.Node) []karg {
	if n == nil {
		return nil
	}
	var list []karg
	for _, item := range n.Items {
		if !item.Is(doc.String) || strings.ContainsAny(item.Text, "\n'\"") {
			continue
		}
		words := strings.Fields(item.Text)
		if len(words) > 1 {
			k.report(item.Infof(CodeKargSplit, "these are %d kernel arguments in one item", len(words)).
				WithHint("write one an item; an argument cannot contain a blank"))
		}
		from := 0
		for _, word := range words {
			i := from + strings.Index(item.Text[from:], word)
			at := item.Origin
			at.Column += utf8.RuneCountInString(item.Text[:i])
			if item.Quoted {
				at.Column++
			}
			list, from = append(list, newKarg(word, at)), i+len(word)
		}
	}
	return list
}

// platformKargs checks each platform's arguments, alone and with those that all have.
func (k *checker) platformKargs(always []karg) {
	root := k.yaml(k.Platforms)
	if root == nil {
		return
	}
	for _, arch := range root.Entries {
		for _, platform := range arch.Value.Entries {
			list := k.kargList(platform.Value.Get("kernel_arguments"))
			for _, a := range list {
				k.karg(a, arch.Key.Text)
			}
			k.contradictions(slices.Concat(always, list))
		}
	}
}

var tomlText = regexp.MustCompile(`"([^"\\]*)"|'([^']*)'`)

// bootcKargs gives the arguments of a file of kargs.d: kargs = ["a", "b"].
func bootcKargs(f *layerFile) []karg {
	var list []karg
	inside := false
	for i, line := range f.split() {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "#") {
			continue
		}
		start := 0
		if name, _, ok := strings.Cut(text, "="); ok && !inside && strings.TrimSpace(name) == "kargs" {
			inside, start = true, strings.Index(line, "=")
		}
		if !inside {
			continue
		}
		for _, m := range tomlText.FindAllStringSubmatchIndex(line[start:], -1) {
			from, to := max(m[2], m[4]), max(m[3], m[5])
			if word := line[start+from : start+to]; word != "" && !strings.Contains(word, " ") {
				list = append(list, newKarg(word, f.at(i+1, start+from)))
			}
		}
		inside = !strings.Contains(line, "]")
	}
	return list
}

// karg checks one argument. Arch is "" where it is for all.
func (k *checker) karg(a karg, arch string) {
	if why := ownKargs()[a.name]; why != "" {
		k.report(a.at.Warnf(CodeKargOwn, "%s is set by the build", a.name).WithWhy(why).WithHint("remove it"))
		return
	}
	if near := nearKarg(a.name); near != "" {
		k.report(suggest(a.at.Warnf(CodeKarg, "no kernel argument is called %s", a.name), near))
		return
	}
	if a.name == "console" {
		k.console(a, arch)
	}
}

// ownKargs are arguments that every boot entry of the build has.
func ownKargs() map[string]string {
	return map[string]string{
		"ostree":               "it names the deployment and is different in every boot entry",
		"BOOT_IMAGE":           "the boot loader adds it",
		"ignition.firstboot":   "the boot menu adds it to the first boot only; always there, Ignition would run at every boot",
		"ignition.platform.id": "it names the platform of each image",
	}
}

// fold makes one of the two spellings that the kernel takes for the same.
func fold(name string) string { return strings.ReplaceAll(name, "-", "_") }

// nearKarg gives the well-known argument that name is a slip of, "" for one
// that is or may be right.
func nearKarg(name string) string {
	if len(name) < 4 || slices.Contains(rareKargs(), name) {
		return ""
	}
	near := ""
	for _, known := range wellKnownKargs() {
		switch {
		case fold(known) == fold(name):
			return ""
		case strings.EqualFold(known, name), len(known) >= 4 && oneSlip(fold(name), fold(known)):
			near = known
		}
	}
	return near
}

// wellKnownKargs are those that people write, of the kernel
// (admin-guide/kernel-parameters), systemd (kernel-command-line(7)), dracut
// (dracut.cmdline(7)), Ignition, ostree and the installers.
func wellKnownKargs() []string {
	return strings.Fields(`quiet splash root rootfstype rootflags rootwait rootdelay console loglevel panic crashkernel init initrd earlycon
		earlyprintk nomodeset selinux enforcing security apparmor audit lsm mitigations nosmt isolcpus nohz_full rcu_nocbs hugepages
		hugepagesz default_hugepagesz transparent_hugepage iommu intel_iommu amd_iommu pci pcie_aspm acpi noapic nolapic nmi_watchdog
		nowatchdog no_timer_check clocksource maxcpus nr_cpus memmap cgroup_disable cgroup_no_v1 swapaccount swiotlb slub_debug
		page_poison init_on_alloc init_on_free vsyscall spectre_v2 spec_store_bypass_disable l1tf module_blacklist
		modprobe.blacklist net.ifnames biosdevname fips resume noresume fsck.mode fsck.repair ipv6.disable printk.devkmsg log_buf_len
		nokaslr lockdown video vconsole.keymap vconsole.font locale.LANG intel_pstate amd_pstate processor.max_cstate
		intel_idle.max_cstate cpufreq.default_governor nameserver vlan ifname bond bridge bootdev
		systemd.unit systemd.mask systemd.wants systemd.show_status systemd.log_level systemd.log_target
		systemd.unified_cgroup_hierarchy systemd.debug_shell systemd.journald.forward_to_console systemd.volatile systemd.verity
		systemd.machine_id systemd.hostname systemd.default_timeout_start_sec systemd.firstboot systemd.gpt_auto systemd.getty_auto
		systemd.setenv systemd.set_credential systemd.run
		rd.break rd.debug rd.shell rd.neednet rd.multipath rd.luks rd.luks.name rd.luks.uuid rd.luks.key rd.luks.options rd.lvm
		rd.lvm.lv rd.lvm.vg rd.md rd.md.uuid rd.driver.blacklist rd.driver.pre rd.timeout rd.retry rd.emergency rd.systemd.unit
		rd.systemd.show_status rd.iscsi.firmware rd.iscsi.initiator rd.net.timeout.carrier rd.net.timeout.dhcp rd.net.dhcp.retry
		rd.peerdns rd.route rd.udev.log_level rd.znet rd.zfcp rd.dasd rd.live.image rd.info rd.bootif
		ignition.firstboot ignition.platform.id ignition.config.url ignition.config.device ostree.prepare-root.composefs
		coreos.inst.install_dev coreos.inst.ignition_url coreos.inst.stream coreos.inst.image_url coreos.inst.insecure
		coreos.live.rootfs_url nestos.inst.install_dev nestos.inst.ignition_url nestos.inst.stream nestos.inst.image_url
		nestos.live.rootfs_url plymouth.enable cloud-init`)
}

// rareKargs are real ones that differ from a well-known one by one slip.
func rareKargs() []string {
	return []string{"nosmp", "rd.dm", "rd.dm.uuid", "quit", "roots"}
}

// single are arguments of which the last one wins, so that two of them are one too many.
func single() []string {
	return []string{"root", "rootfstype", "init", "systemd.unit", "selinux", "enforcing", "security", "mitigations", "rd.systemd.unit"}
}

// contradictions reports arguments of which only one can be meant.
func (k *checker) contradictions(list []karg) {
	first := map[string]karg{}
	for _, a := range list {
		key := a.name
		if key == "ro" || key == "rw" {
			key, a.value = "ro or rw", a.name
		} else if !slices.Contains(single(), key) {
			continue
		}
		have, ok := first[key]
		if !ok {
			first[key] = a
			continue
		}
		if have.value != a.value {
			k.report(a.at.Warnf(CodeKargTwice, "%s contradicts %s of %s", a.text(), have.text(), have.at.Short()).
				WithWhy("the kernel and the programs take one of the two").WithHint("remove one of them"))
		}
	}
}

func (a karg) text() string {
	if a.name == "ro" || a.name == "rw" || a.value == "" {
		return a.name
	}
	return a.name + "=" + a.value
}

var consoleDevice = regexp.MustCompile(`^(ttyS|ttyAMA|ttyUSB|ttyACM|ttysclp|tty|hvc)([0-9]*)(.*)$`)

// console checks the device of console=DEVICE,OPTIONS.
func (k *checker) console(a karg, arch string) {
	device, _, _ := strings.Cut(a.value, ",")
	at := a.at
	at.Column += utf8.RuneCountInString("console=")
	m := consoleDevice.FindStringSubmatch(device)
	near := oneSlipOf(device, []string{"ttyS0", "ttyAMA0", "tty0", "hvc0", "ttyS1", "tty1"})
	switch {
	case device == "ttyS", device == "hvc", device == "ttyAMA":
		k.report(suggest(at.Warnf(CodeKargConsole, "the console %s has no number", device), device+"0"))
	case strings.HasSuffix(device, "O") && m != nil && m[2] == "" && m[3] == "O":
		k.report(suggest(at.Warnf(CodeKargConsole, "the console %s ends in the letter O", device), strings.TrimSuffix(device, "O")+"0"))
	case m == nil && near != "":
		k.report(suggest(at.Warnf(CodeKargConsole, "no console is called %s", device), near))
	case m != nil && m[1] == "ttyAMA" && slices.Contains([]string{"x86_64", "ppc64le", "s390x"}, arch),
		m != nil && m[1] == "ttysclp" && arch != "s390x" && arch != "":
		k.report(at.Warnf(CodeKargConsole, "no machine of %s has the console %s", arch, device).
			WithHint(map[string]string{"x86_64": "the first serial port is ttyS0", "aarch64": "the first serial port is ttyAMA0"}[arch]))
	}
}
