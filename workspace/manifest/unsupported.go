package manifest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// Engine is what makes a root tree of a manifest.
type Engine string

// The engines.
const (
	EngineDNF       Engine = "dnf"        // nosa's own
	EngineRPMOSTree Engine = "rpm-ostree" // driven where it is installed
)

// Unsupported reports the keys of m that rpm-ostree knows but the engine does
// not build, each where it stands and with the reason. It is empty for what the
// engine can compose; rpm-ostree itself composes all that Load accepts, unless
// it is too old (see NewerThan).
func (m *Manifest) Unsupported(engine Engine) doc.Diagnostics {
	if engine == EngineRPMOSTree {
		return nil
	}
	fields := m.fields()
	var ds doc.Diagnostics
	for _, key := range KeyTable() {
		at, set := m.Origins[key.Name]
		if !set || len(key.Refused) == 0 {
			continue
		}
		text := strings.Trim(string(fields[key.Name]), `"`)
		why, refused := key.Refused[text]
		if !refused {
			why, refused = key.Refused["*"]
			text = ""
		}
		if !refused {
			continue
		}
		what := key.Name
		if text != "" {
			what += ": " + text
		}
		ds = append(ds, at.Errorf(codeUnsupported, "%s cannot be built: %s", what, why))
	}
	return ds.Sorted()
}

// NewerThan reports the keys of m that rpm-ostree of this release (2024.9) does
// not know yet, where they stand.
func (m *Manifest) NewerThan(release string) doc.Diagnostics {
	var ds doc.Diagnostics
	for _, w := range m.written {
		if w.idle == "" && w.key.Since != "" && older(release, w.key.Since) {
			ds = append(ds, w.at.Errorf(codeTooNew, "%s needs rpm-ostree %s, this one is %s", w.as, w.key.Since, release).
				WithHint("use a newer container, or the dnf engine"))
		}
	}
	return ds.Sorted()
}

// older compares releases of rpm-ostree, YEAR.NUMBER. What cannot be read is
// taken to be new.
func older(a, b string) bool {
	x, okX := releaseNumbers(a)
	y, okY := releaseNumbers(b)
	return okX && okY && (x[0] < y[0] || x[0] == y[0] && x[1] < y[1])
}

func releaseNumbers(text string) (n [2]int, ok bool) {
	year, number, _ := strings.Cut(text, ".")
	var errs [2]error
	n[0], errs[0] = strconv.Atoi(year)
	n[1], errs[1] = strconv.Atoi(number)
	return n, errs[0] == nil && errs[1] == nil
}

// fields returns every key's value as JSON.
func (m *Manifest) fields() map[string]json.RawMessage {
	encoded, err := marshal(m)
	if err != nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil
	}
	return fields
}
