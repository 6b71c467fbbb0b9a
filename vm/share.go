package vm

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ShareType is how a directory of the host gets into the guest: the name of the
// filesystem there.
type ShareType string

// The types.
const (
	Virtiofs ShareType = "virtiofs"
	NineP    ShareType = "9p"
)

// maxTag is the longest name of a share (31 of 9p's 32 bytes, 36 for virtiofs).
const maxTag = 31

// Bind is a directory of the host that the guest is to see.
type Bind struct {
	Source   string // directory of the host
	Dest     string // where the guest mounts it, absolute
	ReadOnly bool   // the host itself lets no write through
}

// ParseBind reads what --bind-ro and --bind-rw take: SRC,DEST. It looks at no
// file; Source is as given.
func ParseBind(text string) (Bind, error) {
	source, dest, ok := strings.Cut(text, ",")
	if !ok || source == "" || dest == "" {
		return Bind{}, fmt.Errorf("share %q: want SOURCE,DEST: a directory here and where the guest mounts it", text)
	}
	if !filepath.IsAbs(dest) || filepath.Clean(dest) != dest || dest == "/" || strings.ContainsAny(dest, "\n\x00") {
		return Bind{}, fmt.Errorf("share %q: the place in the guest must be an absolute path below /, without a slash at its end", text)
	}
	return Bind{Source: source, Dest: dest}, nil
}

// Share is a Bind and the way it was decided to take.
type Share struct {
	Bind
	Tag    string // the name that the guest mounts it by
	Type   ShareType
	Daemon Virtiofsd // for Virtiofs
}

// ShareUnit is what the guest has to mount.
type ShareUnit struct {
	Tag      string    // What= of the mount unit
	Type     ShareType // Type=
	Options  string    // Options=, without ro; "" is none
	Dest     string    // Where=
	ReadOnly bool
}

// ShareUnits are the mounts of the shares, for the guest's units.
func ShareUnits(shares []Share) []ShareUnit {
	var list []ShareUnit
	for _, s := range shares {
		u := ShareUnit{Tag: s.Tag, Type: s.Type, Dest: s.Dest, ReadOnly: s.ReadOnly}
		if s.Type == NineP {
			u.Options = "trans=virtio,version=9p2000.L,msize=524288" // the default msize is slow, QEMU warns of it
		}
		list = append(list, u)
	}
	return list
}

// ShareHost is what this host can share directories with; ShareProber fills it.
type ShareHost struct {
	Virtiofs bool // QEMU has it and Daemon works
	Daemon   Virtiofsd
	NineP    bool
	Why      map[ShareType]string // of a type that is not there, the reason
}

// PlanShares chooses for each directory the way that both sides have: virtiofs,
// which is quicker and closer to a local filesystem, before 9p. What is read-only
// must be so on the host's side. guest lists what the guest mounts; nil is both.
func PlanShares(binds []Bind, guest []ShareType, host ShareHost) ([]Share, error) {
	if guest == nil {
		guest = []ShareType{Virtiofs, NineP}
	}
	var list []Share
	for i, b := range binds {
		s := Share{Bind: b, Tag: "share" + strconv.Itoa(i)}
		var why []string
		for _, typ := range []ShareType{Virtiofs, NineP} {
			reason := host.unfit(typ, b)
			if !slices.Contains(guest, typ) {
				reason = "the guest cannot mount it"
			}
			if reason == "" {
				s.Type = typ
				break
			}
			why = append(why, string(typ)+": "+reason)
		}
		if s.Type == "" {
			return nil, fmt.Errorf("sharing %s: %w", b.Source, errors.New(strings.Join(why, "; ")))
		}
		if s.Type == Virtiofs {
			s.Daemon = host.Daemon
		}
		list = append(list, s)
	}
	return list, nil
}

// unfit says why the host cannot share b as typ; "" when it can.
func (h ShareHost) unfit(typ ShareType, b Bind) string {
	switch {
	case typ == Virtiofs && h.Virtiofs && b.ReadOnly && h.Daemon.ReadOnly == "":
		return h.Daemon.Path + " cannot share read-only (a newer one can, or this one with bubblewrap)"
	case typ == Virtiofs && h.Virtiofs, typ == NineP && h.NineP:
		return ""
	case h.Why[typ] != "":
		return h.Why[typ]
	}
	return "not on this host"
}

// sharesMemory says whether another process must see the guest's memory.
func (s Spec) sharesMemory() bool {
	return slices.ContainsFunc(s.Shares, func(sh Share) bool { return sh.Type == Virtiofs })
}

// shares are the devices of the shares. security_model=none: the files belong to
// whom QEMU runs as, and a chown that this user may not do is ignored, so that it
// works without root.
func (s Spec) shares() []string {
	var args []string
	for i, sh := range s.Shares {
		id := "fs" + strconv.Itoa(i)
		if sh.Type == Virtiofs {
			args = append(args, "-chardev", "socket,id="+id+",path="+shareSocket(i), "-device", "vhost-user-fs-pci,chardev="+id+",tag="+comma(sh.Tag))
			continue
		}
		dev := "local,id=" + id + ",security_model=none,multidevs=remap,path=" + comma(sh.Source)
		if sh.ReadOnly {
			dev += ",readonly=on"
		}
		args = append(args, "-fsdev", dev, "-device", "virtio-9p-pci,fsdev="+id+",mount_tag="+comma(sh.Tag))
	}
	return args
}

// shareSocket is the socket of the i-th share's daemon, in the machine's directory.
func shareSocket(i int) string { return "fs" + strconv.Itoa(i) + ".sock" }
