package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/nestos/nosa/workspace"
	"github.com/nestos/nosa/workspace/event"
	"github.com/nestos/nosa/workspace/lock"
)

// PruneRequest asks for the removal of what is old.
type PruneRequest struct {
	History  bool        `json:"history"` // the builds, or with Images their images
	Builds   []string    `json:"builds,omitempty"`
	KeepLast int         `json:"keep_last"` // see workspace.PruneOptions
	Images   []string    `json:"images,omitempty"`
	Cache    bool        `json:"cache"` // down to Limit
	Limit    event.Bytes `json:"limit,omitempty"`
	NoWait   bool        `json:"no_wait,omitempty"`
}

// PrunePlan is what a prune would do.
type PrunePlan struct {
	workspace.Pruning
	// Cache is how the cache stands; nil when it was not asked for.
	Cache *CacheState `json:"cache,omitempty"`
}

// CacheState is the size of the cache and its limit, in bytes.
type CacheState struct {
	Bytes event.Bytes `json:"bytes"`
	Limit event.Bytes `json:"limit"`
	// Needed is that it stays above the limit because all of the rest is in use.
	Needed bool `json:"needed"`
}

// DescribePrune says what Prune would do, and changes nothing. Of refs it does
// not know the size: that shows when the repository is pruned.
func DescribePrune(ctx context.Context, env *Env, req PruneRequest) (PrunePlan, error) {
	p := PrunePlan{Pruning: workspace.Pruning{Victims: []workspace.Victim{}}}
	var err error
	if req.History {
		if p.Pruning, err = env.WS.PlanPrune(req.options(env)); err != nil {
			return p, err
		}
	}
	refs, err := staleRefs(env, goneBuilds(p.Pruning))
	if err != nil {
		return p, err
	}
	for _, ref := range refs {
		p.Victims = append(p.Victims, refVictim(ref))
	}
	if !req.Cache {
		return p, nil
	}
	t, err := env.WS.TrimCache(ctx, workspace.TrimOptions{Limit: req.Limit, DryRun: true, Now: env.Now()})
	if err != nil {
		return p, err
	}
	p.Victims = append(p.Victims, t.Victims...)
	p.Freed += int64(t.Freed)
	p.Cache = &CacheState{t.Bytes, t.Limit, t.Needed}
	return p, nil
}

func (r PruneRequest) options(env *Env) workspace.PruneOptions {
	return workspace.PruneOptions{Builds: r.Builds, KeepLast: r.KeepLast, Images: r.Images, Now: env.Now()}
}

func refVictim(ref string) workspace.Victim {
	return workspace.Victim{Kind: workspace.VictimRef, Path: "cache/repo/refs/heads/" + ref}
}

// goneBuilds are the ids of the builds that go.
func goneBuilds(p workspace.Pruning) []string {
	var gone []string
	for _, v := range p.Victims {
		if v.Kind == workspace.VictimBuild || v.Kind == workspace.VictimDeleted {
			gone = append(gone, v.Build)
		}
	}
	return gone
}

// Prune removes builds or images of them, the refs and objects that only they
// needed, and what the cache holds above its limit.
func Prune(ctx context.Context, env *Env, req PruneRequest) error {
	env.NoWait = req.NoWait
	release, err := env.Open(ctx, ownBuilds, writeCache)
	if err != nil {
		return err
	}
	state := &pruning{env: env}
	plan := Plan{}
	if req.History {
		title := "remove builds"
		if len(req.Images) > 0 {
			title = "remove images"
		}
		plan = append(plan, Step{Name: "builds", Title: title, Op: &PruneHistory{Options: req.options(env), state: state}, Weight: 2})
	}
	needs := func() []string {
		if len(plan) == 0 {
			return nil
		}
		return []string{plan[len(plan)-1].Name}
	}
	plan = append(plan, Step{Name: "repo", Title: "prune the repository", Needs: needs(), Op: &PruneRepo{Always: req.Cache, state: state}, Weight: 2})
	if req.Cache {
		plan = append(plan, Step{Name: "cache", Title: "trim the cache", Needs: needs(), Op: &PruneCache{Limit: req.Limit, state: state}, Weight: 2})
	}
	err = plan.Run(ctx, env)
	if err == nil {
		env.Sink.Emit(event.Event{
			Kind: event.Log, Level: event.Info, Reason: "freed", Total: state.freed, Unit: event.UnitBytes, Text: "freed " + event.Bytes(state.freed).String(),
		})
	}
	return errors.Join(err, release())
}

// ownBuilds takes the lock of a stage that takes builds away.
func ownBuilds(ctx context.Context, e *Env) (*lock.File, error) {
	return e.take(ctx, e.WS.LockBuilds, lock.Exclusive)
}

// pruning is what travels between the steps of a prune.
type pruning struct {
	env   *Env
	freed int64
}

// say reports what was removed: each thing by itself, packages together.
func (p *pruning) say(step string, victims []workspace.Victim) {
	removed := func(path string, bytes int64, text string) {
		p.env.Sink.Emit(event.Event{
			Kind: event.Log, Step: step, Level: event.Info, Reason: "removed", Path: path, Total: bytes, Unit: event.UnitBytes, Text: text,
		})
	}
	var rpms, bytes int64
	for _, v := range victims {
		p.freed += v.Bytes
		switch v.Kind {
		case workspace.VictimRPM:
			rpms++
			bytes += v.Bytes
		case workspace.VictimRef:
			removed(v.Path, 0, "removed")
		default:
			removed(v.Path, v.Bytes, event.Bytes(v.Bytes).String())
		}
	}
	if rpms > 0 {
		removed("cache/rpms", bytes, fmt.Sprintf("%s, %s", count(int(rpms), "package", "packages"), event.Bytes(bytes)))
	}
}

// PruneHistory removes builds, or their images.
type PruneHistory struct {
	Options workspace.PruneOptions

	state *pruning
}

// Run implements Op.
func (o *PruneHistory) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	p, err := env.WS.Prune(ctx, o.Options)
	if err != nil {
		return err
	}
	o.state.say("builds", p.Victims)
	for _, k := range p.Kept {
		if k.Path != "" {
			r.Warn(k.Path + " stays: " + k.Reason)
		}
	}
	env.Came("builds", "%s, %s", count(len(p.Victims), "removed", "removed"), event.Bytes(p.Freed))
	return nil
}

// PruneCache brings the cache within its limit.
type PruneCache struct {
	Limit event.Bytes

	state *pruning
}

// Run implements Op.
func (o *PruneCache) Run(ctx context.Context, env *Env, r *event.Reporter) error {
	t, err := TrimCache(ctx, env, workspace.TrimOptions{Limit: o.Limit, Now: env.Now()}, r)
	if err != nil {
		return err
	}
	o.state.say("cache", t.Victims)
	o.state.freed += int64(t.Freed) - victimBytes(t.Victims)
	failed, err := dropFailed(env.WS, 0)
	if err != nil {
		return err
	}
	if o.state.freed += failed; failed > 0 {
		r.Info("trees of failed builds: " + event.Bytes(failed).String())
	}
	if t.Needed {
		r.Info(fmt.Sprintf("the cache holds %s, more than its limit of %s: the newest build needs the rest", t.Bytes-t.Freed, t.Limit))
	}
	env.Came("cache", "%s of %s", t.Bytes-t.Freed, limitText(t.Limit))
	return nil
}

func limitText(limit event.Bytes) string {
	if limit >= 1<<62 {
		return "no limit"
	}
	return limit.String()
}

func victimBytes(list []workspace.Victim) (sum int64) {
	for _, v := range list {
		sum += v.Bytes
	}
	return sum
}
