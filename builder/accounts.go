package builder

import (
	"context"
	"fmt"
	"os"

	"github.com/nestos/nosa/builder/ostree"
	"github.com/nestos/nosa/builder/tree"
	"github.com/nestos/nosa/workspace/manifest"
)

// wantedAccounts gives the accounts whose ids packages shall get again (preserve-passwd): those of the
// files that check-passwd and check-groups name, else those of the previous commit.
func (b *build) wantedAccounts(ctx context.Context, env *Env) (tree.SeedOptions, error) {
	m := b.config.Manifest
	var o tree.SeedOptions
	if !m.PreservePasswd {
		return o, nil
	}
	var err error
	if o.Passwd, err = b.seedAccounts(ctx, env, m.CheckPasswd, "passwd"); err != nil {
		return o, err
	}
	o.Group, err = b.seedAccounts(ctx, env, m.CheckGroups, "group")
	return o, err
}

// seedAccounts gives the passwd or group file that the new tree is seeded with, whether it is compared
// with that or not.
func (b *build) seedAccounts(ctx context.Context, env *Env, a manifest.Accounts, name string) ([]byte, error) {
	if a.Mode == manifest.CheckFile {
		return b.referenceAccounts(ctx, env, a, name)
	}
	return b.previousAccounts(ctx, env, name)
}

// referenceAccounts gives the passwd or group file that the new tree is compared with; nil when there
// is none.
func (b *build) referenceAccounts(ctx context.Context, env *Env, a manifest.Accounts, name string) ([]byte, error) {
	switch a.Mode {
	case manifest.CheckFile:
		data, err := os.ReadFile(a.File.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: reading the reference accounts: %w", a.Origin, err)
		}
		return data, nil
	case manifest.CheckPrevious:
		return b.previousAccounts(ctx, env, name)
	case manifest.CheckNone, manifest.CheckData:
	}
	return nil, nil
}

// previousAccounts joins the previous commit's accounts of usr/etc and usr/lib. The commit is
// brought back if it is no longer in the cache: what is cached must not decide what is built.
func (b *build) previousAccounts(ctx context.Context, env *Env, name string) ([]byte, error) {
	if b.previous.Commit == "" {
		return nil, nil
	}
	repo := env.Repo(nil)
	if b.previousTree == nil {
		have := &HaveCommit{Build: b.previous.BuildID, Commit: b.previous.Commit}
		reason, err := have.Skip(ctx, env)
		if err == nil && reason == "" {
			err = have.Run(ctx, env, env.Reporter("install"))
		}
		var t ostree.Tree
		if err == nil {
			t, err = repo.Tree(ctx, b.previous.Commit)
		}
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			env.Reporter("install").Warn("the accounts of build " + b.previous.BuildID + " cannot be kept: " + err.Error())
		}
		b.previousTree = &t
	}
	var all []byte
	for _, dir := range []string{"/usr/etc/", "/usr/lib/"} {
		if data, err := repo.ReadFile(*b.previousTree, dir+name); err == nil {
			all = append(all, data...)
		}
	}
	if err := checkAccounts(name, all); err != nil {
		env.Reporter("install").Warn("the accounts of build " + b.previous.BuildID + " are left out: " + err.Error())
		return nil, nil
	}
	return all, nil
}

func checkAccounts(name string, text []byte) (err error) {
	if name == "passwd" {
		_, err = tree.ParsePasswd(text)
	} else {
		_, err = tree.ParseGroup(text)
	}
	return err
}

// reference gives the accounts that the tree is compared with.
func (b *build) reference(ctx context.Context, env *Env) (tree.Reference, error) {
	m := b.config.Manifest
	ref := tree.Reference{IgnoreUsers: texts(m.IgnoreRemovedUsers), IgnoreGroups: texts(m.IgnoreRemovedGroups)}
	passwd, err := b.referenceAccounts(ctx, env, m.CheckPasswd, "passwd")
	if err != nil {
		return ref, err
	}
	group, err := b.referenceAccounts(ctx, env, m.CheckGroups, "group")
	if err != nil {
		return ref, err
	}
	if ref.Users, err = tree.ParsePasswd(passwd); err != nil {
		return ref, fmt.Errorf("%s: %w", m.CheckPasswd.Origin, err)
	}
	if ref.Groups, err = tree.ParseGroup(group); err != nil {
		return ref, fmt.Errorf("%s: %w", m.CheckGroups.Origin, err)
	}
	for _, a := range m.CheckPasswd.Entries {
		ref.Users = append(ref.Users, tree.User{Name: a.Name, UID: int(a.ID), GID: int(a.GID)})
	}
	for _, a := range m.CheckGroups.Entries {
		ref.Groups = append(ref.Groups, tree.Group{Name: a.Name, GID: int(a.ID)})
	}
	return ref, nil
}
