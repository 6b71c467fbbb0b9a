package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/builder/backend"
)

// passed names what of a person's surroundings a container gets beyond what nosa reads: nothing, unless it is asked
// for (--pass, NOSA_PASS).
type passed []string

// passable is what can be asked for: its name, and what it is.
func passable() [][2]string {
	return [][2]string{
		{"proxy", "http_proxy, https_proxy, no_proxy, all_proxy, in either case"},
		{"ca", "this machine's certificate authorities, in place of the image's"},
		{"ssh-agent", "the socket of SSH_AUTH_SOCK, and known_hosts"},
		{"gpg", "GNUPGHOME or ~/.gnupg, for a signed commit"},
		{"netrc", "~/.netrc, for repositories that want a password"},
	}
}

// check refuses what cannot be passed.
func (p passed) check() error {
	for _, name := range p {
		if !slices.ContainsFunc(passable(), func(known [2]string) bool { return known[0] == name }) {
			var names []string
			for _, known := range passable() {
				names = append(names, known[0])
			}
			return usageError{fmt.Errorf("--pass %s: want %s", name, alternatives(names))}
		}
	}
	return nil
}

// env says if a variable is passed.
func (p passed) env(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy":
		return slices.Contains(p, "proxy")
	}
	return name == "SSH_AUTH_SOCK" && slices.Contains(p, "ssh-agent") || name == "GNUPGHOME" && slices.Contains(p, "gpg")
}

// caBundles are where the families keep their certificate authorities.
func caBundles() []string {
	return []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"}
}

// innerHome is the home of root in the image.
const innerHome = "/root"

// binds is what is bound for it.
func (p passed) binds() ([]backend.Mount, error) {
	var binds []backend.Mount
	home, _ := os.UserHomeDir()
	for _, name := range p {
		var more []backend.Mount
		switch name {
		case "ca":
			i := slices.IndexFunc(caBundles(), func(path string) bool { _, err := os.Stat(path); return err == nil })
			if i < 0 {
				return nil, fmt.Errorf("--pass ca: there are no certificate authorities at %s", alternatives(caBundles()))
			}
			for _, target := range caBundles() { // whichever of them the image's family reads
				more = append(more, backend.Mount{Source: caBundles()[i], Target: target, ReadOnly: true})
			}
		case "ssh-agent":
			socket := os.Getenv("SSH_AUTH_SOCK")
			if socket == "" {
				return nil, fmt.Errorf("--pass ssh-agent: SSH_AUTH_SOCK is not set")
			}
			more = []backend.Mount{{Source: socket, Target: socket}}
			if known := filepath.Join(home, ".ssh", "known_hosts"); isThere(known) {
				more = append(more, backend.Mount{Source: known, Target: innerHome + "/.ssh/known_hosts", ReadOnly: true})
			}
		case "gpg":
			if dir := os.Getenv("GNUPGHOME"); dir != "" {
				more = []backend.Mount{{Source: dir, Target: dir}}
			} else {
				more = []backend.Mount{{Source: filepath.Join(home, ".gnupg"), Target: innerHome + "/.gnupg"}}
			}
		case "netrc":
			more = []backend.Mount{{Source: filepath.Join(home, ".netrc"), Target: innerHome + "/.netrc", ReadOnly: true}}
		}
		for _, m := range more {
			if !isThere(m.Source) {
				return nil, fmt.Errorf("--pass %s: there is no %s", name, m.Source)
			}
		}
		binds = append(binds, more...)
	}
	return binds, nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
