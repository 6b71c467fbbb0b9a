// Package feed follows the files of a workspace and hands out snapshots of what
// they say: jobs, builds, the files of the config. It changes nothing and draws nothing.
package feed
