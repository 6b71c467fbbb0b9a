package ignition

// config is the part of a config that fragments have, in spec 3.0, and that is
// looked at in a user's config of any version.
type config struct {
	Ignition header  `json:"ignition"`
	Passwd   passwd  `json:"passwd,omitzero"`
	Storage  storage `json:"storage,omitzero"`
	Systemd  systemd `json:"systemd,omitzero"`
}

type header struct {
	Version string     `json:"version"`
	Config  references `json:"config,omitzero"`
}

type references struct {
	Merge   []resource `json:"merge,omitempty"`
	Replace resource   `json:"replace,omitzero"`
}

type resource struct {
	Source string `json:"source,omitempty"`
}

type passwd struct {
	Users []account `json:"users,omitempty"`
}

type account struct {
	Name        string   `json:"name"`
	Keys        []string `json:"sshAuthorizedKeys,omitempty"`
	ShouldExist *bool    `json:"shouldExist,omitempty"` // from 3.2
}

type storage struct {
	Directories []node `json:"directories,omitempty"`
	Files       []node `json:"files,omitempty"`
	Links       []node `json:"links,omitempty"`
}

type node struct {
	Path      string   `json:"path"`
	Overwrite bool     `json:"overwrite,omitempty"`
	Mode      int      `json:"mode,omitempty"`
	Contents  resource `json:"contents,omitzero"`
}

type systemd struct {
	Units []unit `json:"units,omitempty"`
}

type unit struct {
	Name     string   `json:"name"`
	Enabled  *bool    `json:"enabled,omitempty"`
	Mask     bool     `json:"mask,omitempty"`
	Contents string   `json:"contents,omitempty"`
	Dropins  []dropin `json:"dropins,omitempty"`
}

type dropin struct {
	Name     string `json:"name"`
	Contents string `json:"contents,omitempty"`
}
