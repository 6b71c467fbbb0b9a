package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/builder"
	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
)

// validateOptions is the command line of validate.
type validateOptions struct {
	strict  bool
	format  string
	unsaved string
	reviewOptions
}

// reviewOptions say for what a config is looked at.
type reviewOptions struct {
	arch   string
	engine engineFlag
}

func (o *reviewOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.arch, "arch", "", "for the architecture `ARCH` instead of this machine's: x86_64 or aarch64")
	o.engine.add(cmd)
}

// check gives what builder wants to know.
func (o reviewOptions) check(cmd *cobra.Command) (builder.ReviewOptions, error) {
	r := builder.ReviewOptions{Arch: o.arch}
	var err error
	if r.Engine, err = o.engine.engine(cmd); err != nil {
		return r, err
	}
	if o.arch == "" {
		host, err := workspace.HostArch()
		r.Arch = host.Name
		return r, err
	}
	if _, err := workspace.FindArch(o.arch); err != nil {
		return r, usageError{err}
	}
	return r, nil
}

func newValidateCommand(a *app) *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:     "validate [PATH...]",
		Short:   "Say everything that is wrong with a config",
		GroupID: groupBuild,
		Long: `Read the config of the workspace, or of each PATH (its directory, or a treefile in
it; no workspace is needed), and say everything that is wrong with it: treefiles,
image.yaml, platforms.yaml, .repo files, overlays, scripts. Nothing is built and
nothing is fetched. Where nosa fetch has left metadata of the repositories, the
packages are looked up in it too.

Errors keep a build from starting, warnings are surprises, infos are style (-v
shows them as text). With --strict warnings fail too.

--format json (or --output json) is one object: {"diagnostics": [{"severity":
"error|warning|info", "code", "file", "line", "column" (from 1, in characters),
"message", "hint", "fix" (text for the word at the place), "why", "chain" (the
includes that led there, outermost first)}]}. --format github makes annotations of
a GitHub workflow.` + exitHelp(exitOK, exitUsage, exitConfig, exitNoWorkspace),
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, list []string) error { return a.runValidate(cmd, o, list) },
	}
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail on warnings too")
	cmd.Flags().StringVar(&o.format, "format", "", "print as `FORMAT`: text, json or github")
	cmd.Flags().StringVar(&o.unsaved, "unsaved", "", "look at the texts in `FILE` in place of those on disk: a JSON object by path, as src/config/manifest.yaml")
	o.add(cmd)
	return cmd
}

// unsavedTexts reads the texts that stand in for those of the files of a directory.
func unsavedTexts(name, dir string) (doc.Texts, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("--unsaved: %w", err)}
	}
	var given map[string]string
	if err := json.Unmarshal(data, &given); err != nil {
		return nil, usageError{fmt.Errorf("--unsaved %s: %w", name, err)}
	}
	texts := doc.Texts{}
	for path, text := range given {
		texts.Put(filepath.Join(dir, path), []byte(text))
	}
	return texts, nil
}

func (a *app) runValidate(cmd *cobra.Command, o validateOptions, list []string) error {
	if o.format == "" {
		o.format = a.flags.output
	}
	if !slices.Contains([]string{"text", "json", "github"}, o.format) {
		return usageError{fmt.Errorf("--format %q: want text, json or github", o.format)}
	}
	configs, err := a.findConfigs(cmd, o.reviewOptions, list)
	if err != nil {
		return err
	}
	var found []located
	files := 0
	for _, c := range configs {
		if c.options.Texts, err = unsavedTexts(o.unsaved, c.files.Root); err != nil {
			return err
		}
		config, ds, err := c.review(cmd.Context())
		if err != nil {
			return err
		}
		files += len(config.Manifest.Files)
		for _, d := range ds {
			found = append(found, located{d, c.files.Root})
		}
	}
	if err := a.printFindings(o.format, found, files); err != nil {
		return err
	}
	bad := slices.ContainsFunc(found, func(l located) bool {
		return l.Severity == doc.Error || o.strict && l.Severity == doc.Warning
	})
	if bad {
		return toldAlready{code: exitConfig}
	}
	return nil
}

// located is a diagnostic with the directory that its file is relative to.
type located struct {
	doc.Diagnostic
	root string
}

// aConfig is a config that is looked at.
type aConfig struct {
	files   builder.ConfigFiles
	options builder.ReviewOptions
	env     *builder.Env // of the workspace; nil for a directory
}

// findConfigs finds what the paths of a command line mean, or without one the
// config of the workspace.
func (a *app) findConfigs(cmd *cobra.Command, o reviewOptions, paths []string) ([]aConfig, error) {
	options, err := o.check(cmd)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		c, err := a.workspaceConfig(options)
		if errors.Is(err, workspace.ErrNoWorkspace) {
			if _, none := os.Stat(filepath.Join(a.flags.dir, "manifest.yaml")); none == nil {
				paths = []string{a.flags.dir}
			}
		}
		if len(paths) == 0 {
			return []aConfig{c}, err
		}
	}
	var configs []aConfig
	for _, path := range paths {
		files, err := builder.DirectoryFiles(path, options.Arch)
		if err != nil {
			return nil, usageError{err}
		}
		configs = append(configs, aConfig{files: files, options: options})
	}
	return configs, nil
}

func (a *app) workspaceConfig(options builder.ReviewOptions) (aConfig, error) {
	ws, err := workspace.Open(a.flags.dir)
	if err != nil {
		return aConfig{}, err
	}
	env, err := builder.NewEnv(builder.Env{Dir: a.flags.dir, Version: buildVersion(), Job: "nosa validate", Now: a.now, Sink: noteSink{a}, NoWait: true})
	if err != nil {
		return aConfig{}, err
	}
	if env.Arch, err = workspace.FindArch(options.Arch); err != nil {
		return aConfig{}, err
	}
	files, err := builder.WorkspaceFiles(ws, options.Arch)
	return aConfig{files: files, options: options, env: env}, err
}

// review looks at the config, and at its packages where metadata is there.
func (c aConfig) review(ctx context.Context) (*builder.Config, doc.Diagnostics, error) {
	config, found, err := builder.Review(ctx, c.files, c.options)
	if err != nil || c.env == nil || found.HasErrors() {
		return config, found, err
	}
	packages, _, err := builder.ReviewPackages(ctx, c.env, config)
	return config, append(found, packages...).Sorted(), err
}

// toldAlready ends a command whose answer has said what is wrong.
type toldAlready struct{ code int }

func (e toldAlready) Error() string { return "the configuration is wrong" }

// printFindings prints the answer of validate.
func (a *app) printFindings(format string, found []located, files int) error {
	switch format {
	case "json":
		return a.printFindingsJSON(found)
	case "github":
		for _, l := range found {
			fmt.Fprintln(a.stdout, githubLine(l.Diagnostic))
		}
		return nil
	}
	counts := map[doc.Severity]int{}
	sources := map[string][]byte{}
	for _, l := range found {
		counts[l.Severity]++
		if l.Severity == doc.Info && !a.flags.verbose || l.Severity != doc.Error && a.flags.quiet {
			continue
		}
		name := l.File
		if !filepath.IsAbs(name) {
			name = filepath.Join(l.root, name)
		}
		if _, ok := sources[name]; !ok {
			sources[name], _ = doc.ReadBytes(name) // without it there is no excerpt
		}
		fmt.Fprintln(a.stdout, a.paintSeverity(l.Severity, excerptOf(l.Diagnostic, sources[name])))
	}
	if a.flags.quiet {
		return nil
	}
	var parts []string
	if counts[doc.Error]+counts[doc.Warning] == 0 {
		parts = append(parts, "nothing is wrong")
	}
	for _, s := range []doc.Severity{doc.Error, doc.Warning, doc.Info} {
		if counts[s] > 0 {
			parts = append(parts, count(counts[s], string(s)))
		}
	}
	sum := strings.Join(parts, ", ")
	if counts[doc.Info] > 0 && !a.flags.verbose {
		sum += " (-v shows the infos)"
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", count(files, "file"), sum)
	return nil
}

// paintSeverity colours the first word of an excerpt where colours are wanted.
func (a *app) paintSeverity(s doc.Severity, excerpt string) string {
	if !a.wantsColor() {
		return excerpt
	}
	colour := map[doc.Severity]string{doc.Error: red, doc.Warning: yellow, doc.Info: dim}[s]
	return "\x1b[" + colour + "m" + string(s) + "\x1b[0m" + strings.TrimPrefix(excerpt, string(s))
}

// wantsColor says if stdout is to have colours.
func (a *app) wantsColor() bool {
	switch a.flags.color {
	case "always":
		return true
	case "never":
		return false
	}
	return a.outWidth > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// finding is a diagnostic as the JSON form has it: every member is always there.
type finding struct {
	Severity doc.Severity `json:"severity"`
	Code     string       `json:"code"`
	File     string       `json:"file"`
	Line     int          `json:"line"`
	Column   int          `json:"column"`
	Message  string       `json:"message"`
	Hint     string       `json:"hint"`
	Fix      string       `json:"fix"`
	Why      string       `json:"why"`
	Chain    []string     `json:"chain"`
}

func (a *app) printFindingsJSON(found []located) error {
	list := make([]finding, len(found))
	for i, l := range found {
		list[i] = finding{
			Severity: l.Severity, Code: l.Code, File: l.File, Line: l.Line, Column: l.Column,
			Message: l.Message, Hint: l.Hint, Fix: l.Fix, Why: l.Why, Chain: append([]string{}, l.Chain...),
		}
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"diagnostics": list}); err != nil {
		return fmt.Errorf("printing the answer: %w", err)
	}
	return nil
}

// githubLine is a diagnostic as a workflow command of GitHub Actions
// (docs.github.com, "Workflow commands for GitHub Actions").
func githubLine(d doc.Diagnostic) string {
	value := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	kind := map[doc.Severity]string{doc.Error: "error", doc.Warning: "warning", doc.Info: "notice"}[d.Severity]
	at := []string{"file=" + property.Replace(d.File)}
	if d.Line > 0 {
		at = append(at, fmt.Sprintf("line=%d", d.Line))
	}
	if d.Column > 0 {
		at = append(at, fmt.Sprintf("col=%d", d.Column))
	}
	at = append(at, "title="+property.Replace(d.Code))
	text := []string{d.Message}
	for _, more := range []string{d.Why, d.Hint} {
		if more != "" {
			text = append(text, more)
		}
	}
	return "::" + kind + " " + strings.Join(at, ",") + "::" + value.Replace(event.Clean(strings.Join(text, "; ")))
}
