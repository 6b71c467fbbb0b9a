package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// maxConfig bounds an Ignition config, in bytes.
const maxConfig = 16 << 20

// ignition gets the config; nil is none.
func (req *Request) ignition(ctx context.Context, fetch fetcher) ([]byte, error) {
	var data []byte
	var err error
	what := req.IgnitionFile
	switch {
	case req.IgnitionURL != "":
		what = req.IgnitionURL
		if err := checkURL(what, req.IgnitionHash != "" || req.InsecureIgnition); err != nil {
			return nil, fmt.Errorf("ignition config: %w", err)
		}
		fetch.report.Step("Fetching the Ignition config " + what)
		data, err = fetch.all(ctx, what, maxConfig)
	case req.IgnitionFile != "":
		data, err = os.ReadFile(what)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ignition config: %w", err)
	}
	sum, err := newHash(req.IgnitionHash)
	if err != nil {
		return nil, err
	}
	sum.Write(data)
	if err := errors.Join(sum.check(), checkConfig(data)); err != nil {
		return nil, fmt.Errorf("ignition config %s: %w", what, err)
	}
	return data, nil
}

// checkConfig refuses what is no config at all: a page of a proxy, a Butane file.
// Whether it is a good one Ignition says at the first boot.
func checkConfig(data []byte) error {
	var config struct {
		Ignition struct {
			Version string `json:"version"`
		} `json:"ignition"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	if !strings.HasPrefix(config.Ignition.Version, "3.") {
		return fmt.Errorf("its ignition.version is %q: want one of 3", config.Ignition.Version)
	}
	return nil
}
