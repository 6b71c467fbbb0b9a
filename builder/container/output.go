package container

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// plain is a line of a build without what BuildKit puts before it: "#11 12.34 " or "12.34 ".
func plain(line string) string {
	return regexp.MustCompile(`^(#\d+ )?(\d+\.\d+ )?`).ReplaceAllString(line, "")
}

// packages counts in the output of apt and dnf how many packages are installed.
type packages struct {
	total      int64 // apt's; 0 is not known
	unpacked   int64
	configured int64
}

// read takes a line, and says how many packages are through. A package of apt's counts half when it is unpacked.
func (p *packages) read(line string) (done, total int64, ok bool) {
	switch {
	case strings.HasPrefix(line, "Unpacking "):
		p.unpacked++
	case strings.HasPrefix(line, "Setting up "):
		p.configured++
	default:
		if m := regexp.MustCompile(`^\d+ upgraded, (\d+) newly installed`).FindStringSubmatch(line); m != nil {
			*p = packages{total: number(m[1])}
			return 0, p.total, p.total > 0
		}
		// dnf 4: "  Installing       : bash-5.2-1.x86_64        12/345 "
		if m := regexp.MustCompile(`^ +(?:Installing|Upgrading) +: .* (\d+)/(\d+) *$`).FindStringSubmatch(line); m != nil {
			return number(m[1]), number(m[2]), true
		}
		return 0, 0, false
	}
	return min((p.unpacked+p.configured)/2, p.total), p.total, p.total > 0
}

// number reads digits; what has too many of them is 0.
func number(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// explain puts into a failure of an engine what the program that it ran has said.
func explain(err error) error {
	exit, ok := errors.AsType[*proc.ExitError](err)
	if !ok {
		return err
	}
	for _, lines := range [][]string{exit.Head, exit.Tail} {
		for i, line := range lines {
			lines[i] = plain(line)
		}
	}
	return fmt.Errorf("building the image: %w", err)
}
