package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Container is one that an engine has, running or not.
type Container struct {
	ID, Name string
	Labels   map[string]string
	Running  bool
}

// List gives the containers with a label: KEY, or KEY=VALUE. One that ends meanwhile may be left out.
func (e Engine) List(ctx context.Context, label string) ([]Container, error) {
	// The engines' formats differ, so only ids are asked for here.
	out, err := e.output(ctx, "ps", "--all", "--quiet", "--no-trunc", "--filter", "label="+label)
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %s: %w", e.Program, err)
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return nil, nil
	}
	out, err = e.output(ctx, append([]string{"container", "inspect"}, ids...)...)
	if err != nil && !says(err, goneWords()) {
		return nil, fmt.Errorf("asking %s for its containers: %w", e.Program, err)
	}
	return readContainers(out)
}

// readContainers reads the answer of container inspect; that a container is gone does not spoil the others'.
func readContainers(data []byte) ([]Container, error) {
	var found []struct {
		ID     string `json:"Id"`
		Name   string
		Config struct{ Labels map[string]string }
		State  struct{ Running bool }
	}
	if err := json.Unmarshal(data, &found); err != nil {
		return nil, fmt.Errorf("reading what the engine says of containers: %w", err)
	}
	var list []Container
	for _, c := range found {
		if c.ID == "" {
			return nil, errors.New("reading what the engine says of containers: one has no id")
		}
		list = append(list, Container{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Labels: c.Config.Labels, Running: c.State.Running})
	}
	return list, nil
}

// Kill ends a container at once and removes it. That it is gone already is fine.
func (e Engine) Kill(ctx context.Context, id string) error {
	// Without kill before it podman's rm -f asks nicely first and waits for ten seconds. It fails when nothing runs.
	_, _ = e.output(ctx, "kill", "--signal", "KILL", id)
	_, err := e.output(ctx, "rm", "--force", id)
	if err == nil || says(err, goneWords()) || says(err, []string{"already in progress"}) { // --rm is at it
		return nil
	}
	if _, look := e.output(ctx, "container", "inspect", id); says(look, goneWords()) {
		return nil
	}
	return fmt.Errorf("removing the container %s: %w", id, err)
}

// Reap removes those containers with a label (as List) that dead says are, and gives their names.
func (e Engine) Reap(ctx context.Context, label string, dead func(Container) bool) ([]string, error) {
	list, err := e.List(ctx, label)
	if err != nil {
		return nil, err
	}
	var names []string
	var errs []error
	for _, c := range list {
		if !dead(c) {
			continue
		}
		if err := e.Kill(ctx, c.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		names = append(names, c.Name)
	}
	return names, errors.Join(errs...)
}
