package backend

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The answers in testdata are those of podman 4.3.1 and docker 20.10.24, with the directories of their storage and
// the machine's name changed.

func TestImage(t *testing.T) {
	labels := map[string]string{LabelRole: "backend", LabelVersion: "1, 2"}
	for _, tt := range []struct {
		kind    Kind
		want    Image
		none    reply
		refused reply
	}{
		{
			Podman,
			Image{"fb140d1955b192dcc767727a15d1baced9f7d50c13b893526280a8f8b0df12a7", time.Date(2026, 11, 23, 20, 41, 38, 663985465, time.UTC), 1997957, labels},
			reply{say: "Error: inspecting object: nope: image not known", code: 125},
			reply{say: "Error: configure storage: database is locked", code: 125},
		},
		{
			Docker,
			Image{"1d6f8e111f0bf1179426961f8b2db46bf8209853afcf764a84ecbe1e159ebb1f", time.Date(2026, 11, 23, 20, 41, 39, 614044635, time.UTC), 1982340, labels},
			reply{say: "Error response from daemon: no such image: nope: No such image: nope:latest", code: 1},
			reply{say: "permission denied while trying to connect to the Docker daemon socket", code: 1},
		},
	} {
		e := Engine{Kind: tt.kind, Program: string(tt.kind)}
		fake(t, e.Program, map[string]reply{
			"image inspect localhost/nosa:latest": {out: string(tt.kind) + "-image.json"},
			"image inspect nope":                  tt.none,
			"image inspect refused":               tt.refused,
		})
		got, err := e.Image(t.Context(), DefaultImage)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.kind, err, diff)
		}
		if _, err := e.Image(t.Context(), "nope"); !errors.Is(err, ErrNoImage) {
			t.Errorf("%s: got %v, want ErrNoImage", tt.kind, err)
		}
		if _, err := e.Image(t.Context(), "refused"); err == nil || errors.Is(err, ErrNoImage) || !strings.Contains(err.Error(), tt.refused.say[7:]) {
			t.Errorf("%s: got %v, want what it said", tt.kind, err)
		}
	}
}

const (
	podmanOne, podmanTwo = "fd9a7b9e17b48d60ba78d739f83a2767d61ee0f46e98fb97de0a29f95ac8ad36", "5016192745b0fd74f11db9f2d751f51463d8e27d9a53bd98b2b37919ddb96b10"
	dockerOne, dockerTwo = "1f7812e058f7ac075e72ba973bbd5404c484f7ad0a311b243409126f59a42137", "e968d296037f7bea8a62e49b4d5d332b6d109b9f2ce16fddac7b6218e25d7d74"
)

// listing is how the containers of a workspace are asked for.
const listing = "ps --all --quiet --no-trunc --filter label=" + LabelWorkspace + "=/srv/a"

// wantContainers are the two of the recorded answers: one that runs, one that was only created.
func wantContainers(one, two string) []Container {
	return []Container{
		{one, "rec1", map[string]string{LabelRole: "backend", LabelVersion: "1, 2", LabelWorkspace: "/srv/a", LabelJob: `rec1, "x"=y`}, true},
		{two, "rec2", map[string]string{LabelRole: "backend", LabelVersion: "1, 2", LabelWorkspace: "/srv/a"}, false},
	}
}

func TestList(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		ids  string // in the order of the recorded answer
		want []Container
		gone reply
	}{
		{Podman, podmanOne + " " + podmanTwo, wantContainers(podmanOne, podmanTwo), reply{say: "Error: inspecting object: no such container nope", code: 125}},
		{Docker, dockerTwo + " " + dockerOne, wantContainers(dockerOne, dockerTwo), reply{say: "Error response from daemon: No such container: nope", code: 1}},
	} {
		e := Engine{Kind: tt.kind, Program: string(tt.kind)}
		replies := map[string]reply{
			listing:                       {out: e.Program + "-ps"},
			"container inspect " + tt.ids: {out: e.Program + "-containers.json"},
		}
		fake(t, e.Program, replies)
		got, err := e.List(t.Context(), LabelWorkspace+"=/srv/a")
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.kind, err, diff)
		}
		// One goes between the two questions.
		tt.gone.out = e.Program + "-containers-one-gone.json"
		replies["container inspect "+tt.ids] = tt.gone
		fake(t, e.Program, replies)
		got, err = e.List(t.Context(), LabelWorkspace+"=/srv/a")
		if diff := cmp.Diff(tt.want[:1], got); err != nil || diff != "" {
			t.Errorf("%s, one is gone: %v\n%s", tt.kind, err, diff)
		}
		fake(t, e.Program, map[string]reply{listing: {}})
		if got, err := e.List(t.Context(), LabelWorkspace+"=/srv/a"); err != nil || got != nil {
			t.Errorf("%s, none: %v, %v", tt.kind, got, err)
		}
	}
}

func TestKill(t *testing.T) {
	refused := reply{say: "Error: cannot remove container: device or resource busy", code: 125}
	for _, tt := range []struct {
		name    string
		replies map[string]reply
		want    string // part of the error; "" is none
	}{
		{"running", map[string]reply{"kill --signal KILL X": {}, "rm --force X": {}}, ""},
		{"podman: gone", map[string]reply{"kill --signal KILL X": {say: `Error: no container with name or ID "X" found: no such container`, code: 125}, "rm --force X": {}}, ""},
		{"docker: gone", map[string]reply{"kill --signal KILL X": {say: "Error response from daemon: Cannot kill container: X: No such container: X", code: 1}, "rm --force X": {say: "Error: No such container: X", code: 1}}, ""},
		{"docker: --rm is at it", map[string]reply{
			"kill --signal KILL X": {}, "rm --force X": {say: "Error response from daemon: removal of container X is already in progress", code: 1},
		}, ""},
		{"--rm is quicker", map[string]reply{
			"kill --signal KILL X": {}, "rm --force X": {say: "Error: removing container X: layer not known", code: 125},
			"container inspect X": {say: "Error: No such container: X", code: 1},
		}, ""},
		{"refused", map[string]reply{"kill --signal KILL X": {}, "rm --force X": refused, "container inspect X": {}}, "device or resource busy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake(t, "podman", tt.replies)
			err := Engine{Kind: Podman, Program: "podman"}.Kill(t.Context(), "X")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Of a workspace's containers just those that are said to be dead go, the others even when one of them will not.
func TestReap(t *testing.T) {
	noted := fake(t, "podman", map[string]reply{
		listing: {out: "podman-ps"},
		"container inspect " + podmanOne + " " + podmanTwo: {out: "podman-containers.json"},
		"kill --signal KILL " + podmanOne:                  {},
		"rm --force " + podmanOne:                          {say: "Error: busy", code: 125},
		"container inspect " + podmanOne:                   {},
		"kill --signal KILL " + podmanTwo:                  {say: "Error: not running", code: 125},
		"rm --force " + podmanTwo:                          {},
	})
	e := Engine{Kind: Podman, Program: "podman"}
	got, err := e.Reap(t.Context(), LabelWorkspace+"=/srv/a", func(Container) bool { return true })
	if diff := cmp.Diff([]string{"rec2"}, got); diff != "" || err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := os.Remove(noted); err != nil {
		t.Fatal(err)
	}
	got, err = e.Reap(t.Context(), LabelWorkspace+"=/srv/a", func(c Container) bool { return !c.Running })
	data, _ := os.ReadFile(noted)
	if diff := cmp.Diff([]string{"rec2"}, got); diff != "" || err != nil || strings.Contains(string(data), "rm --force "+podmanOne) {
		t.Errorf("%v\n%s\n%s", err, diff, data)
	}
}

// Whatever an engine prints, reading it ends with containers that have an id or an error.
func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"podman-containers.json", "docker-containers.json", "docker-image.json", "docker-info.json"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`[{"Id":"","Name":"/"}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := readContainers(data)
		for _, c := range list {
			if err != nil || c.ID == "" {
				t.Errorf("%+v, %v", c, err)
			}
		}
		if i, err := readImage(data); err == nil && i.ID == "" {
			t.Error("an image without an id")
		}
		var e Engine
		if err := e.readInfo(data, machine{}); err == nil && e.Version == "" {
			t.Error("an engine without a version")
		}
	})
}
