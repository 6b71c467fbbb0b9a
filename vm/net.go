package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Forward makes a TCP port of the guest reachable on 127.0.0.1. With Host 0 the
// host's kernel chooses a free port; Machine.ForwardedPort tells which.
type Forward struct{ Host, Guest int }

// maxNICs is how many more network cards a machine may have.
const maxNICs = 16

// Net is the guest's network card. The zero value is a user-mode network: DHCP,
// the host's 127.0.0.1 as 10.0.2.2, nothing reachable from outside.
type Net struct {
	None     bool      // no network card
	Restrict bool      // the guest reaches nothing but GuestForwards
	Forwards []Forward // from the host into the guest
	// GuestForwards gives the guest single services, as QEMU's guestfwd option
	// has them ("tcp:10.0.2.100:80-cmd:…").
	GuestForwards []string
	// Addr is the IPv4 network that the guest is in, as 10.0.3.0/24; "" is 10.0.2.0/24.
	Addr string
	// Hostname is what DHCP tells the guest to be called.
	Hostname string
	// More is the number of further network cards, at most 16, each with a
	// user-mode network of its own.
	More int
}

// check refuses what QEMU would, and what it would take as something else.
func (n Net) check() error {
	if n.None && (n.More > 0 || len(n.Forwards) > 0) {
		return errors.New("network: without a network card there are no forwarded ports and no further cards")
	}
	if n.More < 0 || n.More > maxNICs {
		return fmt.Errorf("%d additional network cards: want 0 to %d", n.More, maxNICs)
	}
	for _, f := range n.Forwards {
		if f.Host < 0 || f.Host > 65535 || f.Guest < 1 || f.Guest > 65535 {
			return fmt.Errorf("forwarding port %d to the guest's %d: want ports up to 65535", f.Host, f.Guest)
		}
	}
	if n.Addr != "" {
		p, err := netip.ParsePrefix(n.Addr)
		if err != nil || !p.Addr().Is4() || p.Bits() < 8 || p.Bits() > 27 { // the DHCP range starts at host 15
			return fmt.Errorf("network address %q: want an IPv4 network of 8 to 27 bits, as 10.0.3.0/24", n.Addr)
		}
	}
	if n.Hostname != "" && !regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]{0,62}[0-9A-Za-z])?$`).MatchString(n.Hostname) {
		return fmt.Errorf("host name %q: want letters, digits, dots and dashes, at most 64", n.Hostname)
	}
	return nil
}

// nic is a card without a boot ROM, which QEMU may lack and the guest would wait in.
func nic(id string) string { return "virtio-net-pci,netdev=" + id + ",romfile=" }

// args is the network; a card that is booted from has its ROM and comes last.
func (n Net) args(boot Netboot, bootindex int) []string {
	if n.None {
		return []string{"-nic", "none"}
	}
	dev := []string{"user", "id=net0"}
	if n.Addr != "" {
		dev = append(dev, "net="+n.Addr)
	}
	if n.Hostname != "" {
		dev = append(dev, "hostname="+n.Hostname)
	}
	if n.Restrict {
		dev = append(dev, "restrict=on")
	}
	for _, f := range n.Forwards {
		dev = append(dev, fmt.Sprintf("hostfwd=tcp:127.0.0.1:%d-:%d", f.Host, f.Guest))
	}
	for _, g := range n.GuestForwards {
		dev = append(dev, "guestfwd="+comma(g))
	}
	card := nic("net0")
	if boot.wanted() {
		dev = append(dev, "tftp="+comma(boot.Dir), "bootfile="+comma(boot.File))
		card = "virtio-net-pci,netdev=net0,bootindex=" + strconv.Itoa(bootindex)
	}
	args := []string{"-netdev", strings.Join(dev, ","), "-device", card}
	for i := range n.More {
		id := fmt.Sprintf("net%d", i+1)
		more := "user,id=" + id + ",dhcpstart=10.0.2." + strconv.Itoa(31+i)
		if n.Restrict {
			more += ",restrict=on"
		}
		// Addresses as kola gives them, which its users' configs may name.
		args = append(args, "-netdev", more, "-device", fmt.Sprintf("%s,mac=52:55:00:d1:56:%02x", nic(id), i))
	}
	return args
}

// parseUsernet finds the forwarded ports in what QEMU's monitor prints for "info
// usernet" (net/slirp.c, libslirp's slirp_connection_info):
//
//	TCP[HOST_FORWARD]  13       127.0.0.1 39577       10.0.2.15    22     0     0
func parseUsernet(text string) []Forward {
	var list []Forward
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 6 || f[0] != "TCP[HOST_FORWARD]" {
			continue
		}
		host, err1 := strconv.Atoi(f[3])
		guest, err2 := strconv.Atoi(f[5])
		if err1 == nil && err2 == nil {
			list = append(list, Forward{Host: host, Guest: guest})
		}
	}
	return list
}

// ForwardedPort is the port of 127.0.0.1 that leads to a TCP port of the guest.
func (m *Machine) ForwardedPort(ctx context.Context, guest int) (int, error) {
	answer, err := m.QMP(ctx, "human-monitor-command", map[string]string{"command-line": "info usernet"})
	if err != nil {
		return 0, fmt.Errorf("asking for the forwarded ports: %w", err)
	}
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		return 0, fmt.Errorf("asking for the forwarded ports: %w", err)
	}
	for _, f := range parseUsernet(text) {
		if f.Guest == guest {
			return f.Host, nil
		}
	}
	return 0, fmt.Errorf("no port of the host leads to the guest's %d", guest)
}
