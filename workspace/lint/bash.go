package lint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nestos/nosa/workspace/doc"
	"github.com/nestos/nosa/workspace/proc"
)

// bashTime is how long bash may think about one script.
const bashTime = 10 * time.Second

// bashAll has bash parse every shell script. Those for sh are read by bash too:
// whether the target's sh is bash or dash is not known, and bash reads both.
func bashAll(ctx context.Context, all []script) doc.Diagnostics {
	all = slices.DeleteFunc(slices.Clone(all), func(s script) bool { return !s.isShell() })
	results := make([]doc.Diagnostics, len(all))
	errs := make([]error, len(all))
	slots := make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var lines []string
			lines, errs[i] = bash(ctx, s.text)
			results[i] = s.syntax(lines)
		})
	}
	wait.Wait()
	for i, err := range errs {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return doc.Diagnostics{doc.Origin{File: all[i].at(1, 0).File}.Infof(CodeUnchecked, "the syntax of %d scripts was not checked: there is no bash here", len(all)).
				WithHint("install bash")}
		}
		if err != nil && ctx.Err() == nil {
			results[i] = append(results[i], all[i].at(1, 0).Infof(CodeUnchecked, "bash could not check this script: %v", err))
		}
	}
	return slices.Concat(results...)
}

// isShell tells whether bash can read s: by its interpreter, or because it has
// none and sh runs it.
func (s script) isShell() bool {
	name := parseShebang(s.lines[0]).interpreter()
	return isShell(name) || !strings.HasPrefix(s.lines[0], "#!") && strings.TrimSpace(s.text) != ""
}

// bashArgs is the command line that parses the script on standard input.
func bashArgs(text string) []string {
	args := []string{"bash", "--norc", "--noprofile", "-n"}
	if strings.Contains(text, "extglob") { // shopt is not executed, but decides how the rest is read
		args = append(args, "-O", "extglob")
	}
	return append(args, "/dev/stdin")
}

// bash gives what bash says of a script. That it says something is no error.
func bash(ctx context.Context, text string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, bashTime)
	defer cancel()
	file, err := memoryFile(text)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []string
	err = proc.Run(ctx, proc.Cmd{
		Args: bashArgs(text), Stdin: file,
		Line: func(line string) { lines = append(lines, line) },
	})
	if exit, ok := errors.AsType[*proc.ExitError](err); ok && exit.Signal == 0 && len(lines) > 0 {
		err = nil
	}
	return lines, err
}

// memoryFile holds text. From a pipe bash would read byte by byte.
func memoryFile(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("script", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "script")
	if _, err := file.WriteString(text); err != nil {
		file.Close()
		return nil, fmt.Errorf("filling a file in memory: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		file.Close()
		return nil, fmt.Errorf("rewinding a file in memory: %w", err)
	}
	return file, nil
}

var (
	bashLine     = regexp.MustCompile(`^/dev/stdin: line (\d+): (.*)$`)
	bashHereDoc  = regexp.MustCompile("^warning: here-document at line (\\d+) delimited by end-of-file \\(wanted `(.*)'\\)$")
	bashToken    = regexp.MustCompile("near unexpected token `(.*)'$")
	bashMatching = regexp.MustCompile("looking for matching `(.*)'$")
)

// syntax turns what bash says into diagnostics: every here-document that is
// not ended, else the first error, from which the others follow.
func (s script) syntax(said []string) doc.Diagnostics {
	var found doc.Diagnostics
	unended := false
	for _, text := range said {
		m := bashLine.FindStringSubmatch(text)
		if m == nil || strings.HasPrefix(m[2], "`") { // the line itself, quoted
			continue
		}
		line := s.clamp(m[1])
		if h := bashHereDoc.FindStringSubmatch(m[2]); h != nil {
			unended = true
			found = append(found, s.unended(s.clamp(h[1]), h[2]))
			continue
		}
		if unended && strings.Contains(m[2], "unexpected") {
			break
		}
		message := strings.TrimPrefix(m[2], "syntax error: ")
		d := s.at(line, s.tokenOffset(line, message)).Errorf(CodeSyntax, "%sbash does not understand this: %s", s.where(line), message).
			WithHint(syntaxHint(message))
		if slices.ContainsFunc(s.lines[:line-1], leaves.MatchString) {
			d.Severity = doc.Warning
			d.Why = "it may never come so far: there is an exit above"
		}
		found = append(found, d)
		break
	}
	return found
}

// leaves is a line behind which a script may carry anything.
var leaves = regexp.MustCompile(`^exit( 0| \$\?)?$`)

func syntaxHint(message string) string {
	switch {
	case strings.Contains(message, "unexpected end of file"):
		return "something that was opened is not closed: if needs fi, for and while need done, case needs esac, { needs }"
	case strings.Contains(message, `\r`):
		return "save the file with Unix line ends"
	}
	return ""
}

// unended reports a here-document that goes on to the end of the script: at the
// line that was meant to end it, else where it opens.
func (s script) unended(line int, word string) doc.Diagnostic {
	const why = "bash takes all lines up to the end of the script for its text"
	h := hereDoc{word: word, line: line}
	for _, o := range opened(s.lines[line-1], line) {
		if o.word == word {
			h.tabs = o.tabs
		}
	}
	for n := line; n < len(s.lines); n++ {
		if strings.TrimSpace(s.lines[n]) == word {
			return s.almostEnd(h, n+1).WithWhy(why)
		}
	}
	return s.at(line, max(strings.Index(s.lines[line-1], "<<"), 0)).
		Warnf(CodeHereDoc, "%sthis here-document has no end", s.where(line)).
		WithWhy(why).WithHint("write " + word + " on a line of its own behind the text")
}

// clamp makes a line number of bash's one of s.
func (s script) clamp(number string) int {
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 1
	}
	last := len(s.lines)
	for last > 1 && strings.TrimSpace(s.lines[last-1]) == "" {
		last--
	}
	return min(max(n, 1), last)
}

// tokenOffset finds what the message quotes in the line.
func (s script) tokenOffset(line int, message string) int {
	text := s.lines[line-1]
	token := ""
	if m := bashToken.FindStringSubmatch(message); m != nil {
		token = m[1]
	} else if m := bashMatching.FindStringSubmatch(message); m != nil {
		token = opening(m[1])
	}
	if i := tokenIndex(text, token); i >= 0 {
		return i
	}
	return len(text) - len(strings.TrimLeft(text, " \t"))
}

// opening is the character that the one bash misses belongs to.
func opening(missing string) string {
	switch missing {
	case ")":
		return "("
	case "}":
		return "{"
	}
	return missing
}

// tokenIndex is where token stands in text, as a word if it is one.
func tokenIndex(text, token string) int {
	if token == "" {
		return -1
	}
	isWord := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], token)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(token)
		if !isWord(token[0]) || (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end])) {
			return i
		}
		from = i + 1
	}
}
