package backend

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	podman := &Engine{Kind: Podman, Program: "podman", Version: "4.3.1"}
	docker := &Engine{Kind: Docker, Program: "docker", Version: "27.0.1"}
	none := noneError{&UnusableError{Kind: Podman, Reason: "is not found"}, &UnusableError{Kind: Docker, Reason: "has no daemon", Fix: "systemctl start docker"}}
	tools := errors.New("missing program: ostree; install with: apt-get install ostree")
	for _, tt := range []struct {
		name  string
		facts Facts
		want  string // backend: why, or the error
	}{
		{"inside", Facts{Inside: true, Want: "podman", Tools: tools}, "local: this is nosa's container"},
		{"local wanted", Facts{Want: "local", Engine: podman, Image: ImageOK, Tools: tools}, "local: asked for"},
		{"auto: image", Facts{Want: "auto", Engine: podman, Image: ImageOK}, "podman: image localhost/nosa:latest"},
		{"no word is auto", Facts{Engine: docker, Image: ImageOK, Tools: tools}, "docker: image localhost/nosa:latest"},
		{"auto: stale", Facts{Engine: podman, Image: ImageStale}, "podman: image localhost/nosa:latest; it was made from other lists of programs than this nosa has: nosa image build makes it anew"},
		{"auto: no image, tools", Facts{Engine: podman, Image: ImageMissing}, "local: all programs are here; podman has no image localhost/nosa:latest (nosa image build makes it)"},
		{"auto: no engine, tools", Facts{EngineErr: none}, "local: all programs are here; no container engine: podman is not found; docker has no daemon (systemctl start docker)"},
		{"auto: an engine that fails", Facts{Engine: podman, EngineErr: errors.New("podman: database is locked")}, "local: all programs are here; podman: database is locked"},
		{"auto: neither", Facts{EngineErr: none, Tools: tools}, "neither"},
		{"auto: no image, no tools", Facts{Engine: podman, Image: ImageMissing, Tools: tools}, "no image"},
		{"docker wanted", Facts{Want: "docker", Engine: docker, Image: ImageStale}, "docker: asked for; it was made from other lists of programs than this nosa has: nosa image build makes it anew"},
		{"podman wanted, no image", Facts{Want: "podman", Engine: podman, Image: ImageMissing}, "the backend podman cannot be used: podman has no image localhost/nosa:latest (nosa image build makes it)"},
		{"docker wanted, none", Facts{Want: "docker", EngineErr: none[1:]}, "the backend docker cannot be used: no container engine: docker has no daemon (systemctl start docker)"},
		{"unknown", Facts{Want: "lxc"}, `backend "lxc": want auto, local, podman or docker`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.facts.Ref = DefaultImage
			choice, err := Choose(tt.facts)
			got := choice.Backend + ": " + choice.Why
			if err != nil {
				got = err.Error()
			}
			switch tt.want {
			case "neither":
				tt.want = "this needs programs, and there are two places for them; neither is ready\n" +
					"a container: no container engine: podman is not found; docker has no daemon (systemctl start docker)\n" +
					"this machine: missing program: ostree; install with: apt-get install ostree"
			case "no image":
				tt.want = "this needs programs, and there are two places for them; neither is ready\n" +
					"a container: podman has no image localhost/nosa:latest (nosa image build makes it)\n" +
					"this machine: missing program: ostree; install with: apt-get install ostree"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Who branches on what is missing finds it.
func TestMissingError(t *testing.T) {
	tools := errors.New("no ostree")
	_, err := Choose(Facts{Engine: &Engine{Kind: Podman}, Image: ImageMissing, Tools: tools, Ref: "x"})
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || missing.Want != "" || !errors.Is(err, ErrNoImage) || !errors.Is(err, tools) {
		t.Errorf("%#v", err)
	}
	_, err = Choose(Facts{Want: "docker"})
	if !errors.Is(err, ErrNone) {
		t.Errorf("%#v", err)
	}
}
