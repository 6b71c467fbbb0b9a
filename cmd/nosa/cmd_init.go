package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/pool"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
)

// poolRepo is the .repo file of a workspace that lives on a sample pool.
const poolRepo = "nosa-sample.repo"

// initRequest is what nosa init asks of its job.
type initRequest struct {
	Dir     string                `json:"dir"` // absolute
	Sample  bool                  `json:"sample"`
	Options workspace.InitOptions `json:"options"`

	shared string // the group's name, as given; "" is not shared
}

func newInitCommand(a *app) *cobra.Command {
	var req initRequest
	o := &req.Options
	cmd := &cobra.Command{
		Use:     "init (--sample | GITURL | /PATH | --shared) [SUBDIR]",
		Short:   "Make this directory a workspace",
		GroupID: groupWork,
		Args:    words(0, 2),
		Long: `Make the current directory (or that of -C) a workspace of a config repository: a
git URL is cloned, an absolute path is linked. SUBDIR is where in it the config
lies: released NestOS configs lie in NestOS-For-Container. --sample takes the
config that comes with nosa, whose packages nosa pool create makes.

--shared makes it a workspace of several people, as git init --shared does: those
of the GROUP, or of the directory's group, may all edit, start jobs and machines,
and end those of each other, whatever their umask. Without a source it shares the
workspace that is there, and mends one that is half shared (nosa doctor tells).
Nothing is shared with others than the group. Builds need root all the same, and
what is built as root here is what any of the group has put into it.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitMissing, exitCancelled),
		RunE: func(cmd *cobra.Command, list []string) error { return a.runInit(cmd, req, list) },
	}
	f := cmd.Flags()
	f.BoolVar(&req.Sample, "sample", false, "take the config that comes with nosa")
	f.BoolVar(&o.Force, "force", false, "go on in a directory that is not empty; what is there stays")
	f.StringVarP(&o.Branch, "branch", "b", "", "the git `BRANCH`")
	f.StringVarP(&o.Commit, "commit", "c", "", "the git `COMMIT`, in full")
	f.StringVarP(&o.Variant, "variant", "V", "", "use manifest-`VARIANT`.yaml and image-VARIANT.yaml")
	f.BoolVar(&o.Transient, "transient", false, "nothing here needs to survive a power cut: do not flush to disk")
	f.StringVar(&req.shared, "shared", "", "share it with the `GROUP`, or with the directory's own group")
	f.Lookup("shared").NoOptDefVal = ownGroup
	f.StringVar(&o.YumRepos, "yumrepos", "", "git URL or absolute path of more .repo files, the `REPO` becomes src/yumrepos")
	f.StringVar(&o.YumReposBranch, "yumrepos-branch", "", "the `BRANCH` of --yumrepos")
	return cmd
}

func (a *app) runInit(cmd *cobra.Command, req initRequest, list []string) error {
	var err error
	if req.Dir, err = filepath.Abs(a.flags.dir); err != nil {
		return fmt.Errorf("finding the directory: %w", err)
	}
	if cmd.Flags().Changed("shared") && !req.Sample && len(list) == 0 {
		gid, err := sharedGroup(req.shared, req.Dir)
		if err != nil {
			return err
		}
		return a.shareWorkspace(cmd.Context(), req.Dir, gid)
	}
	switch {
	case req.Sample && len(list) > 0:
		return usageError{fmt.Errorf("--sample and %s: want one of them", list[0])}
	case !req.Sample && len(list) == 0:
		return seeHelp(cmd, errors.New("want --sample, a git URL or an absolute path"))
	case len(list) > 0:
		req.Options.Source = list[0]
		if _, err := os.Stat(list[0]); err == nil && !filepath.IsAbs(list[0]) || strings.HasPrefix(list[0], ".") {
			abs, _ := filepath.Abs(list[0])
			return seeHelp(cmd, fmt.Errorf("%s: want a git URL or an absolute path, such as %s", list[0], abs))
		}
	}
	if len(list) > 1 {
		req.Options.Subdir = list[1]
	}
	if sock := os.Getenv("SSH_AUTH_SOCK"); sock != "" {
		req.Options.GitEnv = []string{"SSH_AUTH_SOCK=" + sock}
	}
	err = a.initWorkspace(cmd, req)
	if err == nil && a.flags.output == "text" && !a.flags.quiet {
		next := "nosa fetch"
		if req.Sample {
			next = "nosa pool create, then nosa fetch"
		}
		fmt.Fprintln(a.stderr, "  next: "+next)
	}
	return err
}

// initWorkspace runs the job, in a directory that is shared before if it is to be, so that the job is too.
func (a *app) initWorkspace(cmd *cobra.Command, req initRequest) error {
	run := stageRun{jobs: filepath.Join(req.Dir, "tmp", "jobs"), name: "init", request: req, binds: initBinds(req.Options)}
	if err := os.MkdirAll(req.Dir, 0o755); err != nil { // as mkdir does, also in a shared directory
		return fmt.Errorf("making the directory: %w", err)
	}
	if !cmd.Flags().Changed("shared") {
		return a.runStage(cmd.Context(), run)
	}
	gid, err := sharedGroup(req.shared, req.Dir)
	if err != nil {
		return err
	}
	if err := giveRoot(req.Dir, gid); err != nil {
		return err
	}
	if err := a.runStage(cmd.Context(), run); err != nil {
		return err
	}
	return a.shareWorkspace(cmd.Context(), req.Dir, gid)
}

// initBinds are the directories that a workspace is made from.
func initBinds(o workspace.InitOptions) []backend.Mount {
	var binds []backend.Mount
	for _, path := range []string{o.Source, o.YumRepos} {
		if filepath.IsAbs(path) && isThere(path) {
			binds = append(binds, readOnly(path))
		}
	}
	return binds
}

// stageInit is the job of nosa init.
func stageInit(ctx context.Context, w *worker) error {
	var req initRequest
	if err := w.request(&req); err != nil {
		return err
	}
	if err := tool.Require("init"); err != nil {
		return err
	}
	req.Options.Report = w.reporter("init")
	if req.Sample {
		req.Options.Sample = &workspace.Sample{FS: assets.Sample(), Epoch: sampleEpoch()}
	}
	if err := workspace.Init(ctx, req.Dir, req.Options); err != nil {
		return err
	}
	ws, err := workspace.Open(req.Dir)
	if err != nil {
		return err
	}
	if req.Sample {
		if err := ws.WriteRepo(poolRepo, []byte(pool.RepoFile(filepath.Join(ws.Pool(), "repo")))); err != nil {
			return err
		}
	}
	checkout, err := ws.ConfigCheckout(ctx)
	if err == nil {
		req.Options.Report.Info("config commit " + checkout.Git.Commit[:12] + " (" + checkout.Git.Branch + ")")
	}
	return nil
}

// sampleEpoch is the date of the sample's one commit. It changes with nothing
// but this line, so that two workspaces of the same nosa have the same commit.
func sampleEpoch() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }
