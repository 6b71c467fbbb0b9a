package tree

import (
	"bytes"
	"context"
	"fmt"
	"path"
)

// RPMDB brings the rpm database to usr/share/rpm, where it is read-only on the booted system: links
// from the other places, the macro that tells rpm, and for sqlite the rollback journal, since the
// write-ahead log cannot be read in a read-only directory.
func (t Tree) RPMDB(context.Context) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	defer r.close()
	db := r.findDB()
	if db == "" {
		return fmt.Errorf("no rpm database in the tree (looked in %v)", dbPlaces())
	}
	if db != dbPath {
		if err := r.removeAll(dbPath); err != nil {
			return err
		}
		if err := r.move(db, dbPath); err != nil {
			return err
		}
	}
	if err := r.journalMode(path.Join(dbPath, "rpmdb.sqlite")); err != nil {
		return err
	}
	if err := r.removeAll("var/lib/rpm", "usr/lib/sysimage/rpm"); err != nil {
		return err
	}
	if err := r.link("../../share/rpm", "usr/lib/sysimage/rpm"); err != nil {
		return err
	}
	// Scripts that run before /var is emptied find the database too.
	if err := r.link("../../usr/share/rpm", "var/lib/rpm"); err != nil {
		return err
	}
	return r.write("usr/lib/rpm/macros.d/macros.rpm-ostree", []byte("%_dbpath /"+dbPath+"\n"))
}

// dropDBState removes what an open database leaves beside it.
func (r root) dropDBState() error {
	names := []string{"rpmdb.sqlite-shm", "rpmdb.sqlite-wal", ".rpm.lock", ".dbenv.lock"}
	for i, name := range names {
		names[i] = path.Join(dbPath, name)
	}
	return r.removeAll(append(names, r.glob(dbPath, "__db.*")...)...)
}

// Bytes 18 and 19 of an SQLite file are the write and read version: 2 is the write-ahead log, 1 the
// rollback journal (SQLite file format §1.3.3).
const (
	versionsAt = 18
	walVersion = 2
	rollback   = 1
)

// journalMode turns the write-ahead log off, which is only safe when it is empty, and removes what
// is left of it.
func (r root) journalMode(name string) error {
	if !r.exists(name) {
		return r.dropDBState()
	}
	if info, err := r.Lstat(name + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("/%s-wal has %d bytes: the rpm database was not closed", name, info.Size())
	}
	info, err := r.Lstat(name)
	if err != nil {
		return fmt.Errorf("reading the rpm database: %w", err)
	}
	data, err := r.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the rpm database: %w", err)
	}
	if len(data) < 100 || !bytes.HasPrefix(data, []byte("SQLite format 3\x00")) {
		return fmt.Errorf("/%s is no SQLite database", name)
	}
	if data[versionsAt] == walVersion || data[versionsAt+1] == walVersion {
		data[versionsAt], data[versionsAt+1] = rollback, rollback
		if err := r.put(name, bytes.NewReader(data), ownerOf(info)); err != nil {
			return err
		}
	}
	return r.dropDBState()
}

// baseDB hard-links the database to where rpm-ostree looks for the one of the base commit.
func (r root) baseDB() error {
	const base = "usr/lib/sysimage/rpm-ostree-base-db"
	if !r.isDir(dbPath) {
		return nil
	}
	if err := r.removeAll(base); err != nil {
		return err
	}
	if err := r.mkdirAll(base); err != nil {
		return err
	}
	for _, name := range r.glob(dbPath, "*") {
		if info, err := r.Lstat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := r.Link(name, path.Join(base, path.Base(name))); err != nil {
			return fmt.Errorf("linking the rpm database: %w", err)
		}
	}
	return nil
}
