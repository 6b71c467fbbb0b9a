package guest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// parseDeployments prefers what rpm-ostree says, which knows more.
func parseDeployments(found answers) []Deployment {
	if p, ok := found[partRPMOSTree]; ok && p.code == 0 {
		if list := parseRPMOSTree(p.text); len(list) > 0 {
			return list
		}
	}
	return ParseOSTree(found[partOSTree].text)
}

// parseRPMOSTree reads rpm-ostree status --json.
func parseRPMOSTree(text string) []Deployment {
	var status struct {
		Deployments []struct {
			Booted    bool     `json:"booted"`
			Staged    bool     `json:"staged"`
			Pinned    bool     `json:"pinned"`
			OS        string   `json:"osname"`
			Checksum  string   `json:"checksum"`
			Base      string   `json:"base-checksum"`
			Serial    int      `json:"serial"`
			Version   string   `json:"version"`
			Origin    string   `json:"origin"`
			Container string   `json:"container-image-reference"`
			Packages  []string `json:"packages"`
		} `json:"deployments"`
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		return nil
	}
	var list []Deployment
	booted := false
	for _, d := range status.Deployments[:min(len(status.Deployments), maxItems)] {
		out := Deployment{
			Booted: d.Booted, Staged: d.Staged, Pinned: d.Pinned, OS: clip(d.OS), Commit: clip(cmp.Or(d.Base, d.Checksum)),
			Serial: d.Serial, Version: clip(d.Version), Origin: clip(cmp.Or(d.Origin, d.Container)), Rollback: booted && !d.Booted,
		}
		for _, p := range d.Packages[:min(len(d.Packages), maxItems)] {
			out.Layered = append(out.Layered, clip(p))
		}
		booted = booted || d.Booted
		list = append(list, out)
	}
	return list
}

// ParseOSTree reads ostree admin status, which is for people, newest deployment
// first; text without any gives none:
//
//   - nestos 4566….0
//     Version: 3.1
//     origin refspec: nestos:nestos/x86_64/stable
//     nestos 1234….0 (rollback)
func ParseOSTree(text string) []Deployment {
	var list []Deployment
	for _, line := range lines(text, maxItems) {
		if d, ok := parseOSTreeHead(line); ok {
			list = append(list, d)
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok || len(list) == 0 {
			continue
		}
		last := &list[len(list)-1]
		switch strings.ToLower(key) {
		case "version":
			last.Version = strings.Trim(value, `"`)
		case "origin refspec", "origin":
			last.Origin = strings.TrimPrefix(value, "<unknown origin type>")
		case "pinned":
			last.Pinned = value == "yes"
		}
	}
	return list
}

// parseOSTreeHead reads "* nestos 4f5c….0 (rollback)".
func parseOSTreeHead(line string) (Deployment, bool) {
	var d Deployment
	line, d.Booted = strings.CutPrefix(line, "* ")
	words := strings.Fields(line)
	if len(words) < 2 {
		return d, false
	}
	commit, serial, ok := strings.Cut(words[1], ".")
	if !ok || len(commit) != 64 || strings.Trim(commit, "0123456789abcdef") != "" {
		return d, false
	}
	d.OS, d.Commit, d.Serial = words[0], commit, number(serial)
	d.Rollback = slices.Contains(words[2:], "(rollback)")
	d.Staged = slices.Contains(words[2:], "(staged)") || slices.Contains(words[2:], "(pending)")
	return d, true
}

// parseFilesystems reads df -PT -B1; what is not on a disk is left out.
func parseFilesystems(text string) []Filesystem {
	var list []Filesystem
	for _, line := range lines(text, maxItems) {
		words := strings.Fields(line)
		if len(words) < 7 || !strings.HasPrefix(words[0], "/") {
			continue
		}
		f := Filesystem{
			Device: words[0], Type: words[1], Size: amount(words[2]), Used: amount(words[3]), Free: amount(words[4]),
			UsedPc: number(strings.TrimSuffix(words[5], "%")), Mount: strings.Join(words[6:], " "),
		}
		if f.Size > 0 {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(x, y Filesystem) int {
		return cmp.Or(cmp.Compare(y.UsedPc, x.UsedPc), cmp.Compare(x.Mount, y.Mount))
	})
	return list
}

// parseSockets reads ss -H -tulpn:
//
//	tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=388,fd=3))
func parseSockets(text string) []Socket {
	var list []Socket
	for _, line := range lines(text, maxItems) {
		words := strings.Fields(line)
		if len(words) < 6 || words[0] != "tcp" && words[0] != "udp" {
			continue
		}
		at := strings.LastIndexByte(words[4], ':')
		if at < 0 {
			continue
		}
		s := Socket{Protocol: words[0], Address: words[4][:at], Port: number(words[4][at+1:])}
		if _, users, ok := strings.Cut(line, `users:(("`); ok {
			var rest string
			s.Program, rest, _ = strings.Cut(users, `"`)
			if _, pid, ok := strings.Cut(rest, "pid="); ok {
				pid, _, _ = strings.Cut(pid, ",")
				s.PID = number(pid)
			}
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(x, y Socket) int {
		return cmp.Or(cmp.Compare(x.Port, y.Port), cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Address, y.Address))
	})
	return list
}

// isLoopback knows ss's forms: 127.0.0.1, 127.0.0.53%lo, [::1], [::1]%lo.
func isLoopback(address string) bool {
	return strings.HasPrefix(address, "127.") || strings.HasPrefix(address, "[::1]") || strings.HasPrefix(address, "[::ffff:127.")
}

// parseNetwork reads the one-line forms of ip(8), which every version has.
func parseNetwork(found answers) Network {
	n := Network{Interfaces: []Interface{}}
	index := map[string]int{}
	for _, line := range lines(found[partLinks].text, maxItems) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(words[1], ":"), "@") // NAME@PARENT
		if name == "lo" {
			continue
		}
		index[name] = len(n.Interfaces)
		n.Interfaces = append(n.Interfaces, Interface{
			Name: name, State: after(words, "state"), MAC: after(words, "link/ether"), Addresses: []string{},
		})
	}
	for _, line := range lines(found[partAddresses].text, maxItems) {
		words := strings.Fields(line)
		if len(words) < 4 || words[2] != "inet" && words[2] != "inet6" {
			continue
		}
		if i, ok := index[words[1]]; ok {
			n.Interfaces[i].Addresses = append(n.Interfaces[i].Addresses, words[3])
		}
	}
	for _, line := range lines(found[partRoutes].text, maxItems) {
		if words := strings.Fields(line); words[0] == "default" && n.Gateway == "" {
			n.Gateway = after(words, "via")
		}
	}
	return n
}

// after is the word behind a word.
func after(words []string, word string) string {
	i := slices.Index(words, word)
	if i < 0 || i+1 >= len(words) {
		return ""
	}
	return words[i+1]
}
