package ignition

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lines(all []Diagnostic) []string {
	var text []string
	for _, d := range all {
		s := d.String()
		if d.Warning {
			s = "warning: " + s
		}
		text = append(text, s)
	}
	return text
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string // what the lines hold, in order
		warnings bool     // and no error
	}{
		{name: "least", in: `{"ignition":{"version":"3.0.0"}}`},
		{name: "newest", in: `{"ignition":{"version":"3.6.0"}}`},
		{name: "empty", in: " \n", want: []string{"x.ign: the file is empty"}},
		{name: "spec 2", in: "{\n \"ignition\": {\"version\": \"2.3.0\"}}", want: []string{"x.ign:2:26: spec version 2.3.0: the system's Ignition reads 3.x only"}},
		{name: "spec 4", in: `{"ignition":{"version":"4.0.0"}}`, want: []string{"x.ign:1:24: spec version 4.0.0 is unknown here; known are 3.0.0 to 3.6.0 (ignition.version)"}},
		{name: "no version", in: `{"storage":{}}`, want: []string{"x.ign:1:2: ignition.version is missing"}},
		{name: "syntax", in: "{\n\"ignition\": {\"version\": \"3.0.0\"},\n}", want: []string{"x.ign:3:1: invalid character '}'"}},
		{name: "cut short", in: "{\n\"ignition\": ", want: []string{"x.ign:2:12: unexpected end of JSON input"}},
		{name: "no object", in: "hello", want: []string{"x.ign:1:1: invalid character 'h'"}},
		{name: "wrong type", in: "{\"ignition\":{\"version\":\"3.0.0\"},\n\"storage\":{\"files\":[{\"path\":7}]}}", want: []string{"x.ign:2:29: cannot unmarshal number into Go struct field"}},
		{
			name: "several errors", in: "{\"ignition\":{\"version\":\"3.3.0\"},\"storage\":{\"files\":[\n{\"path\":\"etc/x\"},\n{\"path\":\"/a/\"}]}}",
			want: []string{"x.ign:2:9: path not absolute (storage.files.0.path)", "x.ign:3:9: path"},
		},
		{
			name: "twice", in: `{"ignition":{"version":"3.0.0"},"storage":{"files":[{"path":"/x"},{"path":"/x"}]}}`,
			want: []string{"defined twice (storage.files.1)"},
		},
		{
			name: "a key of a later spec", in: "{\"ignition\":{\"version\":\"3.0.0\"},\n \"kernelArguments\":{}}", warnings: true,
			want: []string{"warning: x.ign:2:2: unused key kernelArguments"},
		},
		{name: "butane", in: "# mine\nvariant: fcos\nversion: 1.4.0\n", want: []string{"x.ign:2:1: this is Butane, not Ignition: use -B"}},
		{name: "butane as JSON", in: `{"variant": "fcos", "version": "1.4.0"}`, want: []string{"x.ign:1:1: this is Butane"}},
		{name: "a variant within", in: `{"ignition":{"version":"3.0.0"},"variant":"x"}`, warnings: true, want: []string{"unused key variant"}},
		{name: "cloud-init", in: "#cloud-config\nusers: []\n", want: []string{"x.ign:1:1: this is cloud-init's format"}},
		{name: "gzip", in: "\x1f\x8b\x08", want: []string{"compressed by gzip"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := Check("x.ign", []byte(tt.in))
			if wantErr := len(tt.want) > 0 && !tt.warnings; (err != nil) != wantErr {
				t.Errorf("error %v", err)
			}
			if e, ok := errors.AsType[*InvalidError](err); err != nil && (!ok || cmp.Diff(all, e.Diagnostics) != "") {
				t.Errorf("the error %v has not the diagnostics", err)
			}
			got := lines(all)
			for i, want := range tt.want {
				if i >= len(got) || !strings.Contains(got[i], want) {
					t.Errorf("diagnostics %q, want %q", got, tt.want)
					break
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d diagnostics: %q", len(got), got)
			}
		})
	}
}

func TestInvalidErrorCounts(t *testing.T) {
	_, err := Check("x.ign", []byte(`{"ignition":{"version":"3.0.0","odd":1},"storage":{"files":[{"path":"x"},{"path":"y"}]}}`))
	if err == nil || !strings.HasPrefix(err.Error(), "x.ign:1:") || !strings.HasSuffix(err.Error(), ", and 1 more") {
		t.Errorf("error %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/x","contents":{"source":"data:,x"}}]}}`))
	f.Add([]byte(`{"ignition":{"version":"3.0.0"},"systemd":{"units":[{"name":"serial-getty@ttyS0.service","mask":true}]}}`))
	f.Add([]byte("variant: fcos\nversion: 1.4.0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Check("x", data)
		if err == nil {
			for _, d := range all {
				if !d.Warning {
					t.Errorf("an error in what is valid: %v", d)
				}
			}
			merged, _, err := Merge(data, Autologin("nest"), Hostname("x"), Key("nest", "ssh-ed25519 AAAA"))
			if err != nil {
				t.Fatalf("what is valid does not merge: %v", err)
			}
			if _, err := Check("", merged); err != nil {
				t.Errorf("merged to what is not valid: %v\n%s", err, merged)
			}
		}
		for _, d := range all {
			if d.Line < 0 || d.Col < 0 || d.Line > 1+strings.Count(string(data), "\n") || d.Text == "" {
				t.Errorf("diagnostic %#v", d)
			}
		}
	})
}
