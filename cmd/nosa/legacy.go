package main

// legacyHow is what became of a word of the original command line.
type legacyHow string

// The fates. Every row but the same ones says more.
const (
	same     legacyHow = "as before"   // it is here, and means the same
	ignored  legacyHow = "no effect"   // it is taken, and what it asks for is so anyway
	spelled  legacyHow = "now"         // it is taken for the flag that Says names
	replaced legacyHow = "use instead" // refused with what does it now
	later    legacyHow = "not yet"     // refused: this version has nothing for it
	never    legacyHow = "left out"    // refused: it has no place in nosa
)

// legacyRow is a command, or options and other words of one, of
// nestos-assembler's and coreos-assembler's command line.
type legacyRow struct {
	Command string // one name or several, separated by spaces
	Words   string // separated by spaces; an option that takes a value ends in =; "" is the command itself
	How     legacyHow
	Says    string
}

// legacyTable is all of it. The unknown-command and unknown-flag answers come
// from here, and so does the list in docs/differences.md.
func legacyTable() []legacyRow {
	return []legacyRow{
		{"init", "", same, ""},
		{"init", "--force --transient -b= --branch= -c= --commit= -V= --variant= --yumrepos= --yumrepos-branch=", same, ""},

		{"fetch", "", same, ""},
		{"fetch", "--strict --update-lockfile --write-lockfile-to=", same, ""},
		{"fetch", "--force", ignored, "fetch always resolves anew"},
		{"fetch", "--with-cosa-overrides", ignored, "overrides/rpm always takes part"},
		{"fetch", "--autolock=", replaced, "copy builds/ID/ARCH/manifest-lock.generated.ARCH.json to src/config/manifest-lock.ARCH.json, then nosa fetch --strict"},
		{"fetch", "--dry-run", replaced, "nosa build --plan says what would become of each step; fetch downloads only what the cache lacks"},

		{"build", "", same, ""},
		{"build", "ostree qemu metal metal4k openstack", same, ""},
		{"build", "-f --force --force-image -F --fetch --strict -t= --tag= --version= --parent=", same, ""},
		{"build", "--force-nocache", spelled, "--force"},
		{"build", "--skip-prune", ignored, "a build removes no other; nosa prune does"},
		{"build", "--delay-meta-merge", ignored, "meta.json is merged under a lock: images of one build can be made side by side"},
		{"build", "--prepare-only", replaced, "nosa build --plan prints the steps, with --engine rpm-ostree -v its command line"},
		{"build", "--parent-build=", replaced, "--parent COMMIT: nosa list prints the commit of every build"},
		{"build", "--skip-config-archive", never, "the archive of the config is a part of every build"},
		{"build", "container", spelled, "ostree"},
		{"build", "secex", never, "it is for s390x; nosa builds x86_64 and aarch64"},
		{"build", "live", replaced, "nosa buildextend-live, when the build is there"},

		{"clean", "", same, ""},
		{"clean", "--all", same, ""},
		{"clean", "-a", replaced, "--all"},

		{"list", "", same, ""},

		{"prune", "", same, ""},
		{"prune", "--dry-run --pkgcache --keep-last-n= --build=", same, ""},
		{"prune", "--workdir=", spelled, "--directory"},

		{"tag", "", same, ""},
		{"tag", "update delete list", same, ""},
		{"tag update", "--tag= --build= --description= --force", same, ""},
		{"tag delete", "--tag= --all", same, ""},
		{"tag update, tag delete, tag list", "--workdir=", spelled, "--directory"},

		{"shell", "", same, ""},

		{"compress, decompress, uncompress", "", same, ""},
		{"compress", "--build= --artifact= --compressor= --mode= --fast", same, ""},
		{"decompress, uncompress", "--build= --artifact=", same, ""},
		{"decompress, uncompress", "--compressor= --fast", ignored, "the name says how a file was compressed"},
		{"decompress, uncompress", "--mode=", replaced, "nosa compress, or nosa decompress"},

		{"meta", "", same, ""},
		{"meta", "--build= --arch= --skip-validation --artifact= --no-clean --get= --get-value= --set= --set-int= --set-bool= --true --false", same, ""},
		{"meta", "--artifact-json= --finalize --dump --image-path=", same, ""},
		{"meta", "--workdir=", spelled, "--directory"},
		{"meta", "--schema=", replaced, "what is written must keep to the schema that nosa has; --skip-validation switches that off"},

		{"buildextend-qemu, buildextend-metal, buildextend-metal4k", "", same, ""},
		{"buildextend-qemu, buildextend-metal, buildextend-metal4k", "--build= --force", same, ""},
		{"buildextend-live", "", same, ""},
		{"buildextend-live", "--build= --force --fast", same, ""},
		{"buildextend-live", "--fixture", never, "it makes an ISO without content, for tests of the installer: nosa's own make what they need"},
		{"buildextend-openstack", "", same, ""},
		{"buildextend-openstack", "--build= --force", same, ""},
		{"buildextend-openstack", "--compress", replaced, "nosa compress --artifact openstack"},
		{"buildextend-openstack", "--log-level=", replaced, "--verbose"},
		{"buildextend-openstack", "--buildroot= --schema=", never, "there is one workspace and one schema"},
		{"buildextend-openstack", "manual --image_format= --image_suffix= --platform= --convert_options= --virtual-size=", replaced, "a row of the table of images and an entry in platforms.yaml, as docs/platforms.md tells"},
		{"buildextend-extensions, buildextend-extensions-container, build-extensions-container", "", later, "extensions.yaml is not read yet"},
		{"buildextend-legacy-oscontainer", "", never, "it is OpenShift's old format; every build has an ociarchive"},
		{"buildextend-secex, buildextend-dasd", "", never, "they are for s390x; nosa builds x86_64 and aarch64"},
		{
			"buildextend-aliyun, buildextend-applehv, buildextend-aws, buildextend-azure, buildextend-azurestack, buildextend-digitalocean, buildextend-exoscale, buildextend-gcp, buildextend-hyperv, buildextend-ibmcloud, buildextend-kubevirt, buildextend-nutanix, buildextend-powervs, buildextend-virtualbox, buildextend-vmware, buildextend-vultr",
			"", never, "NestOS has no images for that platform; docs/platforms.md tells how one is added",
		},
		{"osbuild", "", replaced, "nosa build TARGET… or nosa buildextend-TYPE make the images, without a VM"},
		{"import", "", never, "nosa composes from packages; a build of another tool is copied to builds/ID/ARCH, and is listed at the next build"},

		{"run", "", same, ""},
		{"run", "-m= --memory= --qemu-memory= -i= --ignition= -B= --butane= --ignition-direct --inject-ignition --add-ignition= -c --devshell-console -x= --ssh-command=", same, ""},
		{"run", "-D= --add-disk= --kargs= --firstbootkargs= --qemu-image= --qemu-size= --qemu-drive-opts= --qemu-nvme --qemu-native-4k --qemu-multipath", same, ""},
		{"run", "--qemu-swtpm --qemu-firmware= -U --usernet --usernet-addr= --hostname= --additional-nics= --bind-ro= --bind-rw=", same, ""},
		{"run", "--arch= --auto-cpus --console-to-file= --build=", same, ""},
		{"run", "--workdir=", spelled, "--directory"},
		{"run", "--propagate-initramfs-failure", ignored, "a boot that ends in an emergency shell always ends nosa run -x and the shell over SSH with an error"},
		{"run", "--qemu-iso= --qemu-iso-as-disk --netboot= --netboot-dir=", same, ""},
		{"run", "--qemu-nbd-socket=", replaced, "behind --: QEMU's own -drive file=nbd+unix://…"},
		{"run", "-p= -b=", never, "there is one platform, qemu, and every name of a build may be run"},
		{"run", "--output-dir=", replaced, "tmp/vms/ID has the console and the events of each machine; nosa vms --all lists them"},
		{"kola", "", replaced, "nosa check boots an image and asserts what a base system must be"},
		{"kola", "run run-upgrade rerun list testiso spawn qemuexec bootchart check-console http-server ncpu switch-kernel", replaced, ""},
		{"kola", "--basic-qemu-scenarios --skip-secure-boot --upgrades --build= --output-dir= -p= -E= --exttest= --multiply= --rerun --allow-rerun-success= --tag= --denylist-test= -j= --parallel= --sharding=", replaced, ""},
		{"kola", "--ssh-on-test-failure --on-warn-failure-exit-77 --append-butane= --append-ignition= --no-net --extend-timeout-percentage= --tapfile= --debug-systemd-unit= --basename= --distro=", replaced, ""},
		{"kola-run", "", replaced, "nosa check --artifact qemu"},
		{"kola-run", "-b= --qemu= --iso=", replaced, ""},
		{"test-nestos-installer", "", replaced, "nosa check --artifact install-512 and install-4k"},
		{"virt-install", "", replaced, "virt-install --import --disk path=FILE.qcow2 with libvirt's own program"},
		{"virt-install", "-i= -c= --image= --build= --pool= --name= --instid= --console", replaced, ""},

		{"push-container", "", replaced, "skopeo copy oci-archive:builds/ID/ARCH/NAME-ID-ostree.ARCH.ociarchive docker://REGISTRY/NAME:TAG"},
		{"push-container", "--authfile= --format= --tag-suffix= --image= -d= --dest-repository= --no-tls-verify --transport=", replaced, ""},
		{"copy-container", "", replaced, "skopeo copy, or skopeo sync"},
		{"push-container-manifest", "", replaced, "podman manifest create, add and push, with what skopeo pushed"},
		{"remote-build-container", "", replaced, "podman --remote build"},
		{"remote-session", "", replaced, "run nosa where the workspace is, over ssh; in tmux, for a job ends with its terminal"},
		{"remote-session", "create destroy exec ps sync", replaced, ""},

		{"build-validate", "", same, ""},
		{"build-validate", "--build= --image= --no-checksum", same, ""},
		{"buildfetch", "", replaced, "rsync or curl the files of a build to builds/ID/ARCH; the next build lists it, nosa verify --build ID checks it"},
		{"buildfetch", "--url= --stream= -b= --build= --arch= --artifact= --file= --force --find-build-for-arch --aws-config-file=", replaced, ""},
		{"buildupload", "", replaced, "rsync -a builds/ID USER@HOST:PATH/, then builds/builds.json"},
		{"buildupload", "s3 scp --build= --dry-run --force --artifact= --arch= --skip-builds-json --ssh-key=", replaced, ""},

		{"build-fast", "", replaced, "nosa build: after a change of an overlay it runs only what depends on it, and it is a full build"},
		{"build-fast", "--no-undeploy", replaced, ""},
		{"offline-update", "", replaced, "nosa build makes images with the change in them"},
		{"offline-update", "--build=", replaced, ""},
		{"dev-overlay, dev-synthesize-osupdate, dev-synthesize-osupdatecontainer, buildinitramfs-fast", "", replaced, "nosa build with the change in overrides/rootfs; the original refuses them for NestOS too"},

		{"supermin-shell", "", never, "there is no helper VM"},
		{"basearch", "", replaced, "uname -m"},
		{"generate-release-meta", "", never, "release and stream metadata are the publisher's"},
		{"download-overrides.py", "", replaced, "put the RPMs into overrides/rpm"},
		{"rollout", "", never, "the original only documents it"},
		{"coreos-prune, remote-prune", "", never, "nosa keeps no builds in a cloud; nosa prune is for those that are here"},
		{"update-variant", "", replaced, "nosa init --variant V, or src/config.json"},
		{
			"oc-adm-release, upload-oscontainer, aliyun-replicate, aws-replicate, koji-upload, powervs-replicate, sign",
			"", never, "the original refuses it for NestOS too",
		},
	}
}
