package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nestos/nosa/workspace/manifest"
	"github.com/nestos/nosa/workspace/rpmmd"
)

// A rpm-ostree for tests: it takes the command line of the real one and nothing else, looks for
// packages in the .repo files beside the manifest (file: URLs, requirements by name), prints what the
// real one prints into a pipe, and makes a real commit of layers, packages' names and scripts. It is
// in the PATH of the scripts of testdata. The real one has never been run by these tests.

// fakeCompose is one run.
type fakeCompose struct {
	opts  map[string]string
	flags map[string]bool
	m     *manifest.Manifest
	repos map[string]string // id → directory, of the enabled ones
	picks []rpmmd.Package
	from  map[string]string // package's name → directory
}

// fakeRPMOSTree is the program. It ends at once: os.Exit would sleep for a second under the race detector, whose
// settings nosa does not pass on.
func fakeRPMOSTree() { syscall.Exit(fakeRPMOSTreeMain()) }

func fakeRPMOSTreeMain() int {
	if slices.Equal(os.Args[1:], []string{"--version"}) {
		fmt.Println("rpm-ostree:\n Version: '2024.4'\n Git: 0000000000000000000000000000000000000000\n Features:\n  - rust\n  - compose\n  - container\n  - fedora-integration")
		return 0
	}
	f := &fakeCompose{opts: map[string]string{}, flags: map[string]bool{}, repos: map[string]string{}, from: map[string]string{}}
	if err := f.run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error: "+err.Error())
		return 1
	}
	return 0
}

func (f *fakeCompose) run(args []string) error {
	if err := f.parse(args); err != nil {
		return err
	}
	if err := f.surroundings(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "rpm-ostree version: 2024.4")
	for _, step := range []func() error{f.load, f.enable, f.resolve, f.lockfile} {
		if err := step(); err != nil {
			return err
		}
	}
	hash, err := f.inputHash()
	if err != nil {
		return err
	}
	fmt.Println("Input state hash: " + hash)
	if f.unchanged(hash) {
		fmt.Println("No apparent changes since previous commit; use --force-nocache to override")
		return nil
	}
	if err := f.download(); err != nil {
		return err
	}
	if f.flags["download-only"] {
		fmt.Println("--dry-run complete; exiting")
		return nil
	}
	return f.compose(hash)
}

// parse takes the options that the real program has, and refuses others.
func (f *fakeCompose) parse(args []string) error {
	if len(args) < 3 || args[0] != "compose" || args[1] != "tree" {
		return fmt.Errorf("unknown command %q", args)
	}
	flags := []string{"unified-core", "cache-only", "force-nocache", "download-only", "no-parent", "ex-lockfile-strict"}
	values := []string{
		"repo", "cachedir", "proxy", "ex-lockfile", "ex-write-lockfile-to", "previous-commit", "parent", "add-metadata-from-json", "write-composejson-to", "touch-if-changed",
	}
	for _, arg := range args[2 : len(args)-1] {
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		switch {
		case strings.HasPrefix(arg, "--") && !hasValue && slices.Contains(flags, name):
			f.flags[name] = true
		case strings.HasPrefix(arg, "--") && hasValue && slices.Contains(values, name):
			f.opts[name] = value
		default:
			return fmt.Errorf("Unknown option %s", arg) //nolint:staticcheck // GLib's words
		}
	}
	f.opts["treefile"] = args[len(args)-1]
	if f.opts["repo"] == "" || !f.flags["unified-core"] {
		return errors.New("--repo must be specified")
	}
	return nil
}

// surroundings are what nosa promises: an umask, an environment of its own.
func (f *fakeCompose) surroundings() error {
	if mask := syscall.Umask(0o022); mask != 0o022 {
		return fmt.Errorf("umask is %o", mask)
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "RPMOSTREE_") || strings.HasPrefix(v, "LC_ALL=") && v != "LC_ALL=C.UTF-8" {
			return fmt.Errorf("the environment has %s", v)
		}
	}
	if os.Getenv("SOURCE_DATE_EPOCH") == "" {
		return errors.New("no SOURCE_DATE_EPOCH")
	}
	return nil
}

func (f *fakeCompose) load() error {
	m, found := manifest.Load(f.opts["treefile"], manifest.Options{Arch: "x86_64"})
	if found.HasErrors() {
		return fmt.Errorf("Parsing %s: serde-yaml: %w", f.opts["treefile"], found.Err()) //nolint:staticcheck // its words
	}
	f.m = m
	for _, layer := range append(slices.Clone(m.Layers), m.OverrideLayers...) {
		if _, err := os.Stat(filepath.Join(f.opts["repo"], "refs/heads", layer.Text)); err != nil {
			return fmt.Errorf("Refspec '%s' not found", layer.Text) //nolint:staticcheck // its words
		}
	}
	return nil
}

// enable reads the .repo files beside the manifest.
func (f *fakeCompose) enable() error {
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(f.opts["treefile"]), "*.repo"))
	known := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		id := ""
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if rest, ok := strings.CutPrefix(line, "["); ok {
				id = strings.TrimSuffix(rest, "]")
			}
			if url, ok := strings.CutPrefix(line, "baseurl=file://"); ok {
				known[id] = url
			}
		}
	}
	wanted := []string{}
	for _, r := range f.m.Repos {
		wanted = append(wanted, r.Text)
	}
	if f.opts["ex-lockfile"] != "" {
		for _, r := range f.m.LockfileRepos {
			wanted = append(wanted, r.Text)
		}
	}
	for id, dir := range known {
		if len(wanted) == 0 || slices.Contains(wanted, id) {
			f.repos[id] = dir
		}
	}
	for _, id := range wanted {
		if known[id] == "" {
			return fmt.Errorf("Unknown rpm-md repository: %s", id) //nolint:staticcheck // its words
		}
	}
	var ids []string
	for id := range f.repos {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	fmt.Println("Enabled rpm-md repositories: " + strings.Join(ids, " "))
	for _, id := range ids {
		if _, err := os.Stat(filepath.Join(f.repos[id], "repodata")); err != nil {
			return fmt.Errorf("Updating rpm-md repo '%s': cannot update repo '%s': Cannot download repomd.xml: no file", id, id) //nolint:staticcheck // its words
		}
	}
	fmt.Println("Importing rpm-md...done")
	return nil
}

// resolve picks the newest package of each name, and what it requires.
func (f *fakeCompose) resolve() error {
	pins, err := f.pins()
	if err != nil {
		return err
	}
	best := map[string]rpmmd.Package{}
	for id, dir := range f.repos {
		list, err := rpmmd.ReadRepo(dir)
		if err != nil {
			return err
		}
		for _, p := range list {
			pin, pinned := pins[p.Name]
			if pinned && pin.EVRA != p.EVRA() || !pinned && f.flags["ex-lockfile-strict"] {
				continue
			}
			if old, ok := best[p.Name]; !ok || old.Compare(p.NEVRA) < 0 {
				best[p.Name], f.from[p.Name] = p, f.repos[id]
				if _, err := os.Stat(filepath.Join(dir, p.Location)); err != nil { // overrides/rpm by its base URL
					f.from[p.Name] = filepath.Join(dir, "..", "..", "overrides", "rpm")
				}
			}
		}
	}
	var todo, missing []string
	for _, i := range f.m.Packages {
		todo = append(todo, i.Text)
	}
	seen := map[string]bool{}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		p, ok := best[name]
		if !ok {
			missing = append(missing, name)
			continue
		}
		f.picks = append(f.picks, p)
		for _, need := range p.Requires {
			if _, ok := best[need.Name]; !ok && !strings.Contains(need.Name, "(") && !strings.HasPrefix(need.Name, "/") {
				return fmt.Errorf("Could not depsolve transaction; 1 problem detected:\n Problem: conflicting requests\n  - nothing provides %s needed by %s from base", need.Name, p.NEVRA) //nolint:staticcheck // its words
			}
			todo = append(todo, need.Name)
		}
		todo = slices.DeleteFunc(todo, func(n string) bool { return strings.Contains(n, "(") || strings.HasPrefix(n, "/") })
	}
	if len(missing) > 0 {
		return fmt.Errorf("Packages not found: %s", strings.Join(missing, ", ")) //nolint:staticcheck // its words
	}
	slices.SortFunc(f.picks, func(a, b rpmmd.Package) int { return a.Compare(b.NEVRA) })
	fmt.Printf("Resolving dependencies...done\nInstalling %d packages:\n", len(f.picks))
	for _, p := range f.picks {
		fmt.Printf("  %s (base)\n", p.NEVRA)
	}
	return nil
}

func (f *fakeCompose) pins() (map[string]rpmmd.Locked, error) {
	if f.opts["ex-lockfile"] == "" {
		return nil, nil
	}
	data, err := os.ReadFile(f.opts["ex-lockfile"])
	if err != nil {
		return nil, err
	}
	l, err := rpmmd.ParseLockfile(data)
	fmt.Println("Loaded lockfiles:\n  " + f.opts["ex-lockfile"])
	return l.Packages, err
}

func (f *fakeCompose) lockfile() error {
	l := rpmmd.Lockfile{Packages: map[string]rpmmd.Locked{}, Metadata: &rpmmd.LockMetadata{Repos: map[string]rpmmd.LockRepo{}}}
	for _, p := range f.picks {
		l.Packages[p.Name] = rpmmd.Locked{EVRA: p.EVRA(), Digest: "sha256:" + p.Checksum.Hex}
	}
	for id := range f.repos {
		l.Metadata.Repos[id] = rpmmd.LockRepo{Generated: "2023-11-14T22:13:20Z"}
	}
	data, err := l.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(f.opts["ex-write-lockfile-to"], data, 0o644)
}

// inputHash is of manifest, scripts, layers' content and packages, not of layers' names, versions or
// .repo files.
func (f *fakeCompose) inputHash() (string, error) {
	h := sha256.New()
	for _, s := range f.m.Postprocess {
		fmt.Fprintln(h, s.Text)
	}
	for _, layer := range append(slices.Clone(f.m.Layers), f.m.OverrideLayers...) {
		out, err := f.ostree("ls", "-RC", layer.Text)
		if err != nil {
			return "", err
		}
		h.Write(out)
	}
	for _, p := range f.picks {
		fmt.Fprintln(h, p.NEVRA, p.Checksum.Hex)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (f *fakeCompose) unchanged(hash string) bool {
	previous := f.opts["previous-commit"]
	if previous == "" || f.flags["force-nocache"] {
		return false
	}
	out, err := f.ostree("show", "--print-metadata-key=rpmostree.inputhash", previous)
	return err == nil && strings.Trim(strings.TrimSpace(string(out)), "'") == hash
}

// download takes packages into the cache; through the proxy that nobody answers it cannot.
func (f *fakeCompose) download() error {
	dir := filepath.Join(f.opts["cachedir"], "pkgcache-repo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var missing []rpmmd.Package
	for _, p := range f.picks {
		if _, err := os.Stat(filepath.Join(dir, p.Checksum.Hex)); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Printf("Will download: %d packages (%d bytes)\n", len(missing), len(missing)*1000)
	if f.opts["proxy"] != "" {
		return errors.New("Curl error (7): Couldn't connect to server") //nolint:staticcheck // its words
	}
	for _, p := range missing {
		name := filepath.Join(f.from[p.Name], p.Location)
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p.Checksum.Hex), data, 0o644); err != nil {
			return err
		}
	}
	fmt.Println("Downloading from 'base'...done\nImporting packages...done")
	return nil
}

func (f *fakeCompose) ostree(command string, args ...string) ([]byte, error) {
	out, err := exec.Command("ostree", append([]string{command, "--repo=" + f.opts["repo"]}, args...)...).Output() //nolint:noctx // a program of its own
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("ostree %s: %s", command, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// compose makes the tree and the commit.
func (f *fakeCompose) compose(hash string) error {
	work, err := os.MkdirTemp(f.opts["cachedir"], "rpm-ostree-compose.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	root := filepath.Join(work, "rootfs")
	if err := f.install(root); err != nil {
		return err
	}
	if err := f.scripts(root); err != nil {
		return err
	}
	fmt.Println("Initializing rootfs\nMoving /usr to target\nCopying toplevel compat symlinks\nNo embedded whiteouts found")
	fmt.Println("Migrating /usr/etc/passwd to /usr/lib/\nMigrating /usr/etc/group to /usr/lib/\nAdding rpm-ostree-0-integration.conf\nPreparing kernel")
	fmt.Println("dracut: Executing: /usr/bin/dracut --reproducible -v --add ostree\nNew passwd entries: adm\nNew group entries: adm")
	return f.commit(root, hash)
}

func (f *fakeCompose) install(root string) error {
	for _, dir := range []string{"usr/share", "usr/etc", "usr/bin", "usr/lib/modules/6.6-fake", "var"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "usr/lib/modules/6.6-fake/vmlinuz"), []byte("kernel"), 0o644); err != nil {
		return err
	}
	for _, p := range f.picks {
		if err := os.WriteFile(filepath.Join(root, "usr/share", p.Name), []byte(p.NEVRA.String()), 0o644); err != nil {
			return err
		}
	}
	fmt.Println("Checking out packages...done\nRunning pre scripts...0 done")
	for _, p := range f.picks {
		switch p.Name { // packages that are made for a test
		case "slow":
			fmt.Println("slow.post: waiting")
			time.Sleep(time.Hour)
		case "badpost":
			fmt.Println("badpost.post: useradd: group wheel does not exist")
			return errors.New("Running %post for badpost: bwrap(/bin/sh): Child process killed by signal 6") //nolint:staticcheck // its words
		case "aborting":
			fmt.Fprintln(os.Stderr, "terminate called after throwing an instance of 'std::runtime_error'\n  what():  Unknown variable reference: ${x}")
			_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
		}
	}
	for _, layer := range append(slices.Clone(f.m.Layers), f.m.OverrideLayers...) {
		if _, err := f.ostree("checkout", "--union", "--user-mode", "--force-copy", layer.Text, root); err != nil {
			return err
		}
	}
	fmt.Println("Running post scripts...done\nRunning posttrans scripts...0 done\nWriting rpmdb...done\nUpdating usr/lib/os-release")
	return nil
}

// scripts runs the manifest's scripts in the tree as their working directory. The programs are those
// of the machine, of which nothing else can be written.
func (f *fakeCompose) scripts(root string) error {
	for i, s := range f.m.Postprocess {
		name := fmt.Sprintf("/usr/bin/rpmostree-postprocess-inline-%d", i)
		if err := os.WriteFile(root+name, []byte(s.Text), 0o755); err != nil { //nolint:gosec // it is run
			return err
		}
		fmt.Printf("Executing `postprocess` inline script '%d'\n", i)
		out, err := exec.Command("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", root, root, //nolint:noctx // a program of its own
			"--unshare-net", "--unshare-pid", "--die-with-parent", "--chdir", root, root+name).CombinedOutput()
		fmt.Print(strings.ReplaceAll(string(out), root, ""))
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return fmt.Errorf("bwrap(%s): Child process killed by signal %d", name, exit.ExitCode())
		}
		if err := errors.Join(err, os.Remove(root+name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeCompose) commit(root, hash string) error {
	metadata := map[string]any{}
	data, err := os.ReadFile(f.opts["add-metadata-from-json"])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &metadata); err != nil {
		return err
	}
	metadata["rpmostree.inputhash"] = hash
	args := []string{"--orphan", "--no-bindings", "--owner-uid=0", "--owner-gid=0", "--tree=dir=" + root, "--timestamp=@" + os.Getenv("SOURCE_DATE_EPOCH")}
	for key, value := range metadata {
		args = append(args, fmt.Sprintf("--add-metadata-string=%s=%v", key, value))
	}
	var list []string
	for _, p := range f.picks {
		list = append(list, fmt.Sprintf("('%s', '%d', '%s', '%s', '%s')", p.Name, p.Epoch, p.NEVRA.Version, p.Release, p.Arch))
	}
	args = append(args, "--add-metadata=rpmostree.rpmdb.pkglist=["+strings.Join(list, ", ")+"]")
	if parent := f.opts["parent"]; parent != "" {
		args = append(args, "--parent="+parent)
	}
	out, err := f.ostree("commit", args...)
	if err != nil {
		return fmt.Errorf("Writing commit: %w", err) //nolint:staticcheck // its words
	}
	sum := strings.TrimSpace(string(out))
	if f.m.Ref != "" {
		if _, err := f.ostree("refs", "--force", "--create="+f.m.Ref, sum); err != nil {
			return err
		}
	}
	fmt.Printf("Committing...done\nMetadata Total: 7\nMetadata Written: 3\nContent Total: 9\nContent Written: 2\nContent Cache Hits: 0\nContent Bytes Written: 100\n%s => %s\n", f.m.Ref, sum)
	result, err := json.Marshal(map[string]any{
		"ref": f.m.Ref, "ostree-n-metadata-total": 7, "ostree-n-metadata-written": 3, "ostree-n-content-total": 9, "ostree-n-content-written": 2,
		"ostree-n-cache-hits": 0, "ostree-content-bytes-written": 100, "ostree-commit": sum, "ostree-version": metadata["version"],
		"ostree-content-checksum": strings.Repeat("0", 64), "ostree-timestamp": "2023-11-14T22:13:20Z", "rpm-ostree-inputhash": hash,
	})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(f.opts["write-composejson-to"], result, 0o644), os.WriteFile(f.opts["touch-if-changed"], nil, 0o644))
}
