package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nestos/nosa/builder/live"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// LiveRequest asks for the live ISO and the files for PXE of a build that exists.
type LiveRequest struct {
	Build  string `json:"build"` // id, tag or "latest"
	Fast   bool   `json:"fast"`  // quick compression, installs no metal4k image
	Force  bool   `json:"force"` // make them anew although they are there
	NoWait bool   `json:"no_wait,omitempty"`
}

// liveTypes are the artifacts that are made together, in the order in which they come into the build.
func liveTypes() []string {
	return []string{"live-kernel", "live-initramfs", "live-rootfs", "live-iso"}
}

// liveKey is the key of meta.json under which a build keeps how its live artifacts were made.
const liveKey = "nosa.live"

// LiveSettings are what decides over the bytes of live artifacts besides the build: what is made again
// is made as it was.
type LiveSettings struct {
	live.Compression
	Fast   bool     `json:"fast,omitempty"`
	Images []string `json:"images"` // disk images that can be installed from it
}

// Live makes the live artifacts of a build.
func Live(ctx context.Context, env *Env, req LiveRequest) error {
	env.NoWait = req.NoWait
	if err := tool.Require(liveTools(env.Arch.Name)...); err != nil {
		return err
	}
	if err := env.probe(ctx); err != nil {
		return err
	}
	release, err := env.Open(ctx, UseBuilds, readCache)
	if err != nil {
		return err
	}
	l, plan, err := planLive(env, req)
	if err == nil {
		err = errors.Join(plan.Run(ctx, env), l.unlock())
	}
	if err == nil {
		err = env.writeHistory("buildextend-live")
	}
	return errors.Join(err, release())
}

// liveTools are the parts of the table of tools that live artifacts take.
func liveTools(arch string) []string {
	if arch == "x86_64" {
		return []string{"disk", "live", "live-bios"}
	}
	return []string{"disk", "live"}
}

// PlanLive gives the steps that make the live artifacts.
func PlanLive(env *Env, req LiveRequest) (Plan, error) {
	_, plan, err := planLive(env, req)
	return plan, err
}

func planLive(env *Env, req LiveRequest) (*liveImages, Plan, error) {
	id, err := env.WS.Resolve(req.Build, env.Arch.Name)
	if err != nil {
		return nil, nil, err
	}
	l := &liveImages{id: id, dir: env.WS.BuildDir(id, env.Arch.Name), force: req.Force, fast: req.Fast}
	if l.meta, err = workspace.ReadMeta(l.dir); err != nil {
		return nil, nil, err
	}
	if isContainer(l.dir) {
		return nil, nil, &NoImageError{Build: id}
	}
	if l.volume, err = live.VolumeID(l.meta.Name, id); err != nil {
		return nil, nil, hint(fmt.Errorf("build %s: %w", id, err), "it is made of rojig.name and the version: nosa build --version gives a shorter one")
	}
	if l.files, err = liveFiles(l.dir, id); err != nil {
		return nil, nil, err
	}
	l.choose()
	return l, l.plan(), nil
}

// plan gives the steps.
func (l *liveImages) plan() Plan {
	here := liveStep{live: l}
	plan := Plan{
		{Name: "import", Title: "commit in the cache", Op: &HaveCommit{Build: l.id, Commit: l.meta.Commit}, Weight: 1},
		{Name: "rootfs", Title: "root filesystem", Needs: []string{"import"}, Op: &LiveRootfs{Build: l.id, Commit: l.meta.Commit, Fast: l.settings.Fast, liveStep: here}, Weight: 10},
	}
	for _, t := range l.settings.Images {
		plan = append(plan, Step{
			Name: t, Title: t + " image", Needs: []string{"import"}, Weight: 5,
			Op: &LiveDisk{DiskImage: DiskImage{Build: l.id, Commit: l.meta.Commit, Type: t}, live: l},
		})
	}
	return append(plan,
		Step{Name: "osmet", Title: "what installs the images", Needs: append([]string{"rootfs"}, l.settings.Images...), Op: &LiveOsmet{Build: l.id, Images: l.settings.Images, liveStep: here}, Weight: 4},
		Step{Name: "initrd", Title: "initramfs", Needs: []string{"osmet"}, Op: &LiveInitrd{Build: l.id, liveStep: here}, Weight: 2},
		Step{Name: "iso", Title: "ISO", Needs: []string{"initrd"}, Op: &LiveISO{Build: l.id, Volume: l.volume, liveStep: here}, Weight: 3},
	)
}

// liveImages is what the steps of one job share.
type liveImages struct {
	id     string
	dir    string // of the build
	meta   workspace.Meta
	volume string      // id of the ISO
	files  []live.File // of the config's live/, as the build keeps them
	force  bool
	fast   bool

	lock     *lock.File
	made     bool // by another job, while this one waited
	settings LiveSettings
	maker    *imageMaker
	laid     liveTree
	kernel   string // host's path, as the next
	initrd   string
	osmet    []string // host's paths
}

// liveStep is a step of a job.
type liveStep struct{ live *liveImages }

// Skip implements Skipper.
func (s liveStep) Skip(context.Context, *Env) (string, error) { return s.live.there() }

// there gives the reason for which nothing is to be done.
func (l *liveImages) there() (string, error) {
	if l.made {
		return "another job has made it", nil
	}
	if l.force {
		return "", nil
	}
	meta, err := workspace.ReadMeta(l.dir)
	if err != nil {
		return "", err
	}
	for _, t := range liveTypes() {
		if why := l.missing(meta, t); why != "" {
			return "", nil
		}
	}
	return "is there: " + meta.Images["live-iso"].Path, nil
}

// missing says why an artifact is to be made; "" is that it is there.
func (l *liveImages) missing(meta workspace.Meta, kind string) string {
	a, ok := meta.Images[kind]
	if !ok {
		return "the build has no " + kind + " yet"
	}
	if _, err := os.Stat(filepath.Join(l.dir, filepath.Base(a.Path))); err != nil {
		return a.Path + " is recorded, but gone"
	}
	return ""
}

// why says why the artifacts are made.
func (l *liveImages) why() string {
	if l.force {
		return "--force"
	}
	i := slices.IndexFunc(liveTypes(), func(t string) bool { return l.missing(l.meta, t) != "" })
	if i < 0 {
		return ""
	}
	return l.missing(l.meta, liveTypes()[i])
}

// begin takes the lock that is held until all artifacts are there.
func (l *liveImages) begin(ctx context.Context, env *Env) error {
	file := workspace.ArtifactFile{ID: l.id, Arch: env.Arch.Name, Type: "live-iso"}
	var err error
	l.lock, err = env.WS.LockImage(ctx, file, workspace.LockOptions{Kind: lock.Exclusive, NoWait: env.NoWait, Holder: env.Job})
	if err != nil {
		return err
	}
	reason, err := l.there()
	if err != nil {
		return err
	}
	l.made = reason != ""
	l.meta, err = workspace.ReadMeta(l.dir)
	return err
}

func (l *liveImages) unlock() error {
	if l.lock == nil {
		return nil
	}
	return l.lock.Close()
}

// choose decides how the artifacts are made: as they were, where they are made again. Which compressor
// it is then says image.json of the commit, which is not at hand yet.
func (l *liveImages) choose() {
	l.settings = LiveSettings{Fast: l.fast, Images: []string{"metal", "metal4k"}}
	if l.fast {
		l.settings.Images = []string{"metal"}
	}
	var before LiveSettings
	_, recorded := l.meta.Images["live-iso"]
	if l.force || !recorded || json.Unmarshal(l.meta.Extra[liveKey], &before) != nil || before.Compressor == "" {
		return
	}
	l.settings = before
}

// compression completes the settings.
func (l *liveImages) compression(compressor string, r *event.Reporter) {
	if l.settings.Compressor != "" {
		if l.settings.Fast != l.fast {
			r.Info("made again as it was: " + l.settings.describe())
		}
		return
	}
	effort := live.Dense
	if l.fast {
		effort = live.Quick
	}
	l.settings.Compression = live.CompressionOf(compressor, effort)
}

// describe says the compression in words.
func (s LiveSettings) describe() string {
	text := s.Compressor
	if s.Level > 0 {
		text += fmt.Sprintf(" level %d", s.Level)
	}
	if s.Fast {
		text += " (--fast)"
	}
	return text
}
