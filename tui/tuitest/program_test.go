package tuitest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nestos/nosa/tui/tuitest"
)

// built are the programs, made once for all tests.
type built struct {
	once sync.Once
	dir  string
	err  error
	said []byte
}

func (b *built) make() {
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "nosa-tui-test-"); b.err != nil {
			return
		}
		cmd := program("go", "build", "-o", b.dir+"/", "../../cmd/nosa", "../../cmd/nosa-tui", "../../cmd/nestos-installer")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // the installer goes into the sample's pool
		b.said, b.err = cmd.CombinedOutput()
	})
}

var programs built //nolint:gochecknoglobals // made once, removed by TestMain

// program is a program that ends by itself, also at the end of a test.
func program(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), name, args...)
}

// bin is the directory with nosa and nosa-tui.
func bin(t testing.TB) string {
	t.Helper()
	programs.make()
	if programs.err != nil {
		t.Fatalf("building the programs: %v\n%s", programs.err, programs.said)
	}
	return programs.dir
}

// sample makes a workspace of the sample, without packages.
func sample(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "work")
	if out, err := program(filepath.Join(bin(t), "nosa"), "-C", dir, "init", "--sample").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// twin copies a workspace to a directory of the same name: in one workspace two workbenches see each other.
func twin(t testing.TB, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), filepath.Base(dir))
	if out, err := program("cp", "-a", dir, other).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return other
}

// workbench starts nosa-tui over a workspace and waits for its first rest.
func workbench(t testing.TB, dir string, w, h int, args ...string) *tuitest.Terminal {
	t.Helper()
	tm := launch(t, dir, w, h, args...)
	tm.Ready()
	return tm
}

// launch starts nosa-tui over a workspace.
func launch(t testing.TB, dir string, w, h int, args ...string) *tuitest.Terminal {
	t.Helper()
	return tuitest.Start(t, tuitest.Command{
		Argv: append([]string{filepath.Join(bin(t), "nosa-tui"), "-C", dir}, args...),
		Env:  []string{"HOME=" + filepath.Dir(dir), "XDG_CONFIG_HOME="}, W: w, H: h,
	})
}

// However the workbench ends, the terminal is as it was.
func TestProgramEnds(t *testing.T) {
	signal := func(s syscall.Signal) func(*tuitest.Terminal) {
		return func(tm *tuitest.Terminal) { tm.Signal(s) }
	}
	dir := sample(t)
	for _, tt := range []struct {
		name string
		end  func(*tuitest.Terminal)
		code int
	}{
		{"q", func(tm *tuitest.Terminal) { tm.Send("q") }, 0},
		{"TERM", signal(syscall.SIGTERM), 128 + 15},
		{"HUP", signal(syscall.SIGHUP), 128 + 1},
		{"QUIT", signal(syscall.SIGQUIT), 128 + 3},
		{"TERM at once", nil, 128 + 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tm := workbench(t, dir, 80, 24)
			if tt.end == nil {
				tm.Send("jjjj\x1b[B\x1b[<64;10;10M")
				tt.end = signal(syscall.SIGTERM)
			}
			tt.end(tm)
			if code := tm.Wait(); code != tt.code {
				t.Errorf("status %d, want %d", code, tt.code)
			}
			tm.Restored()
		})
	}
}

// A terminal that goes away ends the workbench.
func TestProgramHangup(t *testing.T) {
	workbench(t, sample(t), 80, 24).Hangup()
}

// A screen after any number of sizes is that of a program which was started with the last.
func TestProgramResize(t *testing.T) {
	dir := sample(t)
	other := twin(t, dir)
	for _, screen := range []string{"source", "stages", "builds"} {
		t.Run(screen, func(t *testing.T) {
			fresh := workbench(t, other, 100, 30, "--screen", screen)
			tm := workbench(t, dir, 80, 24, "--screen", screen)
			for i := range 60 {
				tm.Resize(20+(i*37)%250, 5+(i*17)%70)
				if i%7 == 0 {
					tm.Send("jk")
				}
			}
			tm.Resize(100, 30)
			fresh.Send("jk") // a cursor that has moved shows the log of what it is on
			tm.Until("the screen of a fresh start", func() bool { return tm.Text() == fresh.Text() })
		})
	}
}

// What is asked of a terminal that cannot show it is said in words.
func TestProgramRefuses(t *testing.T) {
	dir := sample(t)
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		code int
		want string
	}{
		{"dumb", nil, []string{"TERM=dumb"}, 1, "cannot show a full screen"},
		{"no such screen", []string{"--screen", "nothing"}, nil, 2, "--screen nothing"},
		{"no such backend", []string{"--backend", "lxc"}, nil, 2, "auto, local, podman or docker"},
		{"no such colour", []string{"--color", "pink"}, nil, 2, "auto, always or never"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tm := tuitest.Start(t, tuitest.Command{Argv: append([]string{filepath.Join(bin(t), "nosa-tui"), "-C", dir}, tt.args...), Env: tt.env})
			if code := tm.Wait(); code != tt.code {
				t.Errorf("status %d, want %d", code, tt.code)
			}
			if !strings.Contains(strings.ReplaceAll(tm.Text(), "\n", ""), tt.want) {
				t.Errorf("said %q", tm.Text())
			}
			tm.Restored()
		})
	}
}

// Without colours there are none, without UTF-8 nothing but ASCII.
func TestProgramPlain(t *testing.T) {
	dir := sample(t)
	for _, tt := range []struct {
		name string
		env  string
	}{
		{"NO_COLOR", "NO_COLOR=1"},
		{"C locale", "LC_ALL=C"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tm := tuitest.Start(t, tuitest.Command{
				Argv: []string{filepath.Join(bin(t), "nosa-tui"), "-C", dir}, Env: []string{"HOME=" + filepath.Dir(dir), tt.env}, W: 120, H: 40,
			})
			tm.Ready()
			c := tm.Canvas()
			_, h := c.Size()
			for y := range h {
				for x, cell := range c.Row(y) {
					if tt.name == "NO_COLOR" && (cell.Style.FG != 0 || cell.Style.BG != 0) {
						t.Fatalf("a colour at %d,%d: %+v", x, y, cell)
					}
					if tt.name == "C locale" && cell.Text > "~" {
						t.Fatalf("%q at %d,%d in\n%s", cell.Text, x, y, tm.Text())
					}
				}
			}
		})
	}
}
