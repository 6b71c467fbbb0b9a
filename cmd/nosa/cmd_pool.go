package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/assets"
	"github.com/nestos/nosa/builder/backend"
	"github.com/nestos/nosa/builder/pool"
	"github.com/nestos/nosa/builder/tool"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
)

// poolRequest is what nosa pool create asks of its job.
type poolRequest struct {
	Dir            string `json:"dir"` // absolute
	Cache          string `json:"cache,omitempty"`
	Suite          string `json:"suite"`
	Mirror         string `json:"mirror"`
	SecurityMirror string `json:"security_mirror"`
	Offline        bool   `json:"offline"`
	Installer      string `json:"installer,omitempty"`
}

func newPoolCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pool",
		Short:   "The sample's package repository",
		GroupID: groupWork,
		Args:    words(0, 0),
	}
	cmd.AddCommand(newPoolCreateCommand(a))
	return cmd
}

func newPoolCreateCommand(a *app) *cobra.Command {
	var req poolRequest
	cmd := &cobra.Command{
		Use:   "create [DIR]",
		Short: "Make an RPM repository from Debian packages",
		Args:  words(0, 1),
		Long: `Fetch the sample's packages from a Debian mirror, turn each into an RPM with its
real name, version and requirements, and make a repository with signed metadata
of them, in DIR or in the workspace's pool/. The host's package database is not
touched, the archive's signatures are checked. nestos-installer, which is made
together with nosa, becomes a package too.` +
			exitHelp(exitOK, exitFailed, exitUsage, exitNoWorkspace, exitMissing, exitNoSpace, exitCancelled),
		RunE: func(cmd *cobra.Command, list []string) error {
			req.Offline = a.flags.offline
			return a.runPoolCreate(cmd.Context(), req, list)
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Suite, "suite", pool.DefaultSuite, "the Debian release; only bookworm fits the tables")
	f.StringVar(&req.Mirror, "mirror", envOr("NOSA_DEBIAN_MIRROR", pool.DefaultMirror), "`URL` of the Debian archive")
	f.StringVar(&req.SecurityMirror, "security-mirror", envOr("NOSA_DEBIAN_SECURITY_MIRROR", pool.DefaultSecurityMirror), "`URL` of the security archive")
	f.StringVar(&req.Installer, "installer", envOr("NOSA_INSTALLER", ""), "the `program` nestos-installer, for the package of that name (default: the one beside nosa)")
	f.StringVar(&req.Cache, "cache", envOr("NOSA_POOL_CACHE", ""), "keep fetched and converted packages in `DIR` (default: cache/ in the pool)")
	return cmd
}

func (a *app) runPoolCreate(ctx context.Context, req poolRequest, list []string) error {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil && (len(list) == 0 || !errors.Is(err, workspace.ErrNoWorkspace)) {
		return err
	}
	if req.Cache != "" {
		if req.Cache, err = filepath.Abs(req.Cache); err != nil {
			return fmt.Errorf("finding the pool's cache: %w", err)
		}
	}
	if req.Installer, err = findInstaller(req.Installer); err != nil {
		return err
	}
	binds := []backend.Mount{readOnly(req.Installer)}
	if req.Cache != "" {
		if err := os.MkdirAll(req.Cache, 0o755); err != nil {
			return fmt.Errorf("making the pool's cache: %w", err)
		}
		binds = append(binds, backend.Mount{Source: req.Cache, Target: req.Cache})
	}
	if len(list) == 0 {
		req.Dir = ws.Pool()
		return a.runStage(ctx, stageRun{jobs: ws.JobsDir(), name: "pool", request: req, binds: binds})
	}
	if req.Dir, err = filepath.Abs(list[0]); err != nil {
		return fmt.Errorf("finding the pool: %w", err)
	}
	return a.runStage(ctx, stageRun{jobs: filepath.Join(req.Dir, "tmp", "jobs"), name: "pool", request: req, binds: binds})
}

// findInstaller gives the absolute path of nestos-installer, which is made together
// with nosa and lies beside it.
func findInstaller(given string) (string, error) {
	if given == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("finding nosa's own executable: %w", err)
		}
		given = filepath.Join(filepath.Dir(self), "nestos-installer")
	}
	path, err := filepath.Abs(given)
	if err != nil {
		return "", fmt.Errorf("finding nestos-installer: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", noInstaller{path}
	}
	return path, nil
}

// noInstaller is a nosa without the program that the sample's systems install
// themselves with.
type noInstaller struct{ path string }

// Error implements error.
func (e noInstaller) Error() string { return "there is no " + e.path }

// stagePool is the job of nosa pool create.
func stagePool(ctx context.Context, w *worker) error {
	var req poolRequest
	if err := w.request(&req); err != nil {
		return err
	}
	if err := tool.Require("pool"); err != nil {
		return err
	}
	tables, err := pool.ReadTables(assets.Pool())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(req.Dir, 0o755); err != nil {
		return fmt.Errorf("making the pool: %w", err)
	}
	w.journal.Emit(event.Event{Kind: event.Plan, Step: "pool", Title: "Debian packages as RPMs"})
	w.journal.Emit(event.Event{Kind: event.Step, Step: "pool", State: event.Run})
	start := w.app.now()
	sum, err := pool.Create(ctx, pool.Options{
		Dir: req.Dir, Cache: req.Cache, Suite: req.Suite, Mirror: req.Mirror, SecurityMirror: req.SecurityMirror,
		Now: start, Offline: req.Offline, Installer: req.Installer, Tables: tables,
	}, w.reporter("pool"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d packages, %d fetched (%s), %d converted, %d reused", len(sum.Packages), sum.Fetched,
		event.Bytes(sum.FetchBytes), sum.Converted, sum.Reused)
	if sum.Unchanged {
		text = fmt.Sprintf("%d packages, nothing new", len(sum.Packages))
	}
	w.journal.Emit(event.Event{Kind: event.Step, Step: "pool", State: event.Done, Text: text, MS: w.app.now().Sub(start).Milliseconds()})
	w.journal.Emit(event.Event{Kind: event.Artifact, Step: "pool", Path: sum.Repo})
	return nil
}
