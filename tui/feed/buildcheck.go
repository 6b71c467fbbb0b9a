package feed

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"github.com/nestos/nosa/vm/milestone"
)

// checkFile is what matters here of check-ARTIFACT.json, check-upgrade.json and
// check-tests.json.
type checkFile struct {
	OK     bool   `json:"ok"`
	Commit string `json:"commit"`
	Runs   []struct {
		Firmware   string    `json:"firmware"`
		Way        string    `json:"way"`
		Accel      string    `json:"accel"`
		Commit     string    `json:"commit"`
		Time       time.Time `json:"time"`
		MS         int64     `json:"ms"`
		OK         bool      `json:"ok"`
		Assertions []struct {
			Name string `json:"name"`
			OK   bool   `json:"ok"`
			Got  string `json:"got"`
		} `json:"assertions"`
		Timeline []milestone.Milestone `json:"timeline"`
	} `json:"runs"`
	Tests []struct {
		Name    string    `json:"name"`
		Outcome string    `json:"outcome"`
		Reason  string    `json:"reason"`
		Time    time.Time `json:"time"`
		MS      int64     `json:"ms"`
	} `json:"tests"`
}

// check reads the result of a check.
func (r *buildsReader) check(b *Build, name string) BuildCheck {
	c := BuildCheck{Name: strings.TrimSuffix(strings.TrimPrefix(name, "check-"), ".json")}
	data, err := r.readFile(filepath.Join(b.Dir, name))
	var f checkFile
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		c.Problem = "the result cannot be read: " + err.Error()
		return c
	}
	c.OK = f.OK
	c.Stale = f.Commit != "" && f.Commit != b.Commit
	c.boots(f, b.Commit)
	c.tests(f)
	for _, run := range c.Runs {
		c.MS += run.MS
		if c.Problem == "" && !run.OK {
			c.Problem = run.Name + ": " + run.Text
		}
	}
	return c
}

func (c *BuildCheck) boots(f checkFile, commit string) {
	for _, run := range f.Runs {
		out := CheckRun{Name: strings.TrimSpace(run.Firmware + " " + run.Way), OK: run.OK, MS: run.MS, Of: len(run.Assertions), Accel: run.Accel, Began: run.Time, Marks: run.Timeline}
		for _, a := range run.Assertions {
			if a.OK {
				out.Passed++
			} else if out.Text == "" {
				out.Text = a.Name + ": " + a.Got
			}
		}
		c.Runs = append(c.Runs, out)
		c.Stale = c.Stale || run.Commit != "" && run.Commit != commit
		if run.Time.After(c.Time) {
			c.Time = run.Time
		}
	}
}

func (c *BuildCheck) tests(f checkFile) {
	for _, t := range f.Tests {
		c.Runs = append(c.Runs, CheckRun{Name: t.Name, OK: t.Outcome != "fail", Text: strings.TrimSpace(t.Outcome + " " + t.Reason), MS: t.MS})
		if t.Time.After(c.Time) {
			c.Time = t.Time
		}
	}
}
