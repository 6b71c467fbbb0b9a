package manifest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nestos/nosa/workspace/doc"
)

// maxDepth is how many levels of includes may lie below the top-level file.
const maxDepth = 50

// loader is one walk over a treefile and its includes.
type loader struct {
	doc.Decoder
	opts      Options
	top       string // path of the top-level treefile
	keys      []Key
	byName    map[string]*Key // by name and by legacy spelling
	files     []string
	isFile    map[string]bool // of files
	seen      []seenFile
	used      budget
	variables map[string]variable
	written   []written           // every key where it stands
	implied   map[string][]*value // by key: what container and edition set
	same      map[[2]string]bool  // of pairs of files: is their content the same
	finalize  map[string][]File   // by directory: the executables of its finalize.d
}

// seenFile is a treefile that was opened, for telling when it comes again.
type seenFile struct {
	info  os.FileInfo
	chain []string // how it was reached, itself excluded
	name  string
}

// variable is a value for conditions and substitution.
type variable struct {
	text string
	typ  doc.Type // Bool, Int or String
	at   Origin   // zero for basearch
}

func newLoader(top string, opts Options) *loader {
	keys := KeyTable()
	l := &loader{
		opts: opts, top: top, keys: keys, byName: make(map[string]*Key, 2*len(keys)), isFile: map[string]bool{},
		implied: map[string][]*value{}, same: map[[2]string]bool{}, finalize: map[string][]File{},
	}
	for i := range keys {
		l.byName[keys[i].Name] = &keys[i]
		if keys[i].Legacy != "" {
			l.byName[keys[i].Legacy] = &keys[i]
		}
	}
	l.variables = map[string]variable{"basearch": {text: opts.Arch, typ: doc.String}}
	return l
}

// name returns path as diagnostics show it.
func (l *loader) name(path string) string {
	root, err := filepath.Abs(l.opts.Root)
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return path
	}
	return rel
}

func (l *loader) addFile(path string) {
	if !l.isFile[path] {
		l.isFile[path] = true
		l.files = append(l.files, path)
	}
}

// load reads the treefile at path and merges its includes into it. From is
// the include entry, zero for the top-level file. It returns nil when nothing
// could be made of the file.
func (l *loader) load(path string, from Origin, depth int) *layer {
	src := doc.Source{Name: l.name(path)}
	if from.File != "" {
		src.Chain = append(slices.Clone(from.Chain), from.Short())
	}
	at := from
	if from.File == "" {
		at = Origin{File: src.Name}
	}
	if l.used.over {
		return nil
	}
	if depth > maxDepth {
		l.Report(at.Errorf(codeDepth, "includes are nested deeper than %d levels", maxDepth))
		return nil
	}
	if !l.open(path, at, src) {
		return nil
	}
	if filepath.Ext(path) == ".ks" {
		l.Report(at.Errorf(codeUnsupported, "kickstart files are not supported").WithHint("move the packages to a treefile"))
		return nil
	}
	root, ds := l.opts.Texts.Read(path, src)
	l.Diagnostics = append(l.Diagnostics, ds...)
	if ds.HasErrors() || !l.affordsValues(at, values(root)) {
		return nil
	}
	f := &file{loader: l, path: path, src: src, layer: newLayer(), yaml: doc.IsYAML(src.Name), depth: depth}
	if !f.checkRoot(root) {
		return f.layer
	}
	f.read(root)
	f.finish()
	return f.layer
}

// open checks that path can be read and was not read before.
func (l *loader) open(path string, at Origin, src doc.Source) bool {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("it is not a regular file")
	}
	if err != nil {
		l.Report(l.unreadable(path, at, err))
		return false
	}
	for _, s := range l.seen {
		if !os.SameFile(s.info, info) {
			continue
		}
		if slices.Contains(chainFiles(at), s.name) {
			l.Report(at.Errorf(codeTwice, "%s includes itself: %s", s.name, way(src)))
			return false
		}
		l.Report(at.Errorf(codeTwice, "%s is included twice: %s, and here: %s", s.name, way(doc.Source{Name: s.name, Chain: s.chain}), way(src)).
			WithHint("this is no loop, but a file may take part only once; include it in one place, further up"))
		return false
	}
	if !l.affords(at, src.Name, info) {
		return false
	}
	l.seen = append(l.seen, seenFile{info: info, chain: src.Chain, name: src.Name})
	l.addFile(path)
	return true
}

// executables lists those of a finalize.d.
func (l *loader) executables(dir string) []File {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var found []File
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o100 == 0 {
			continue
		}
		path := filepath.Join(dir, e.Name())
		l.addFile(path)
		found = append(found, File{Item: Item{Text: e.Name(), Origin: Origin{File: l.name(path)}}, Path: path})
	}
	return found
}

// chainFiles returns the files that led to at, its own included.
func chainFiles(at Origin) []string {
	files := []string{at.File}
	for _, link := range at.Chain {
		files = append(files, link[:strings.LastIndexByte(link, ':')])
	}
	return files
}

func way(src doc.Source) string {
	return strings.Join(append(slices.Clone(src.Chain), src.Name), " -> ")
}

func (l *loader) unreadable(path string, at Origin, err error) doc.Diagnostic {
	if at.Line == 0 {
		return at.Errorf(codeUnreadable, "the treefile cannot be read: %v", reason(err))
	}
	d := at.Errorf(codeUnreadable, "the included file %s cannot be read: %v", l.name(path), reason(err)).
		WithHint("paths are relative to the file that includes")
	beside, errRel := filepath.Rel(filepath.Dir(l.includer(at)), path)
	if errRel != nil {
		return d
	}
	fromTop := filepath.Join(filepath.Dir(l.top), beside)
	if _, err := os.Stat(fromTop); err != nil || fromTop == path {
		return d
	}
	if fix, err := filepath.Rel(filepath.Dir(l.includer(at)), fromTop); err == nil {
		return d.WithFix(fix).WithHint(fmt.Sprintf("it exists relative to the top-level treefile; paths are relative to the file that includes: write %s", fix))
	}
	return d
}

// includer returns the path of the file in which at stands.
func (l *loader) includer(at Origin) string {
	if filepath.IsAbs(at.File) {
		return at.File
	}
	root, err := filepath.Abs(l.opts.Root)
	if err != nil {
		return at.File
	}
	return filepath.Join(root, at.File)
}

// reason strips the operation and the path from an error of package os.
func reason(err error) error {
	if pe, ok := err.(*os.PathError); ok { //nolint:errorlint // only the outermost, whose path we print ourselves
		return pe.Err
	}
	return err
}

// sameContent compares two files, each pair once.
func (l *loader) sameContent(a, b string) bool {
	pair := [2]string{a, b}
	same, known := l.same[pair]
	if !known {
		x, errX := l.opts.Texts.ReadBytes(a)
		y, errY := l.opts.Texts.ReadBytes(b)
		same = errX == nil && errY == nil && bytes.Equal(x, y)
		l.same[pair] = same
	}
	return same
}
