package pool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// stanza is one paragraph of a Debian control file: field name to value,
// continuation lines joined with newlines.
type stanza map[string]string

// readStanzas calls f for each paragraph of r. Only the fields of keep are
// kept; none named means all. f may keep the stanza.
func readStanzas(r io.Reader, keep []string, f func(stanza) error) error {
	br := bufio.NewReaderSize(r, 1<<20)
	var cur stanza
	last := ""
	for {
		line, err := readLine(br)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		switch {
		case len(line) == 0:
			if len(cur) > 0 {
				if ferr := f(cur); ferr != nil {
					return ferr
				}
			}
			cur, last = nil, ""
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				cur[last] += "\n" + string(line[1:])
			}
		default:
			name, value, ok := bytes.Cut(line, []byte(":"))
			if !ok {
				return fmt.Errorf("control line %q: no colon", line)
			}
			if last = kept(keep, name); last == "" {
				break
			}
			if cur == nil {
				cur = make(stanza, 16)
			}
			cur[last] = string(bytes.TrimSpace(value))
		}
		if err != nil {
			if len(cur) > 0 {
				return f(cur)
			}
			return nil
		}
	}
}

// readLine gives the next line without its end; it is valid until the next call.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("control line of more than %d bytes", br.Size())
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// kept gives name as a string if it is among keep, or keep is empty, else "".
func kept(keep []string, name []byte) string {
	for _, k := range keep {
		if string(name) == k {
			return k
		}
	}
	if len(keep) > 0 {
		return ""
	}
	return string(name)
}

// relation is one alternative of a dependency: name [op version].
type relation struct {
	name    string
	op      string // "", <<, <=, =, >=, >>
	version string
}

// clause is a list of alternatives of which one must hold.
type clause []relation

// parseRelations reads a Depends-like field: clauses split by commas,
// alternatives by bars. Architecture qualifiers (":any") and restriction lists
// are dropped: the pool has one architecture.
func parseRelations(field string) ([]clause, error) {
	var out []clause
	for part := range strings.SplitSeq(field, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		var c clause
		for alt := range strings.SplitSeq(part, "|") {
			r, err := parseRelation(alt)
			if err != nil {
				return nil, err
			}
			c = append(c, r)
		}
		out = append(out, c)
	}
	return out, nil
}

func parseRelation(s string) (relation, error) {
	var r relation
	text := strings.TrimSpace(s)
	if i := strings.IndexByte(text, '['); i >= 0 {
		text = strings.TrimSpace(text[:i])
	}
	name, rest, versioned := strings.Cut(text, "(")
	r.name, _, _ = strings.Cut(strings.TrimSpace(name), ":")
	if err := checkName(r.name); err != nil {
		return r, fmt.Errorf("relation %q: %w", s, err)
	}
	if !versioned {
		return r, nil
	}
	inner, _, ok := strings.Cut(rest, ")")
	if !ok {
		return r, fmt.Errorf("relation %q: no closing bracket", s)
	}
	inner = strings.TrimSpace(inner)
	n := strings.IndexFunc(inner, func(c rune) bool { return !strings.ContainsRune("<>=", c) })
	if n < 1 {
		return r, fmt.Errorf("relation %q: no operator", s)
	}
	r.op, r.version = inner[:n], strings.TrimSpace(inner[n:])
	switch r.op {
	case "<<", "<=", "=", ">=", ">>":
	case "<", ">": // old spellings of <= and >=
		r.op += "="
	default:
		return r, fmt.Errorf("relation %q: unknown operator %q", s, r.op)
	}
	if _, err := parseVersion(r.version); err != nil {
		return r, fmt.Errorf("relation %q: %w", s, err)
	}
	return r, nil
}

// checkName refuses what is not a Debian package name (Policy §5.6.1), so that
// a name can stand in a path.
func checkName(name string) error {
	if len(name) < 2 {
		return fmt.Errorf("package name %q: too short", name)
	}
	for i, c := range name {
		ok := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || i > 0 && strings.ContainsRune("+-._", c)
		if !ok {
			return fmt.Errorf("package name %q: character %q is not allowed", name, c)
		}
	}
	return nil
}
