package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/charmbracelet/x/ansi"
)

// printTable prints rows, the first maybe a head, with their columns aligned; on a terminal a line
// that is too long is cut. The cells must be clean of what a terminal obeys.
func (a *app) printTable(rows [][]string) error {
	var table strings.Builder
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("printing a table: %w", err)
	}
	for line := range strings.Lines(table.String()) {
		line = strings.TrimRight(line, " \n")
		if a.outWidth > 0 {
			line = ansi.Truncate(line, a.outWidth, "…")
		}
		if _, err := fmt.Fprintln(a.stdout, line); err != nil {
			return fmt.Errorf("printing a table: %w", err)
		}
	}
	return nil
}
