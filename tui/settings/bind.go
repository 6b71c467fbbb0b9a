package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nestos/nosa/tui/screen"
	"github.com/nestos/nosa/workspace/doc"
)

// Placed is an action and the screen that it is of.
type Placed struct {
	Screen screen.Name // "" is everywhere
	screen.Action
}

// meets says if two actions can count at the same moment.
func (p Placed) meets(q Placed) bool {
	if p.Screen == "" || q.Screen == "" {
		return true
	}
	return p.Screen == q.Screen && (p.Pane == q.Pane || p.Pane == "" || q.Pane == "")
}

// Bind gives the actions with the user's keys instead of their own. A key that
// another action has where both count, or that begins another's sequence, is
// refused; an action that would be left without any keeps its own then. The actions
// themselves are not changed.
//
// Keys that come from the actions' own tables are not compared with each other: Doubles does that.
func Bind(actions []Placed, s Settings) ([]Placed, doc.Diagnostics) {
	b := binder{bound: slices.Clone(actions), given: map[int][]Key{}}
	b.take(s)
	for _, u := range b.inOrder() {
		b.give(u)
	}
	for _, i := range slices.Sorted(maps.Keys(b.given)) {
		if len(b.bound[i].Keys) > 0 || len(b.given[i]) == 0 {
			continue
		}
		for _, name := range actions[i].Keys {
			if j, _ := b.taken(i, name); j < 0 && !fromUser(b.given[i], name) {
				b.bound[i].Keys = append(b.bound[i].Keys, name)
			}
		}
	}
	return b.bound, b.diags.Sorted()
}

// binder gives keys to actions.
type binder struct {
	bound []Placed
	given map[int][]Key // by index in bound: what the user wants
	diags doc.Diagnostics
}

// take notes what the user wants and empties the keys of those actions.
func (b *binder) take(s Settings) {
	want := map[string][]Key{}
	for _, c := range s.Commands {
		if c.Key.Name != "" {
			want[c.ID()] = []Key{c.Key}
		}
	}
	ids := make([]string, len(b.bound))
	for i, a := range b.bound {
		ids[i] = a.ID
	}
	for id, binding := range s.Keys {
		if !slices.Contains(ids, id) {
			b.diags = append(b.diags, suggest(binding.At.Errorf(CodeAction, "there is no action %q", id), id, ids))
			continue
		}
		want[id] = binding.Keys
	}
	for i, id := range ids {
		if keys, ok := want[id]; ok {
			b.given[i], b.bound[i].Keys = keys, nil
		}
	}
}

// wish is a key that the user wants for an action.
type wish struct {
	action int
	key    Key
}

// inOrder gives the wishes in the order of the file.
func (b *binder) inOrder() []wish {
	var list []wish
	for _, i := range slices.Sorted(maps.Keys(b.given)) {
		for _, k := range b.given[i] {
			list = append(list, wish{i, k})
		}
	}
	slices.SortStableFunc(list, func(u, v wish) int { return before(u.key.At, v.key.At) })
	return list
}

// give gives a key to an action, or says who has it.
func (b *binder) give(w wish) {
	a := &b.bound[w.action]
	if slices.Contains(a.Keys, w.key.Name) {
		return
	}
	other, name := b.taken(w.action, w.key.Name)
	if other < 0 {
		a.Keys = append(slices.Clone(a.Keys), w.key.Name)
		return
	}
	b.diags = append(b.diags, b.refuse(w, other, name))
}

// taken finds an action that has the key, or one that cannot be told from it, where
// action i counts, too; -1 is none.
func (b *binder) taken(i int, key string) (other int, name string) {
	for j, q := range b.bound {
		if p := b.bound[i]; !p.meets(q) || i != j && p.ID == q.ID {
			continue
		}
		for _, k := range q.Keys {
			if clash(k, key) {
				return j, k
			}
		}
	}
	return -1, ""
}

// clash says if two keys, or sequences, cannot both be waited for.
func clash(k, l string) bool {
	return k == l || strings.HasPrefix(k, l+" ") || strings.HasPrefix(l, k+" ")
}

func fromUser(keys []Key, name string) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Name == name })
}

// refuse says who has the key.
func (b *binder) refuse(w wish, other int, name string) doc.Diagnostic {
	a, q := b.bound[w.action], b.bound[other]
	who := func(p Placed) string { return fmt.Sprintf("%s (%s)", p.ID, p.Title) }
	place := "on the same screen"
	switch {
	case q.Screen == "":
		place = "everywhere"
	case a.Screen == "":
		place = "on the screen " + string(q.Screen)
	case a.Pane == q.Pane && a.Pane != "":
		place = "in the same pane"
	}
	text := fmt.Sprintf("%s is to be a key of %s and is one of %s %s", w.key.Name, who(a), who(q), place)
	if name != w.key.Name {
		text = fmt.Sprintf("%s, of %s, and %s, of %s %s, begin alike: the shorter would hide the longer", w.key.Name, who(a), name, who(q), place)
	}
	hint := fmt.Sprintf("choose another, or give %s another (%s: [] takes it away)", q.ID, q.ID)
	for _, k := range b.given[other] {
		if k.Name == name {
			hint = fmt.Sprintf("%s has it from line %d", q.ID, k.At.Line)
		}
	}
	return w.key.At.Errorf(CodeConflict, "%s", text).WithHint(hint)
}

// Doubles finds keys that two actions have at the very same place, screen and pane: a
// mistake in the tables, for tests.
func Doubles(actions []Placed) []string {
	var found []string
	for i, p := range actions {
		for _, q := range actions[i+1:] {
			if p.Screen != q.Screen || p.Pane != q.Pane {
				continue
			}
			for _, k := range p.Keys {
				for _, l := range q.Keys {
					if clash(k, l) {
						found = append(found, fmt.Sprintf("%s: %s and %s: %s", p.ID, k, q.ID, l))
					}
				}
			}
		}
	}
	return found
}
