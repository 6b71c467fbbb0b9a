// Package person is who works in a workspace: what somebody is called, and what the workbench of each
// shows to the others.
//
// Below tmp/tui/people there are two files for each workbench that runs:
//
//	ID.json   its State, replaced by rename when it changes
//	ID.lock   held while it runs: a free lock is a workbench that is no more
//
// Whoever finds a free lock removes both. The lock file appears with its lock held, so that it is never
// free before the end. What the files say is for people only; nothing that matters follows from it.
package person

import (
	"context"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nestos/nosa/workspace/proc"
)

// Key is the variable of the environment that says who somebody is.
const Key = "NOSA_USER"

// maxName is how long a name may be, in characters.
const maxName = 40

// gitWithin is how long git may take to say who one is; it takes milliseconds.
const gitWithin = 500 * time.Millisecond

// Name is who somebody is for others to see: what NOSA_USER says, else git's user.name for the config of
// the workspace (which is the user's own where the repository has none), else the login: in a container all
// are root. dir is the workspace or a directory in it, "" is none. It takes no longer than half a
// second, mostly some milliseconds, and is never empty.
func Name(ctx context.Context, dir string) string {
	if name := Clean(os.Getenv(Key)); name != "" {
		return name
	}
	if name := gitName(ctx, dir); name != "" {
		return name
	}
	return Login()
}

// Login is the name of the user of this process to the system; "unknown" when that knows none.
func Login() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if uid := os.Getuid(); uid >= 0 {
		return "uid " + strconv.Itoa(uid)
	}
	return "unknown"
}

// Clean is a name without what cannot be shown in a line, bounded.
func Clean(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxName {
		name = strings.TrimSpace(string(runes[:maxName]))
	}
	return name
}

// gitName asks git who commits there; "" when it does not say so in time.
func gitName(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, gitWithin)
	defer cancel()
	c := proc.Cmd{Args: []string{"git", "config", "--get", "user.name"}, Dir: checkout(dir)}
	for _, key := range []string{"XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"} {
		if value, ok := os.LookupEnv(key); ok {
			c.Env = append(c.Env, key+"="+value)
		}
	}
	out, err := proc.Output(ctx, c)
	if err != nil {
		return ""
	}
	return Clean(string(out))
}

// upTo is how far above a directory its workspace is looked for: tmp/vms/ID has three levels.
const upTo = 3

// checkout is the config of the workspace that dir is in, else dir; "" when there is neither.
func checkout(dir string) string {
	if dir == "" {
		return ""
	}
	at := dir
	for range upTo + 1 {
		config := filepath.Join(at, "src", "config")
		if info, err := os.Stat(config); err == nil && info.IsDir() {
			return config
		}
		at = filepath.Dir(at)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}
