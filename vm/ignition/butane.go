package ignition

import (
	"errors"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	butane "github.com/coreos/butane/config"
	"github.com/coreos/butane/config/common"
	"github.com/coreos/butane/config/fcos/v1_0"
	"github.com/coreos/butane/config/fcos/v1_1"
	"github.com/coreos/butane/config/fcos/v1_2"
	"github.com/coreos/butane/config/fcos/v1_3"
	"github.com/coreos/butane/config/fcos/v1_4"
	"github.com/coreos/butane/config/fcos/v1_5"
	"github.com/coreos/butane/config/fcos/v1_6"
	"github.com/coreos/butane/config/fcos/v1_7"
	"github.com/coreos/vcontext/report"
)

// variant is the Butane variant that is ours: fcos by another name.
const variant = "nestos"

// translator makes Ignition of Butane.
type translator func([]byte, common.TranslateBytesOptions) ([]byte, report.Report, error)

// nestos gives the translators of our variant by version.
func nestos() map[string]translator {
	return map[string]translator{
		"1.0.0": v1_0.ToIgn3_0Bytes,
		"1.1.0": v1_1.ToIgn3_1Bytes,
		"1.2.0": v1_2.ToIgn3_2Bytes,
		"1.3.0": v1_3.ToIgn3_2Bytes,
		"1.4.0": v1_4.ToIgn3_3Bytes,
		"1.5.0": v1_5.ToIgn3_4Bytes,
		"1.6.0": v1_6.ToIgn3_5Bytes,
		"1.7.0": v1_7.ToIgn3_6Bytes,
	}
}

// FromButane translates a Butane config of the variants that Butane knows and
// of the variant nestos, which has the versions of fcos. Files that it names by
// "local" are read from the directory of file and from below it; without a file
// there are none. What is wrong is an *InvalidError with the places in file; the
// diagnostics without an error are warnings.
func FromButane(file string, data []byte) ([]byte, []Diagnostic, error) {
	if isIgnition(data) {
		d := []Diagnostic{misplaced(file, data)}
		return nil, d, &InvalidError{d}
	}
	options := common.TranslateBytesOptions{Raw: true}
	if file != "" {
		options.FilesDir = filepath.Dir(file)
	}
	out, r, err := butane.TranslateBytes(data, options)
	if unknown, ok := errors.AsType[common.ErrUnknownVersion](err); ok && unknown.Variant == variant {
		if translate := nestos()[unknown.Version.String()]; translate != nil {
			out, r, err = translate(data, options)
		}
	}
	all := diagnostics(file, data, r)
	if err == nil {
		return out, all, nil
	}
	if !r.IsFatal() {
		all = append(all, butaneError(file, err)...)
	}
	return nil, all, &InvalidError{all}
}

// yamlPlace is how the YAML library says where.
var yamlPlace = regexp.MustCompile(`^line (\d+): `)

// butaneError gives an error that came without a report. Of a YAML document it
// has lines: "yaml: line 3: …", or a list of them.
func butaneError(file string, err error) []Diagnostic {
	text := err.Error()
	for _, before := range []string{"Error unmarshaling yaml: ", "yaml: ", "unmarshal errors:\n"} {
		text = strings.TrimPrefix(text, before)
	}
	var all []Diagnostic
	for line := range strings.Lines(text) {
		d := Diagnostic{File: file, Text: strings.TrimSpace(line)}
		if m := yamlPlace.FindStringSubmatch(d.Text); m != nil {
			d.Text = d.Text[len(m[0]):]
			d.Line, _ = strconv.Atoi(m[1])
			d.Col = 1
		}
		all = append(all, d)
	}
	return all
}
