package doc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTexts(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"real/a.yaml": "a: 1\n", "real/b.yaml": "b: 1\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	texts := Texts{}
	texts.Put(filepath.Join(dir, "link/a.yaml"), []byte("a: 2\n"))
	texts.Put(filepath.Join(dir, "link/absent.yaml"), []byte("a: 2\n"))
	tests := []struct {
		name  string
		texts Texts
		path  string
		want  string
	}{
		{"by the way that it was put", texts, "link/a.yaml", "a: 2\n"},
		{"by another way", texts, "real/a.yaml", "a: 2\n"},
		{"of another file", texts, "real/b.yaml", "b: 1\n"},
		{"without any", nil, "real/a.yaml", "a: 1\n"},
		{"of none", texts, "link/absent.yaml", "error: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := tt.texts.ReadBytes(filepath.Join(dir, tt.path))
			got := string(data)
			if err != nil {
				got = "error: " + err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
