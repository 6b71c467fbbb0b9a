package ostree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LayRequest asks for the deployment of a commit into an empty system.
type LayRequest struct {
	Repo    Repo   // of mode bare-user
	Commit  string // checksum
	Tree    Tree   // of Commit, where it has been read already; the zero value is read here
	Refspec string // REMOTE:REF or REF, what the system upgrades from; empty is the commit itself
	OSName  string // of the stateroot
	Stage   string // becomes the root filesystem; on the repository's filesystem nothing is copied
	Boot    string // becomes the boot filesystem
	Kargs   []string
	Config  string    // further sections of the repository's configuration file
	Time    time.Time // of everything that is not of the commit
	// Label gives the SELinux label of a path that is not of the commit, with its st_mode. It is
	// asked for the path that a policy knows: /var/lib for the stateroot's, /boot/… for Boot's.
	// nil, and a nil label, are no label.
	Label func(path string, mode uint32) []byte
}

// Layout is a deployment that was laid out.
type Layout struct {
	RootInodes    []Inode
	BootInodes    []Inode
	BootSum       string // libostree's checksum of kernel and initramfs
	KernelVersion string
	DeployPath    string // of the deployment's root, below the stage, with a leading slash
	Version       string // the commit's "version"; may be empty
	Title         string // of the boot menu
}

// Lay makes from a commit in a bare-user repository what `ostree admin init-fs`, `os-init`,
// `pull-local` and `deploy` make from a bare one: a physical root with a repository of mode bare,
// one deployment whose files are hard links into it, and the content of a boot partition. Owners,
// modes, attributes and flags are not in the files but in the Layout's lists; with them applied
// the system is one that libostree takes for its own. The files in Stage share inodes with the
// repository: only read them.
//
// No program of the target runs: an SELinux policy must be complete in the commit.
func Lay(ctx context.Context, req LayRequest) (*Layout, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	tree, err := req.readTree(ctx)
	if err != nil {
		return nil, err
	}
	if _, ok := tree.Lookup("/etc"); ok {
		return nil, fmt.Errorf("commit %s has /etc; a deployment's is made from /usr/etc", req.Commit)
	}
	k, err := req.Repo.findKernel(tree)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", req.Commit, err)
	}
	release, err := req.Repo.osRelease(tree)
	if err != nil {
		return nil, err
	}
	title, err := bootTitle(release, tree.Commit.Version())
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", req.Commit, err)
	}
	l := layer{
		LayRequest: req, tree: tree, kernel: k, title: title, seen: map[string]bool{},
		root: &stage{root: req.Stage, label: req.Label, time: req.Time.Unix()},
		boot: &stage{root: req.Boot, label: req.Label, time: req.Time.Unix()},
	}
	if err := l.lay(ctx); err != nil {
		return nil, err
	}
	return &Layout{
		RootInodes: l.root.inodes, BootInodes: l.boot.inodes, BootSum: k.sum, KernelVersion: k.version,
		DeployPath: l.deployment(), Version: tree.Commit.Version(), Title: title,
	}, nil
}

func (req LayRequest) readTree(ctx context.Context) (Tree, error) {
	if len(req.Tree.Entries) > 0 {
		return req.Tree, nil
	}
	return req.Repo.Tree(ctx, req.Commit)
}

func (req LayRequest) check() error {
	if !isChecksum(req.Commit) {
		return fmt.Errorf("laying out: %q is no checksum of a commit", req.Commit)
	}
	if req.OSName == "" || strings.ContainsAny(req.OSName, "/ \n") || strings.HasPrefix(req.OSName, ".") {
		return fmt.Errorf("laying out: %q is no name of an operating system", req.OSName)
	}
	for _, part := range strings.FieldsFunc(req.Refspec, func(c rune) bool { return c == '/' || c == ':' }) {
		if part == "." || part == ".." {
			return fmt.Errorf("laying out: %q is no refspec", req.Refspec)
		}
	}
	for _, text := range append([]string{req.Refspec}, req.Kargs...) {
		if strings.ContainsAny(text, "\n\x00") {
			return fmt.Errorf("laying out: %q has a line end", text)
		}
	}
	for _, dir := range []string{req.Stage, req.Boot} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("laying out: %w", err)
		}
		names, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("laying out: %w", err)
		}
		if len(names) > 0 {
			return fmt.Errorf("laying out: %s is not empty", dir)
		}
	}
	return nil
}

// osRelease reads the os-release of the commit, which may be a symbolic link to a file beside it.
func (r Repo) osRelease(t Tree) ([]byte, error) {
	for _, name := range []string{"/usr/lib/os-release", "/usr/etc/os-release"} {
		e, ok := t.Lookup(name)
		for range 8 {
			if !ok || !e.IsSymlink() {
				break
			}
			target := e.Target
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(e.Path), target)
			}
			e, ok = t.Lookup(target)
		}
		if ok && e.IsRegular() {
			return os.ReadFile(r.object(e.Checksum, extFile))
		}
	}
	return nil, errors.New("the commit has no /usr/lib/os-release")
}

// layer lays one deployment.
type layer struct {
	LayRequest
	tree       Tree
	kernel     kernel
	title      string
	root, boot *stage
	seen       map[string]bool // content objects that the stage's repository has
}

func (l *layer) deployment() string {
	return "/ostree/deploy/" + l.OSName + "/deploy/" + l.Commit + ".0"
}

func (l *layer) lay(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		l.skeleton, l.metadata, l.checkout, l.origin, l.bootTree,
	} {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := l.root.finish(); err != nil {
		return err
	}
	return l.boot.finish()
}

// skeleton makes what is there before any commit: init-fs and os-init.
func (l *layer) skeleton(context.Context) error {
	s, state := l.root, "/ostree/deploy/"+l.OSName
	err := s.ownDirs("/", "/boot", "/ostree", "/ostree/deploy", state, state+"/deploy",
		"/ostree/repo", "/ostree/repo/extensions", "/ostree/repo/objects", "/ostree/repo/refs",
		"/ostree/repo/refs/heads", "/ostree/repo/refs/mirrors", "/ostree/repo/refs/remotes",
		"/ostree/repo/state", "/ostree/repo/tmp", "/ostree/repo/tmp/cache")
	if err != nil {
		return err
	}
	for _, v := range []struct {
		name   string
		mode   uint32
		target string
	}{
		{"", unix.S_IFDIR | 0o755, ""},
		{"/lib", unix.S_IFDIR | 0o755, ""},
		{"/log", unix.S_IFDIR | 0o755, ""},
		{"/tmp", unix.S_IFDIR | 0o1777, ""},
		{"/run", unix.S_IFLNK | 0o777, "../run"},
		{"/lock", unix.S_IFLNK | 0o777, "../run/lock"},
		// Tells libostree that nothing in var waits for a label.
		{"/.ostree-selabeled", unix.S_IFREG | 0o644, ""},
	} {
		i := s.own(state+"/var"+v.name, "/var"+v.name, v.mode)
		switch v.mode & unix.S_IFMT {
		case unix.S_IFDIR:
			err = s.dir(i)
		case unix.S_IFLNK:
			err = s.symlink(i, v.target)
		default:
			err = s.file(i, "")
		}
		if err != nil {
			return err
		}
	}
	lock := s.own("/ostree/repo/.lock", "/ostree/repo/.lock", unix.S_IFREG|0o640)
	if err := s.file(lock, ""); err != nil {
		return err
	}
	config := "[core]\nrepo_version=1\nmode=bare\n\n" +
		"[sysroot]\nbootloader=none\nreadonly=true\nbls-append-except-default=grub_users=\"\"\n"
	if l.Config != "" {
		config += "\n" + l.Config
	}
	return l.ownFile("/ostree/repo/config", config)
}

// ownFile writes a file that is not of the commit.
func (l *layer) ownFile(name, content string) error {
	return l.root.file(l.root.own(name, name, unix.S_IFREG|0o644), content)
}

// metadata links the commit, dirtree and dirmeta objects, whose form is the same in every mode.
func (l *layer) metadata(context.Context) error {
	names := []string{objectName(l.Commit, extCommit)}
	if _, err := os.Lstat(l.Repo.object(l.Commit, extCommitmeta)); err == nil {
		names = append(names, objectName(l.Commit, extCommitmeta))
	}
	seen := map[string]bool{}
	for _, e := range l.tree.Entries {
		if !e.IsDir() {
			continue
		}
		for _, name := range []string{objectName(e.Checksum, extDirtree), objectName(e.Meta, extDirmeta)} {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		if err := l.object(name, Inode{Mode: unix.S_IFREG | 0o644}, ""); err != nil {
			return err
		}
	}
	return nil
}

// object makes an object in the stage's repository: a symbolic link if target is given, else a
// hard link to the object of the same name. Metadata objects, which have no attributes of their
// own yet, are labelled as what they are: files outside of the commit.
func (l *layer) object(name string, i Inode, target string) error {
	i.Path = "/ostree/repo/" + name
	if err := l.objectDir(path.Dir(i.Path)); err != nil {
		return err
	}
	if target != "" {
		return l.root.symlink(i, target)
	}
	if strings.HasSuffix(name, "."+extFile) {
		i.DropXattrs = []string{metaXattr}
	} else {
		i.Xattrs = l.root.own(i.Path, i.Path, i.Mode).Xattrs
	}
	return l.root.link(l.Repo.Path+"/"+name, i)
}

func (l *layer) objectDir(dir string) error {
	if l.seen[dir] {
		return nil
	}
	l.seen[dir] = true
	return l.root.ownDirs(dir)
}

// checkout makes the deployment's root, with usr/etc copied to etc.
func (l *layer) checkout(ctx context.Context) error {
	base := l.deployment()
	for n, e := range l.tree.Entries {
		if n%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		i, err := entryInode(e)
		if err != nil {
			return err
		}
		i.Path = strings.TrimSuffix(base+e.Path, "/")
		i.Immutable = e.Path == "/"
		if err := l.place(e, i); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	for _, e := range l.etc() {
		i, err := entryInode(e)
		if err != nil {
			return err
		}
		i.Path, i.Time = base+strings.TrimPrefix(e.Path, "/usr"), l.root.time
		if err := l.copy(e, i); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	return nil
}

// etc lists /usr/etc and what is in it.
func (l *layer) etc() []Entry {
	e, ok := l.tree.Lookup("/usr/etc")
	if !ok {
		return nil
	}
	return append([]Entry{e}, l.tree.Below("/usr/etc")...)
}

// place makes one path of the deployment.
func (l *layer) place(e Entry, i Inode) error {
	if e.IsDir() {
		return l.root.dir(i)
	}
	name := objectName(e.Checksum, extFile)
	if !l.seen[name] {
		l.seen[name] = true
		if err := l.object(name, i, e.Target); err != nil {
			return err
		}
	}
	// mke2fs keeps no hard links of symbolic links: with one inode for both, the
	// second would come without owner and label.
	if e.IsSymlink() {
		return l.root.symlink(i, e.Target)
	}
	// libostree gives empty files inodes of their own, since many packages have one.
	if e.IsRegular() && e.Size == 0 {
		return l.root.file(i, "")
	}
	err := os.Link(l.root.at("/ostree/repo/"+name), l.root.at(i.Path))
	if errors.Is(err, unix.EMLINK) {
		return l.copy(e, i)
	}
	return err
}

// copy makes one path of the deployment that shares no inode with the repository.
func (l *layer) copy(e Entry, i Inode) error {
	switch {
	case e.IsDir():
		return l.root.dir(i)
	case e.IsSymlink():
		return l.root.symlink(i, e.Target)
	}
	if err := copyFile(l.Repo.object(e.Checksum, extFile), l.root.at(i.Path)); err != nil {
		return err
	}
	return l.root.add(i)
}

// entryInode gives the inode of an entry, without a path. Times are not part of commits; 0 is
// what libostree sets.
func entryInode(e Entry) (Inode, error) {
	attrs, err := ParseXattrs(e.Xattrs)
	if err != nil {
		return Inode{}, fmt.Errorf("%s: attributes: %w", e.Path, err)
	}
	return Inode{Mode: e.Mode, UID: e.UID, GID: e.GID, Xattrs: attrs}, nil
}

// origin writes what says where the deployment comes from, the refs and the links that the boot
// entry goes through.
func (l *layer) origin(context.Context) error {
	refspec := l.Refspec
	if refspec == "" {
		refspec = l.Commit
	}
	// libostree labels origin files as remotes.
	i := l.root.own(l.deployment()+".origin", "/etc/ostree/remotes.d/dummy.conf", unix.S_IFREG|0o644)
	if err := l.root.file(i, "[origin]\nrefspec="+refspec+"\n"); err != nil {
		return err
	}
	refs := []string{"heads/ostree/1/1/0"}
	if remote, ref, ok := strings.Cut(l.Refspec, ":"); ok {
		refs = append(refs, "remotes/"+remote+"/"+ref)
	} else if l.Refspec != "" {
		refs = append(refs, "heads/"+l.Refspec)
	}
	for _, ref := range refs {
		if err := l.ref("/ostree/repo/refs/"+ref, l.Commit); err != nil {
			return err
		}
	}
	s, links := l.root, "/ostree/boot.1.1"
	err := s.ownDirs(links, links+"/"+l.OSName, links+"/"+l.OSName+"/"+l.kernel.sum)
	if err != nil {
		return err
	}
	link := links + "/" + l.OSName + "/" + l.kernel.sum + "/0"
	target := "../../../deploy/" + l.OSName + "/deploy/" + l.Commit + ".0"
	if err := s.symlink(s.own(link, link, unix.S_IFLNK|0o777), target); err != nil {
		return err
	}
	return s.symlink(s.own("/ostree/boot.1", "/ostree/boot.1", unix.S_IFLNK|0o777), "boot.1.1")
}

// ref writes a ref with the directories that its name needs.
func (l *layer) ref(name, sum string) error {
	var dirs []string
	for dir := path.Dir(name); !isDir(l.root.at(dir)); dir = path.Dir(dir) {
		dirs = append([]string{dir}, dirs...)
	}
	if err := l.root.ownDirs(dirs...); err != nil {
		return err
	}
	return l.ownFile(name, sum+"\n")
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// bootTree makes the content of the boot partition.
func (l *layer) bootTree(context.Context) error {
	s := l.boot
	own := func(name string, mode uint32) Inode { return s.own(name, path.Join("/boot", name), mode) }
	base := "/ostree/" + l.OSName + "-" + l.kernel.sum
	dirs := []string{"/", "/ostree", base, "/loader.1", "/loader.1/entries"}
	for _, dir := range l.kernel.dtbDirs() {
		dirs = append(dirs, base+"/"+dir)
	}
	for _, dir := range dirs {
		if err := s.dir(own(dir, unix.S_IFDIR|0o755)); err != nil {
			return err
		}
	}
	for _, f := range l.kernel.files() {
		i := own(base+"/"+f.name, f.entry.Mode)
		i.UID, i.GID, i.Time = f.entry.UID, f.entry.GID, 0
		i.DropXattrs = []string{metaXattr}
		if err := s.link(l.Repo.object(f.entry.Checksum, extFile), i); err != nil {
			return err
		}
	}
	if err := s.symlink(own("/boot", unix.S_IFLNK|0o777), "."); err != nil {
		return err
	}
	if err := s.symlink(own("/loader", unix.S_IFLNK|0o777), "loader.1"); err != nil {
		return err
	}
	entry := bootEntry(l.kernel, l.title, l.OSName, l.Kargs)
	conf := "/loader.1/entries/ostree-1-" + l.OSName + ".conf"
	return s.file(own(conf, unix.S_IFREG|0o644), entry)
}
