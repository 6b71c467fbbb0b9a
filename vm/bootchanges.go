package vm

// BootChanges are what is changed in the boot partition of the first disk
// before it is first started. It is the machine's own overlay that is changed,
// never the image. The zero value changes nothing.
type BootChanges struct {
	Kargs          string // added to every boot entry
	FirstbootKargs string // for the first boot only
	Ignition       []byte // the user config, as /ignition/config.ign
}

// empty says that nothing is to be changed.
func (b BootChanges) empty() bool {
	return b.Kargs == "" && b.FirstbootKargs == "" && b.Ignition == nil
}
