package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/nestos/nosa/workspace"
)

// imageKargs is the key of image.json with the kernel arguments.
const imageKargs = "extra-kargs"

// image compares image.json of the commits and platforms.json of the builds.
func (d *BuildDiff) image(a, b diffSide, req DiffRequest) error {
	var keys [2]map[string]any
	var kargs [2]map[string][]string
	for i, s := range []diffSide{a, b} {
		data, err := s.repo.ReadFile(s.tree, imageConfigPath)
		if errors.Is(err, fs.ErrNotExist) {
			d.Notes = append(d.Notes, fmt.Sprintf("image: the commit of build %s has no %s", s.meta.BuildID, imageConfigPath))
			return nil
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &keys[i]); err != nil {
			return fmt.Errorf("%s of build %s: %w", imageConfigPath, s.meta.BuildID, err)
		}
		config, _ := workspace.ParseImageJSON(data)
		if kargs[i], err = s.platformKargs(); err != nil {
			return err
		}
		kargs[i][""] = config.ExtraKargs
	}
	if req.Kargs {
		list := diffKargs(kargs[0], kargs[1])
		d.Kargs = &list
	}
	if req.Image {
		list := diffKeys(keys[0], keys[1])
		d.Image = &list
	}
	return nil
}

// platformKargs gives the kernel arguments of each platform.
func (s diffSide) platformKargs() (map[string][]string, error) {
	kargs := map[string][]string{}
	data, err := os.ReadFile(filepath.Join(s.dir, PlatformsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return kargs, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the platforms of build %s: %w", s.meta.BuildID, err)
	}
	platforms, err := workspace.ReadPlatformsJSON(data)
	if err != nil {
		return nil, fmt.Errorf("platforms of build %s: %w", s.meta.BuildID, err)
	}
	for name, p := range platforms.ByName {
		kargs[name] = p.Kargs
	}
	return kargs, nil
}

func diffKargs(from, to map[string][]string) []KargChange {
	list := []KargChange{}
	for _, platform := range sortedKeys(from, to) {
		c := KargChange{Platform: platform, Added: without(to[platform], from[platform]), Removed: without(from[platform], to[platform])}
		if len(c.Added)+len(c.Removed) > 0 {
			list = append(list, c)
		}
	}
	return list
}

// without is what of list is not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func diffKeys(from, to map[string]any) []KeyChange {
	list := []KeyChange{}
	for _, key := range sortedKeys(from, to) {
		if key != imageKargs && !reflect.DeepEqual(from[key], to[key]) {
			list = append(list, KeyChange{Key: key, From: from[key], To: to[key]})
		}
	}
	return list
}

// sortedKeys is the keys of both.
func sortedKeys[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
