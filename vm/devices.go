package vm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// PortType is what the host's end of a port is.
type PortType string

// The types. The zero value appends what the guest writes to a file, without
// bound; a socket is listened on by QEMU and serves one client at a time.
const (
	PortFile   PortType = ""
	PortSocket PortType = "socket"
)

// Port is a virtio serial port, /dev/virtio-ports/NAME in the guest.
type Port struct {
	Name string
	Type PortType
	// Path is the file or socket. A relative one is in the machine's directory,
	// which keeps a socket's below the 108 bytes of sun_path.
	Path string
}

// flash is UEFI's two flash chips.
func (s Spec) flash() []string {
	if s.Firmware == BIOS {
		return nil
	}
	format := s.Flash.Format
	if format == "" {
		format = "raw"
	}
	var args []string
	if s.Firmware == UEFISecure {
		args = append(args, "-global", "driver=cfi.pflash01,property=secure,value=on")
	}
	return append(
		args,
		"-drive", "if=pflash,unit=0,format="+format+",readonly=on,file="+comma(s.Flash.Code),
		"-drive", "if=pflash,unit=1,format="+format+",file="+comma(s.Flash.Vars),
	)
}

// io is the random number generator, the serial port and QMP.
func (s Spec) io() []string {
	args := []string{"-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"}
	if s.SerialPath != "" {
		args = append(args, "-chardev", "serial,id=serial0,path="+comma(s.SerialPath), "-serial", "chardev:serial0")
	}
	if s.QMPFD > 0 {
		args = append(args, "-chardev", "socket,id=qmp0,fd="+strconv.Itoa(s.QMPFD), "-mon", "chardev=qmp0,mode=control")
	}
	return args
}

// tpm is the TPM; its emulator's socket is in the machine's directory.
func (s Spec) tpm(p platform) []string {
	if !s.TPM {
		return nil
	}
	return []string{"-chardev", "socket,id=tpm0,path=" + tpmSocket, "-tpmdev", "emulator,id=tpm0,chardev=tpm0", "-device", p.tpm + ",tpmdev=tpm0"}
}

// ports are the virtio serial ports.
func (s Spec) ports() []string {
	if len(s.Ports) == 0 {
		return nil
	}
	args := []string{"-device", "virtio-serial-pci,id=ports0"}
	for i, p := range s.Ports {
		id := "port" + strconv.Itoa(i)
		back := fmt.Sprintf("file,id=%s,append=on,path=%s", id, comma(p.Path))
		if p.Type == PortSocket {
			back = fmt.Sprintf("socket,id=%s,server=on,wait=off,path=%s", id, comma(p.Path))
		}
		// nr: port 0 is a console's (virtio 1.2 section 5.3).
		args = append(args, "-chardev", back, "-device", fmt.Sprintf("virtserialport,bus=ports0.0,nr=%d,chardev=%s,name=%s", i+1, id, comma(p.Name)))
	}
	return args
}

// data is what the guest is told.
func (s Spec) data() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(s.FwCfg)) {
		args = append(args, "-fw_cfg", "name="+comma(name)+",string="+comma(s.FwCfg[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(s.FwCfgFiles)) {
		args = append(args, "-fw_cfg", "name="+comma(name)+",file="+comma(s.FwCfgFiles[name]))
	}
	for _, text := range s.SMBIOS {
		args = append(args, "-smbios", "type=11,value="+comma(text))
	}
	return args
}

// start is how the processors start.
func (s Spec) start() []string {
	var args []string
	if s.Icount.Shift != 0 {
		sleep := "off"
		if s.Icount.Sleep {
			sleep = "on"
		}
		args = append(args, "-icount", fmt.Sprintf("shift=%d,sleep=%s", s.Icount.Shift, sleep))
	}
	if s.State != "" {
		args = append(args, "-incoming", "defer")
	}
	if s.Paused {
		args = append(args, "-S")
	}
	return args
}
