package loop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench runs a Loop whose rounds take a time, and notes what happens when.
type bench struct {
	begin  time.Time
	saves  chan Save
	took   time.Duration // of a round
	yields bool          // the round ends when something was saved
	fail   error         // what each round ends with
	going  int
	log    []string
}

func (b *bench) note(format string, args ...any) {
	b.log = append(b.log, fmt.Sprintf("%.2f ", time.Since(b.begin).Seconds())+fmt.Sprintf(format, args...))
}

func (b *bench) round(ctx context.Context, t Turn) error {
	if b.going++; b.going > 1 {
		b.note("two at once")
	}
	defer func() { b.going-- }()
	b.note("begin %v", t.Save.Paths)
	next := t.Next
	if !b.yields {
		next = nil
	}
	select {
	case <-time.After(b.took):
		b.note("end")
	case <-next:
		b.note("makes room")
	case <-ctx.Done():
		time.Sleep(time.Second) // as a job that is being cancelled
		b.note("cut: %v", context.Cause(ctx))
	}
	return b.fail
}

func (b *bench) save(paths ...string) { b.saves <- Save{At: time.Now(), Paths: paths} }

func TestLoop(t *testing.T) {
	errStop := errors.New("told to stop")
	tests := []struct {
		name    string
		took    time.Duration
		yields  bool
		restart bool
		fail    error
		do      func(b *bench)
		want    []string
		err     error
	}{
		{
			"idle until a save, and told to end while idle", time.Second, false, false, nil,
			func(b *bench) {
				time.Sleep(10 * time.Second)
				b.save("a")
				time.Sleep(10 * time.Second)
			},
			[]string{"0.00 begin [first]", "1.00 end", "10.15 begin [a]", "11.15 end"},
			nil,
		},
		{
			"saves in a row are one", time.Second, false, false, nil,
			func(b *bench) {
				time.Sleep(5 * time.Second)
				for _, p := range []string{"b", "a", "b"} {
					b.save(p)
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(5 * time.Second)
			},
			[]string{"0.00 begin [first]", "1.00 end", "5.35 begin [a b]", "6.35 end"},
			nil,
		},
		{
			"saves without end hold nothing up for long", time.Second, false, false, nil,
			func(b *bench) {
				time.Sleep(5 * time.Second)
				for range 22 {
					b.save("a")
					time.Sleep(100 * time.Millisecond)
				}
			},
			[]string{"0.00 begin [first]", "1.00 end", "7.00 begin [a]", "8.20 cut: told to stop"},
			errStop,
		},
		{
			"saved while a round goes on: one more follows for all", 10 * time.Second, false, false, nil,
			func(b *bench) {
				time.Sleep(time.Second)
				b.save("a")
				time.Sleep(3 * time.Second)
				b.save("b")
				time.Sleep(20 * time.Second)
			},
			[]string{"0.00 begin [first]", "10.00 end", "10.00 begin [a b]", "20.00 end"},
			nil,
		},
		{
			"saved just before the end: the next one waits until it is whole", 10 * time.Second, false, false, nil,
			func(b *bench) {
				time.Sleep(9900 * time.Millisecond)
				b.save("a")
				time.Sleep(100 * time.Millisecond)
				b.save("b")
				time.Sleep(11 * time.Second)
			},
			[]string{"0.00 begin [first]", "10.00 end", "10.15 begin [a b]", "20.15 end"},
			nil,
		},
		{
			"restart: a save ends the round, the next begins when nothing of it is left", 10 * time.Second, false, true, nil,
			func(b *bench) {
				time.Sleep(time.Second)
				b.save("a")
				time.Sleep(15 * time.Second)
			},
			[]string{"0.00 begin [first]", "2.15 cut: something was saved since", "2.15 begin [a]", "12.15 end"},
			nil,
		},
		{
			"a round that waits makes room", 10 * time.Second, true, false, nil,
			func(b *bench) {
				time.Sleep(time.Second)
				b.save("a")
				time.Sleep(15 * time.Second)
			},
			[]string{"0.00 begin [first]", "1.15 makes room", "1.15 begin [a]", "11.15 end"},
			nil,
		},
		{
			"an error ends it", time.Second, false, false, errStop,
			func(*bench) { time.Sleep(5 * time.Second) },
			[]string{"0.00 begin [first]", "1.00 end"},
			errStop,
		},
		{
			"told to end during a round: that ends first", 10 * time.Second, false, false, nil,
			func(*bench) { time.Sleep(5 * time.Second) },
			[]string{"0.00 begin [first]", "6.00 cut: told to stop"},
			errStop,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bench{begin: time.Now(), saves: make(chan Save), took: tt.took, yields: tt.yields, fail: tt.fail}
				ctx, stop := context.WithCancelCause(t.Context())
				ended := make(chan error, 1)
				go func() {
					l := Loop{Round: b.round, Restart: tt.restart}
					ended <- l.Run(ctx, Save{At: b.begin, Paths: []string{"first"}}, b.saves)
				}()
				tt.do(b)
				synctest.Wait()
				stop(errStop)
				if err := <-ended; !errors.Is(err, tt.err) || tt.err == nil && err != nil {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				if diff := cmp.Diff(tt.want, b.log); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Who watches ends with the same context and closes its channel then: that is no other end.
func TestLoopBothEnd(t *testing.T) {
	errStop := errors.New("told to stop")
	for range 20 { // which of the two is seen first is chance
		synctest.Test(t, func(t *testing.T) {
			b := &bench{begin: time.Now(), saves: make(chan Save), took: time.Minute}
			ctx, stop := context.WithCancelCause(t.Context())
			go func() {
				time.Sleep(time.Second)
				stop(errStop)
				close(b.saves)
			}()
			if err := (Loop{Round: b.round}).Run(ctx, Save{}, b.saves); !errors.Is(err, errStop) {
				t.Errorf("%v, want %v", err, errStop)
			}
		})
	}
}

// The watcher's end is the loop's, after its turn.
func TestLoopSavesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{begin: time.Now(), saves: make(chan Save), took: time.Minute}
		go func() {
			time.Sleep(time.Second)
			close(b.saves)
		}()
		if err := (Loop{Round: b.round}).Run(t.Context(), Save{}, b.saves); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"0.00 begin []", "2.00 cut: context canceled"}, b.log); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSaveAnd(t *testing.T) {
	at := time.Unix(1700000000, 0)
	a := Save{At: at.Add(time.Second), Paths: []string{"x", "b"}}
	want := Save{At: at.Add(time.Second), Paths: []string{"a", "b", "x"}}
	if diff := cmp.Diff(want, a.and(Save{At: at, Paths: []string{"a", "x"}})); diff != "" {
		t.Error(diff)
	}
}

func TestLeftover(t *testing.T) {
	for path, want := range map[string]bool{
		"src/config/.manifest.yaml.swp": true, "src/config/.manifest.yaml.swx": true, "src/config/4913": true,
		"overrides/rootfs/etc/.#motd": true, "src/config/#motd#": true, "src/config/motd~": true, "src/config/.goutputstream-XY12Z3": true,
		"src/config/manifest.yaml": false, "src/config/.gitignore": false, "src/config/#motd": false,
		"src/config/overlay.d/10a/etc/skel/.swap": false, "src/config/a.swp": false, "src/config": false,
	} {
		if got := Leftover(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
