package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/nestos/nosa/workspace/doc"
)

// deviceKey names the disk in a config file.
const deviceKey = "dest-device"

// configs puts config files below a command line.
type configs struct {
	flags  *pflag.FlagSet
	given  map[string]bool     // what the command line says
	lists  map[string][]string // of the files
	device string
}

// readConfigs puts what the config files say below what the command line said: of
// single values the last one counts, lists are put together in their order.
func readConfigs(flags *pflag.FlagSet, o *installOptions) error {
	c := configs{flags: flags, given: map[string]bool{}, lists: map[string][]string{}}
	flags.Visit(func(f *pflag.Flag) { c.given[f.Name] = true })
	for _, name := range o.configs {
		if err := c.read(name); err != nil {
			return err
		}
	}
	for name, values := range c.lists {
		list, ok := flags.Lookup(name).Value.(pflag.SliceValue)
		if !ok {
			continue
		}
		if c.given[name] {
			values = append(values, list.GetSlice()...)
		}
		if err := list.Replace(values); err != nil {
			return err
		}
	}
	if o.device == "" {
		o.device = c.device
	}
	return nil
}

func (c *configs) read(name string) error {
	node, problems := doc.Read(name, doc.Source{Name: name})
	if err := problems.Err(); err != nil {
		return err
	}
	if node == nil {
		return nil // empty
	}
	if node.Kind != doc.Map {
		return fmt.Errorf("%s: want keys and values", name)
	}
	for _, e := range node.Entries {
		if err := c.set(e.Key.Text, e.Value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", name, e.Key.Line, e.Key.Text, err)
		}
	}
	return nil
}

// set takes one key.
func (c *configs) set(key string, value *doc.Node) error {
	f := c.flags.Lookup(key)
	if key != deviceKey && (f == nil || key == "config-file" || key == "help") {
		return errors.New("there is no such option")
	}
	if f != nil {
		if _, ok := f.Value.(pflag.SliceValue); ok {
			return c.setList(key, value)
		}
	}
	if value.IsNull() || value.Kind != doc.Scalar {
		return errors.New("want a text")
	}
	switch {
	case key == deviceKey:
		c.device = value.Text
	case !c.given[key]:
		return f.Value.Set(value.Text)
	}
	return nil
}

func (c *configs) setList(key string, value *doc.Node) error {
	if value == nil || value.Kind != doc.List {
		return errors.New("want a list")
	}
	for _, item := range value.Items {
		if item.IsNull() || item.Kind != doc.Scalar {
			return errors.New("want a list of texts")
		}
		c.lists[key] = append(c.lists[key], item.Text)
	}
	return nil
}
