package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the man pages that packagers ship.
func newManCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the man pages to DIR",
		GroupID: groupLook,
		Args:    words(1, 1),
		RunE: func(_ *cobra.Command, list []string) error {
			if err := os.MkdirAll(list[0], 0o755); err != nil {
				return fmt.Errorf("writing man pages: %w", err)
			}
			header := &doc.GenManHeader{Title: "NOSA", Section: "1", Source: "nosa", Manual: "nosa"}
			if err := doc.GenManTree(root, header, list[0]); err != nil {
				return fmt.Errorf("writing man pages: %w", err)
			}
			return nil
		},
	}
}

// exitHelp is the part of a command's help that names its exit codes.
func exitHelp(codes ...int) string {
	texts := map[int]string{}
	for _, e := range exitTexts() {
		texts[e.code] = e.text
	}
	var b strings.Builder
	b.WriteString("\n\nExit codes:\n")
	for _, c := range codes {
		b.WriteString("  " + strconv.Itoa(c) + strings.Repeat(" ", 5-len(strconv.Itoa(c))) + texts[c] + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
