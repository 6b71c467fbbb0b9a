package rpmostree

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Override is the manifest that is handed over: it includes the config's own and adds to it. Lists
// of the two are joined, the config's first.
type Override struct {
	Manifest       string   // absolute path of the config's manifest
	Repos          []string // ids that are enabled besides the manifest's; any id at all disables all others
	RepoPackages   []RepoPackages
	Layers         []string // refs
	OverrideLayers []string // refs whose files replace others
}

// RepoPackages says which repository packages come from, whatever the config's manifest says.
type RepoPackages struct {
	Repo     string
	Packages []string
}

// YAML is the file. Its texts are quoted as JSON, which YAML understands.
func (o Override) YAML() []byte {
	var b bytes.Buffer
	b.WriteString("# Made by nosa for rpm-ostree.\n")
	fmt.Fprintf(&b, "include: %s\n", quote(o.Manifest))
	for _, l := range []struct {
		key   string
		items []string
	}{{"repos", o.Repos}, {"ostree-layers", o.Layers}, {"ostree-override-layers", o.OverrideLayers}} {
		writeList(&b, l.key, l.items)
	}
	if len(o.RepoPackages) > 0 {
		b.WriteString("repo-packages:\n")
	}
	for _, p := range o.RepoPackages {
		fmt.Fprintf(&b, "  - repo: %s\n", quote(p.Repo))
		b.WriteString("    packages:\n")
		for _, name := range p.Packages {
			fmt.Fprintf(&b, "      - %s\n", quote(name))
		}
	}
	return b.Bytes()
}

func writeList(b *bytes.Buffer, key string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	for _, item := range items {
		fmt.Fprintf(b, "  - %s\n", quote(item))
	}
}

func quote(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic("rpmostree: a text is no data: " + err.Error())
	}
	return string(data)
}

// LocalRepo is the .repo file of packages that are made known by URL and win over others.
func LocalRepo(id, url string) []byte {
	return fmt.Appendf(nil, "[%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=0\nrepo_gpgcheck=0\ncost=500\nmodule_hotfixes=1\n", id, id, url)
}

// Repo is a repository that a .repo file defines.
type Repo struct {
	ID      string
	URL     string // baseurl, metalink or mirrorlist, as written
	File    string // that defines it
	Enabled bool
}

// ReadRepos gives the repositories of a .repo file (dnf.conf(5)), in its order.
func ReadRepos(file string, text []byte) []Repo {
	var list []Repo
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if id, ok := strings.CutPrefix(line, "["); ok {
			id, _, _ = strings.Cut(id, "]")
			list = append(list, Repo{ID: id, File: file, Enabled: true})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || len(list) == 0 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		r, value := &list[len(list)-1], strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "enabled":
			r.Enabled = value == "1" || strings.EqualFold(value, "yes") || strings.EqualFold(value, "true") || strings.EqualFold(value, "on")
		case "baseurl", "metalink", "mirrorlist":
			if r.URL == "" {
				r.URL = value
			}
		}
	}
	return list
}
