package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/container"
	"github.com/nestos/nosa/builder/pool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/proc"
)

// imageRequest is what nosa image asks of its job.
type imageRequest struct {
	Engine   backend.Kind `json:"engine"`
	Base     string       `json:"base,omitempty"` // "" is the Containerfile's
	Tag      string       `json:"tag"`
	CA       []string     `json:"ca,omitempty"` // absolute
	Repos    []string     `json:"repos,omitempty"`
	URLs     []string     `json:"urls,omitempty"`
	Programs []string     `json:"programs,omitempty"`
	Fresh    bool         `json:"fresh,omitempty"`
	NoWait   bool         `json:"no_wait,omitempty"`
	// Of nosa image base.
	Mirror         string `json:"mirror,omitempty"`
	SecurityMirror string `json:"security_mirror,omitempty"`
}

func newImageCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "image",
		Short:   "The container image that nosa runs builds in",
		GroupID: groupWork,
		Args:    words(0, 0),
	}
	cmd.AddCommand(newImageBuildCommand(a), newImageBaseCommand(a))
	return cmd
}

func newImageBuildCommand(a *app) *cobra.Command {
	var req imageRequest
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Make the image, or bring it up to date",
		Args:  words(0, 0),
		Long: `Make the image of the programs that nosa calls and of this nosa, with podman or
docker (--backend decides, else the first that is here). All that it is made from
comes with nosa; nosa-tui and nestos-installer are those beside it. What has not
changed is not done anew: with only a new nosa it takes seconds.

The base is openEuler 24.03 LTS. --base takes another image of openEuler, Fedora
with dnf 4, or Debian; where no registry can be reached, the one that nosa image
base makes. Repositories of one's own take the place of the base's: --repo FILE
(.repo, .list or .sources, and keys) or --repo-url. A proxy of the environment is
the build's too, and does not stay in the image; --ca FILE stays: it is trusted.

Outside of a workspace the job is below the user's cache directory.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runImageBuild(cmd.Context(), req) },
	}
	f := cmd.Flags()
	f.StringVar(&req.Base, "base", "", "start from the image `REF` (default: that of the image that is there, else "+container.DefaultBase+")")
	f.StringVar(&req.Tag, "tag", "", "call it `REF` (default: --image)")
	f.StringArrayVar(&req.CA, "ca", nil, "trust the certificates in `FILE` (PEM), in the image and while it is made; can be repeated")
	f.StringArrayVar(&req.Repos, "repo", nil, "use the repositories in `FILE` only; can be repeated")
	f.StringArrayVar(&req.URLs, "repo-url", nil, "use the repository at `URL` only; can be repeated (Debian: the archive, then its security archive)")
	f.BoolVar(&req.Fresh, "fresh", false, "install all packages anew, as new as there are")
	cmd.MarkFlagsMutuallyExclusive("repo", "repo-url")
	return cmd
}

func newImageBaseCommand(a *app) *cobra.Command {
	var req imageRequest
	cmd := &cobra.Command{
		Use:   "base",
		Short: "Make a Debian base image from a mirror",
		Args:  words(0, 0),
		Long: `Make a base for nosa image build where no registry can be reached: a minimal Debian
12 from a mirror, by mmdebstrap, which checks the archive's signatures.

  nosa image base && nosa image build --base ` + container.LocalBase + exitHelp(exitOK, exitFailed, exitUsage, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runImageBase(cmd.Context(), req) },
	}
	f := cmd.Flags()
	f.StringVar(&req.Tag, "tag", container.LocalBase, "call it `REF`")
	f.StringVar(&req.Mirror, "mirror", envOr("NOSA_DEBIAN_MIRROR", pool.DefaultMirror), "`URL` of the Debian archive")
	f.StringVar(&req.SecurityMirror, "security-mirror", envOr("NOSA_DEBIAN_SECURITY_MIRROR", pool.DefaultSecurityMirror), "`URL` of the security archive")
	return cmd
}

func (a *app) runImageBuild(ctx context.Context, req imageRequest) error {
	flag := "tag"
	if req.Tag == "" {
		flag, req.Tag = "image", a.flags.image
	}
	err := errors.Join(checkReference("base", req.Base), checkReference(flag, req.Tag))
	for _, list := range []struct {
		files []string
		check func(string) error
		name  func(string) string
	}{{req.CA, container.CheckCA, stem}, {req.Repos, checkRepoFile, filepath.Base}} {
		err = errors.Join(err, absolute(list.files, list.check, list.name))
	}
	for _, text := range req.URLs {
		err = errors.Join(err, checkRepoURL(text))
	}
	if err != nil {
		return usageError{err}
	}
	if req.Programs, err = ownPrograms(); err != nil {
		return err
	}
	return a.runImage(ctx, "image", req)
}

func (a *app) runImageBase(ctx context.Context, req imageRequest) error {
	err := errors.Join(checkReference("tag", req.Tag), checkRepoURL(req.Mirror), checkRepoURL(req.SecurityMirror))
	if err != nil {
		return usageError{err}
	}
	return a.runImage(ctx, "image-base", req)
}

// errInside is nosa in its own container, where it starts no other.
var errInside = errors.New("this is nosa's container: images are made outside of it")

// errOffline is a command that is nothing without the network.
var errOffline = errors.New("--offline: making an image takes the network")

// runImage runs the job. The engine is looked for before: without one there is nothing to look at.
func (a *app) runImage(ctx context.Context, name string, req imageRequest) error {
	switch {
	case a.flags.offline:
		return usageError{errOffline}
	case os.Getenv("NOSA_IN_CONTAINER") != "":
		return errInside
	}
	if kind := backend.Kind(a.flags.backend); kind == backend.Podman || kind == backend.Docker {
		req.Engine = kind
	}
	engine, err := backend.Find(ctx, req.Engine)
	if err != nil {
		return err
	}
	if name == "image" && req.Base == "" {
		req.Base = baseOf(ctx, engine, req.Tag)
	}
	// A podman under docker's name stays docker: that is what it is found by.
	req.Engine = backend.Kind(cmp.Or(engine.Program, string(engine.Kind)))
	req.NoWait = a.flags.noWait
	jobs, err := a.imageJobs()
	if err != nil {
		return err
	}
	// Nothing may be left running, so a pid namespace where that takes no user namespace, which the engine would mistake
	// for a rootless one.
	fences := []proc.Fence{proc.FencePID, proc.FenceReaper}
	if os.Geteuid() != 0 {
		fences = fences[1:]
	}
	return a.runStage(ctx, stageRun{jobs: jobs, name: name, request: req, fences: fences})
}

// baseOf is what the image that is there was made from; "" is not known.
func baseOf(ctx context.Context, e backend.Engine, ref string) string {
	image, err := e.Image(ctx, ref)
	if err != nil || checkReference("base", image.Labels[backend.LabelBase]) != nil {
		return ""
	}
	return image.Labels[backend.LabelBase]
}

// imageJobs is where the jobs of images are: in the workspace, or below the user's cache directory.
func (a *app) imageJobs() (string, error) {
	ws, err := workspace.Open(a.flags.dir)
	if err == nil {
		return ws.JobsDir(), nil
	}
	if !errors.Is(err, workspace.ErrNoWorkspace) {
		return "", err
	}
	dir, err := imageCache()
	return filepath.Join(dir, "tmp", "jobs"), err
}

// imageCache is what nosa has below the user's cache directory.
func imageCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a place outside of a workspace: %w", err)
	}
	return filepath.Join(dir, "nosa"), nil
}

// ownPrograms are nosa and the programs that are made together with it.
func ownPrograms() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding nosa's own executable: %w", err)
	}
	var list []string
	for _, name := range []string{"nosa", "nosa-tui", "nestos-installer"} {
		path := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(path); err != nil {
			return nil, notMade{path}
		}
		list = append(list, path)
	}
	return list, nil
}

// notMade is a program that belongs into the image and does not lie beside nosa.
type notMade struct{ path string }

// Error implements error.
func (e notMade) Error() string { return "there is no " + e.path }

// checkReference refuses what cannot be the name of an image. The engine knows more of it.
func checkReference(flag, text string) error {
	if text != "" && !regexp.MustCompile(`^[A-Za-z0-9][\w./:@-]*$`).MatchString(text) {
		return fmt.Errorf("--%s %q: want the name of an image, such as %s", flag, text, backend.DefaultImage)
	}
	return nil
}

// checkRepoURL refuses what no package manager would take, or what must not stay in an image.
func checkRepoURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" && u.Scheme != "file" || !slices.Contains([]string{"http", "https", "ftp", "file"}, u.Scheme) || strings.ContainsAny(text, " \t\n"):
		return fmt.Errorf("repository %q: want a URL", text)
	case u.User != nil:
		return fmt.Errorf("repository %s: the password would stay in the image", u.Redacted())
	}
	return nil
}

// checkRepoFile refuses what the image would not look at.
func checkRepoFile(path string) error {
	base := filepath.Base(path)
	known := slices.Contains([]string{".repo", ".list", ".sources", ".gpg", ".asc"}, filepath.Ext(base)) || strings.HasPrefix(base, "RPM-GPG-KEY-")
	if !known {
		return fmt.Errorf("%s: want a .repo file, a .list or .sources file, or a key (.gpg, .asc, RPM-GPG-KEY-…)", path)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("reading repositories: %w", err)
	}
	return nil
}

// stem is a file's name without its extension: all that the image keeps of a certificate's.
func stem(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// absolute makes the names absolute that check has nothing against. Two whose name in the image is one would become one.
func absolute(files []string, check func(string) error, inImage func(string) string) error {
	seen := map[string]string{}
	for i, path := range files {
		if err := check(path); err != nil {
			return err
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("finding %s: %w", path, err)
		}
		name := inImage(path)
		if other, ok := seen[name]; ok {
			return fmt.Errorf("%s and %s: the image can have one of that name", other, path)
		}
		files[i], seen[name] = abs, path
	}
	return nil
}
