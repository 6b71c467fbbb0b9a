package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Netboot boots over the user-mode network where nothing else is bootable. The
// zero value does not. What a card's boot ROM (iPXE) loads first comes by TFTP out
// of QEMU itself.
type Netboot struct {
	// Dir is a directory that the guest may read by TFTP, and File what is loaded
	// from it first: a boot program or an iPXE script.
	Dir, File string
	// Script is an iPXE script that is loaded instead.
	Script string
}

// ServerURL in a script or in a medium's kernel arguments stands for the address of
// the server of Spec.Serve, without a slash at its end. It listens on this host's
// loopback alone and lives as long as the machine.
const ServerURL = "@@URL@@"

func (n Netboot) wanted() bool { return n.File != "" || n.Script != "" }

// check refuses what QEMU would not find.
func (n Netboot) check() error {
	switch {
	case n.Script != "" && n.File != "":
		return fmt.Errorf("booting over the network: a script and %s", n.File)
	case n.File != "" && (n.Dir == "" || !filepath.IsLocal(n.File)):
		return fmt.Errorf("booting over the network: %s is not below the directory that is served", n.File)
	}
	return nil
}

// checkServe refuses names that would need quoting.
func (s Spec) checkServe() error {
	if s.Net.None && len(s.Serve) > 0 {
		return errors.New("serving files: there is no network card")
	}
	for name := range s.Serve {
		if strings.Trim(name, nameBytes) != "" || name == "" {
			return fmt.Errorf("serving file %q: want letters, digits, dots and dashes", name)
		}
	}
	return nil
}

// nameBytes are what names in a URL need no quoting for, nor in an iPXE script.
const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// LiveScript is the iPXE script that boots a kernel of Spec.Serve with initrds,
// one behind the other in memory. The first initrd is named to the kernel too,
// which UEFI asks for.
func LiveScript(kernel string, initrds []string, args string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!ipxe\nkernel %s/%s initrd=%s %s\n", ServerURL, kernel, initrds[0], strings.Join(strings.Fields(args), " "))
	for _, name := range initrds {
		fmt.Fprintf(&b, "initrd %s/%s\n", ServerURL, name)
	}
	return b.String() + "boot\n"
}

// bootScript is the script's name in the machine's own TFTP directory.
const bootScript = "boot.ipxe"

// hostAddress is the host's 127.0.0.1 in the machine's user-mode network.
func (n Net) hostAddress() string {
	addr := netip.MustParseAddr("10.0.2.0")
	if n.Addr != "" {
		addr = netip.MustParsePrefix(n.Addr).Masked().Addr() // Net.check has parsed it
	}
	return addr.Next().Next().String()
}

// serve starts the server, and puts its address where it is named.
func (m *Machine) serve(ctx context.Context, s Spec) (Spec, error) {
	if len(s.Serve) == 0 {
		return s, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return s, fmt.Errorf("serving files to the machine: %w", err)
	}
	m.web = &http.Server{Handler: fileServer(s.Serve), ReadHeaderTimeout: time.Minute}
	m.serving.Go(func() { _ = m.web.Serve(l) }) // ends with ErrServerClosed
	url := "http://" + net.JoinHostPort(s.Net.hostAddress(), strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	s.Netboot.Script = strings.ReplaceAll(s.Netboot.Script, ServerURL, url)
	s.Medium.Kargs = strings.ReplaceAll(s.Medium.Kargs, ServerURL, url)
	return s, nil
}

// own makes what the machine loads first.
func (n Netboot) own(dir string) (_ Netboot, err error) {
	if n.Script == "" {
		if n.File != "" {
			n.Dir, err = filepath.Abs(n.Dir)
		}
		return n, err
	}
	n.Dir, n.File = filepath.Join(dir, "tftp"), bootScript
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return n, err
	}
	err = os.WriteFile(filepath.Join(n.Dir, n.File), []byte(n.Script), 0o600)
	n.Script = ""
	return n, err
}

// fileServer gives the files by their names, and nothing else. It never redirects:
// who boots may not be able to follow.
func fileServer(files map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := files[strings.TrimLeft(r.URL.Path, "/")]
		if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		f, err := os.Open(path)
		if err != nil {
			http.Error(w, "it is gone", http.StatusNotFound)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, f)
	})
}
