package live

import "io"

// ChangeAreas calls change with the areas of the ISO in; what it writes goes to
// out, at the places that it has in the ISO. It must not read what it wrote.
func ChangeAreas(in io.ReaderAt, out io.WriterAt, change func(*Areas) error) error {
	a, err := ReadAreas(in)
	if err != nil {
		return err
	}
	a.out = out
	return change(a)
}
