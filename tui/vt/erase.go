package vt

func (s *Screen) eraseLine(n int) {
	if n > 2 {
		return
	}
	if n == 0 && s.pending {
		return // there is nothing after the last column
	}
	s.edit("\x1b[" + itoa(n) + "K")
	if n != 1 {
		s.on.wraps[s.y] = false
	}
	s.repair(s.y)
}

// erase is ED. What is erased of the whole main screen is kept in the scrollback, where it fills rows. x/vt
// erases too much of the cursor's row and forgets the background, so that it is given whole rows.
func (s *Screen) erase(n int) {
	switch n {
	case 0:
		s.eraseLine(0)
		s.eraseRows(s.y+1, s.h)
	case 1:
		s.eraseLine(1)
		s.eraseRows(0, s.y)
	case 2:
		s.keepAll()
		s.eraseRows(0, s.h)
	case 3:
		if s.on == s.pages[0] {
			s.history.clear()
		}
	}
}

func (s *Screen) eraseRows(first, end int) {
	x, y := s.x, s.y
	for s.x, s.y = 0, first; s.y < end; s.y++ {
		s.edit("\x1b[2K")
		s.on.wraps[s.y] = false
	}
	s.x, s.y = x, y
}

// keepAll adds the main screen's rows to the scrollback, without the blank ones at its end.
func (s *Screen) keepAll() {
	if s.on != s.pages[0] {
		return
	}
	for y := range s.filled() {
		s.keep(y)
	}
}

// filled is how many rows there are to the last that is not blank.
func (s *Screen) filled() int {
	n := s.h
	for n > 0 && s.blankRow(n-1) {
		n--
	}
	return n
}
