package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nestos/nosa/workspace"
)

func TestRemadeImage(t *testing.T) {
	sum := func(digit string) string { return strings.Repeat(digit, 64) }
	dir := t.TempDir()
	meta := workspace.Meta{
		BuildID: "1", Name: "n", Commit: sum("a"), ContentChecksum: sum("a"), InputHash: sum("a"), Version: "1",
		CommitTimestamp: "2026-11-20T12:00:00Z", Images: map[string]workspace.Artifact{"ostree": {Path: "o", SHA256: sum("a")}},
	}
	now := time.Now()
	if err := workspace.WriteMeta(t.Context(), dir, meta, now); err != nil {
		t.Fatal(err)
	}
	first := madeImage{dir: dir, kind: "qemu", artifact: workspace.Artifact{Path: "q", SHA256: sum("1")}, tools: map[string]string{"nosa": "1", "mke2fs": "1.46", "xfs": "5"}}
	if err := first.check(meta); err != nil {
		t.Errorf("an image that was never made: %v", err)
	}
	if err := recordImages(t.Context(), []madeImage{first}, now, nil); err != nil {
		t.Fatal(err)
	}
	meta, err := workspace.ReadMeta(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.artifact, meta.Images["qemu"]); diff != "" {
		t.Error(diff)
	}
	again := first
	if err := again.check(meta); err != nil {
		t.Errorf("the same image: %v", err)
	}
	again.artifact.SHA256 = sum("2")
	for _, tt := range []struct {
		name  string
		tools map[string]string
		want  string
	}{
		{"other tools", map[string]string{"nosa": "1", "mke2fs": "1.47"}, "the qemu image made again is not the recorded one: sha256 2222222222222222…, recorded 1111111111111111…; other versions now: mke2fs 1.47, was 1.46; xfs missing, was 5"},
		{"the same tools", first.tools, "the qemu image made again is not the recorded one: sha256 2222222222222222…, recorded 1111111111111111…; no version of a program that writes it differs from the recorded ones"},
	} {
		again.tools = tt.tools
		err := again.check(meta)
		var remade *RemadeError
		if !errors.As(err, &remade) || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	extra := meta.Extra
	meta.Extra = nil
	if err := again.check(meta); err == nil || !strings.HasSuffix(err.Error(), "; what wrote that one was not recorded") {
		t.Errorf("of an older nosa: %v", err)
	}
	meta.Extra = extra
	compressed := meta.Images["qemu"]
	compressed.SHA256, compressed.UncompressedSHA256 = sum("f"), sum("2")
	meta.Images["qemu"] = compressed
	if err := again.check(meta); err != nil {
		t.Errorf("one that was compressed: %v", err)
	}
	meta.Images["qemu"] = first.artifact
	if err := os.WriteFile(filepath.Join(dir, "q"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := again.check(meta); err != nil {
		t.Errorf("one that is here is replaced: %v", err)
	}
}

func TestImageTools(t *testing.T) {
	versions, err := imageTools(t.Context(), &Env{Version: "v"})
	if err != nil || versions["nosa"] != "v" {
		t.Fatal(versions, err)
	}
	for name, v := range versions {
		if v == "" {
			t.Errorf("no version of %s", name)
		}
	}
}
