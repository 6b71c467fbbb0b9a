package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/manifest"
)

// manifestOptions are those of the commands about the manifest.
type manifestOptions struct {
	config string // a directory or treefile instead of the workspace's
	format string
	reviewOptions
}

func newManifestCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "manifest", Short: "The merged manifest: show, explain, schema", GroupID: groupBuild, Args: words(0, 0)}
	cmd.AddCommand(newManifestShow(a), newManifestExplain(a), newManifestSchema(a))
	return cmd
}

func newManifestShow(a *app) *cobra.Command {
	var o manifestOptions
	cmd := &cobra.Command{
		Use:   "show [PATH]",
		Short: "Print the manifest with all its includes merged",
		Long: `Print the effective treefile: all includes merged, variables substituted, as
rpm-ostree compose tree --print-only does. PATH is a config directory or a treefile
in it instead of the workspace's.` + exitHelp(exitOK, exitUsage, exitConfig, exitNoWorkspace),
		Args: words(0, 1),
		RunE: func(cmd *cobra.Command, list []string) error {
			o.config = strings.Join(list, "")
			return a.runManifestShow(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "", "print as `FORMAT`: yaml (default) or json")
	o.add(cmd)
	return cmd
}

func (a *app) runManifestShow(cmd *cobra.Command, o manifestOptions) error {
	if o.format == "" {
		o.format = map[bool]string{true: "json", false: "yaml"}[a.flags.output == "json"]
	}
	if !slices.Contains([]string{"yaml", "json"}, o.format) {
		return usageError{fmt.Errorf("--format %q: want yaml or json", o.format)}
	}
	_, m, err := a.loadManifest(cmd, o)
	if err != nil {
		return err
	}
	text, err := m.JSON()
	if err == nil && o.format == "yaml" {
		text, err = doc.YAMLFromJSON(text)
	}
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(text)
	return err
}

// loadManifest loads the treefile that is asked for; one with errors is an error.
func (a *app) loadManifest(cmd *cobra.Command, o manifestOptions) (aConfig, *manifest.Manifest, error) {
	var paths []string
	if o.config != "" {
		paths = []string{o.config}
	}
	configs, err := a.findConfigs(cmd, o.reviewOptions, paths)
	if err != nil {
		return aConfig{}, nil, err
	}
	c := configs[0]
	m, found := manifest.Load(c.files.Manifest, manifest.Options{Arch: c.options.Arch, Root: c.files.Root})
	if !found.HasErrors() {
		return c, m, nil
	}
	return c, m, a.refuse(slices.DeleteFunc(found, func(d doc.Diagnostic) bool { return d.Severity != doc.Error }), c)
}

// refuse prints what is wrong with a config where errors go, and ends the command.
func (a *app) refuse(found doc.Diagnostics, c aConfig) error {
	told := *a
	told.stdout = a.stderr
	format := "text"
	if a.flags.output == "json" {
		format, told.stdout = "json", a.stdout
	}
	files := map[string]bool{}
	var list []located
	for _, d := range found {
		files[d.File] = true
		list = append(list, located{d, c.files.Root})
	}
	if err := told.printFindings(format, list, len(files)); err != nil {
		return err
	}
	return toldAlready{code: exitConfig}
}

func newManifestExplain(a *app) *cobra.Command {
	var o manifestOptions
	cmd := &cobra.Command{
		Use:   "explain KEY|PACKAGE",
		Short: "Say where a key is set and which place wins, or why a package is there",
		Long: `Of a key of the manifest: its value, every place where it is written, which of
them wins, how it merges and which engine builds it. Of a package (name, NEVRA,
provides or /path): the shortest chain of requirements from an entry of the
manifest to it, what else requires it, and if it is not there, why. Packages need
what nosa fetch has left.

With --output json a key is {"key": {name, type, values, default, merge, legacy,
refused, since, doc}, "value", "elements": [{text, file, line, column}], "settings":
[{key, as, value, fate: "wins|joins|loses|idle|follows", why, file, line, column,
chain}]}.` + exitHelp(exitOK, exitFailed, exitUsage, exitConfig, exitNoWorkspace, exitMissing),
		Args: words(1, 1),
		RunE: func(cmd *cobra.Command, list []string) error { return a.runExplain(cmd, o, list[0]) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, key := range manifest.KeyTable() {
				names = append(names, key.Name+"\t"+key.Doc)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVar(&o.config, "config", "", "of the config directory or treefile `PATH` instead of the workspace's")
	o.add(cmd)
	return cmd
}

func (a *app) runExplain(cmd *cobra.Command, o manifestOptions, what string) error {
	key, isKey := manifest.FindKey(what)
	if !isKey {
		return a.explainPackage(cmd, o, what)
	}
	_, m, err := a.loadManifest(cmd, o)
	if err != nil {
		return err
	}
	answer := keyAnswer{Key: key, Elements: m.Elements(key.Name), Settings: m.Settings(key.Name)}
	if answer.Value, err = m.Value(key.Name); err != nil {
		return err
	}
	if a.flags.output == "json" {
		return a.answer(answer, "")
	}
	return a.printKey(answer)
}

// keyAnswer is what there is to say of a key.
type keyAnswer struct {
	Key      manifest.Key       `json:"key"`
	Value    json.RawMessage    `json:"value"` // null when it is not set
	Elements []manifest.Element `json:"elements"`
	Settings []manifest.Setting `json:"settings"`
}

func (a *app) printKey(k keyAnswer) error {
	fmt.Fprintf(a.stdout, "%s: %s\n", k.Key.Name, k.Key.Doc)
	fmt.Fprintln(a.stdout, "\nvalue")
	switch {
	case len(k.Elements) > 0:
		var rows [][]string
		for _, e := range k.Elements {
			rows = append(rows, []string{"  " + oneLine(e.Text), e.Origin.String()})
		}
		if err := a.printTable(rows); err != nil {
			return err
		}
	case string(k.Value) == "null":
		fmt.Fprintln(a.stdout, "  not set"+map[bool]string{true: ", so " + k.Key.Default}[k.Key.Default != ""])
	default:
		text := string(k.Value)
		if err := json.Unmarshal(k.Value, &text); err != nil { // no text: as JSON has it
			text = string(k.Value)
		}
		fmt.Fprintln(a.stdout, "  "+oneLine(text))
	}
	if len(k.Settings) > 0 {
		fmt.Fprintln(a.stdout, "\nwritten in")
		var rows [][]string
		for _, s := range k.Settings {
			value, err := json.Marshal(s.Value)
			if err != nil {
				return fmt.Errorf("printing the answer: %w", err)
			}
			fate := string(s.Fate)
			if s.Why != "" {
				fate += ": " + s.Why
			}
			as := s.As
			if as == s.Key {
				as = ""
			}
			rows = append(rows, []string{"  " + s.Origin.String(), fate, strings.TrimSpace(as + " " + oneLine(string(value)))})
		}
		if err := a.printTable(rows); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.stdout)
	return a.printTable(keyFacts(k.Key))
}

// keyFacts are what holds for a key in every manifest.
func keyFacts(k manifest.Key) [][]string {
	typ := string(k.Type)
	if len(k.Values) > 0 {
		typ += ": " + strings.Join(k.Values, ", ")
	}
	engines := "dnf, rpm-ostree"
	var refused []string
	for value, why := range k.Refused {
		if value == "*" {
			value = "any value"
		}
		refused = append(refused, fmt.Sprintf("dnf refuses %s: %s", value, why))
	}
	slices.Sort(refused)
	if len(refused) > 0 {
		engines = "rpm-ostree; " + strings.Join(refused, "; ")
	}
	if k.Since != "" {
		engines += "; rpm-ostree has it since " + k.Since
	}
	rows := [][]string{{"type", typ}}
	if k.Default != "" {
		rows = append(rows, []string{"default", k.Default})
	}
	if k.Legacy != "" {
		rows = append(rows, []string{"old name", k.Legacy})
	}
	return append(rows, []string{"merge", string(k.Rule)}, []string{"engines", engines})
}

// oneLine is a value on one line, cut where it is long.
func oneLine(text string) string {
	text = strings.TrimSpace(strings.NewReplacer("\\n", " ", "\n", " ").Replace(text))
	if r := []rune(text); len(r) > 100 {
		text = string(r[:99]) + "…"
	}
	return event.Clean(text)
}

func newManifestSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a treefile, for editors",
		Long: `Print a JSON Schema (draft 07) of treefiles, made from the table that nosa reads
them by. With the YAML language server: nosa manifest schema >treefile.json, and
"# yaml-language-server: $schema=treefile.json" as the first line of a manifest.` + exitHelp(exitOK, exitUsage),
		Args: words(0, 0),
		RunE: func(*cobra.Command, []string) error {
			text, err := manifest.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
