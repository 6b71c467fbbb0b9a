package kola

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// maxPayload bounds what a test brings along, in bytes before compression.
const maxPayload = 256 << 20

// The names in a payload.
const (
	payloadExe  = "exe"
	payloadUnit = "unit"
	payloadData = "data"
)

// payload is what a test's machine gets, as a compressed tar archive: the
// program, its unit and its data. Links are followed, within the config.
func (t Test) payload(unit string) ([]byte, error) {
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := packer{root: root, w: tar.NewWriter(z)}
	err = w.text(payloadUnit, unit)
	if err == nil {
		err = w.file(payloadExe, t.Exe)
	}
	if err == nil && t.Data != "" {
		err = w.dir(payloadData, t.Data, 0)
	}
	if err == nil {
		err = w.w.Close()
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("packing the files of %s: %w", t.Name, err)
	}
	return b.Bytes(), nil
}

// packer writes files of a config into an archive.
type packer struct {
	root *os.Root
	w    *tar.Writer
	size int64
}

func (p *packer) text(name, text string) error {
	if err := p.w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := io.WriteString(p.w, text)
	return err
}

// file adds the regular file that from is or leads to.
func (p *packer) file(name, from string) error {
	info, err := p.root.Stat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a directory", from)
	}
	if p.size += info.Size(); p.size > maxPayload {
		return fmt.Errorf("more than %d MiB", maxPayload>>20)
	}
	f, err := p.root.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.w.WriteHeader(&tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(p.w, f)
	return err
}

func (p *packer) dir(name, from string, depth int) error {
	if depth > maxDepth {
		return errors.New("the directories go too deep: does a link lead in a circle?")
	}
	if err := p.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}); err != nil {
		return err
	}
	names, err := readDir(p.root, from)
	if err != nil {
		return err
	}
	for _, n := range names {
		file := path.Join(from, n)
		info, err := p.root.Stat(file)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = p.dir(path.Join(name, n), file, depth+1)
		default:
			err = p.file(path.Join(name, n), file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// places are where a test's things are in the machine.
type places struct {
	root string // in front of every path: tests of ours have none of their own machine
	unit string
	exe  string // of the program, without its directory
	data string
}

// placesOf follows kola: a test that shares its machine has a number.
func placesOf(p Planned, root string) places {
	at := places{root: root, unit: "kola-runext.service", exe: path.Base(p.Exe), data: "/var/opt/kola/extdata"}
	if p.Number > 0 {
		at.unit = fmt.Sprintf("kola-runext-%d.service", p.Number)
		at.data = fmt.Sprintf("/var/opt/kola/extdata-%d", p.Number)
	}
	at.data = root + at.data
	return at
}

// program is where the test's program lies.
func (p places) program() string { return p.root + "/usr/local/bin/kola-runext-" + p.exe }

// unitText is the unit that runs the test. It is not of type oneshot, so that
// systemctl start does not wait for its end.
func (p places) unitText(test string) string {
	var b strings.Builder
	b.WriteString("[Unit]\nDescription=Test " + specifier(test) + "\n\n[Service]\nRemainAfterExit=yes\n")
	b.WriteString("EnvironmentFile=-" + p.root + "/run/kola-runext-env\n")
	for _, v := range [][2]string{{"KOLA_UNIT", p.unit}, {"KOLA_TEST", test}, {"KOLA_TEST_EXE", p.exe}, {"KOLA_EXT_DATA", p.data}} {
		b.WriteString("Environment=" + unitQuote(v[0]+"="+v[1]) + "\n")
	}
	b.WriteString("ExecStart=" + unitQuote(p.program()) + "\n")
	return b.String()
}

// specifier protects percent signs, which units expand.
func specifier(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// unitQuote makes text one word of a unit's line, if it is not one as it is.
func unitQuote(s string) string {
	s = specifier(s)
	if !strings.ContainsAny(s, " \t\"'\\$;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `$$`).Replace(s) + `"`
}
