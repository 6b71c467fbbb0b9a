package manifest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// versionTag extends, as in rpm-ostree, to the last > of the text.
var versionTag = regexp.MustCompile(`(?s)<([A-Za-z]+):(.*)>`)

// NextVersion returns the version that follows last, that of the previous
// commit or "", for automatic-version-prefix and -suffix. <date:FORMAT> in
// prefix is now in UTC, in the format of g_date_time_format.
func NextVersion(prefix, suffix, last string, now time.Time) (string, error) {
	expanded, dated, err := expandTag(prefix, now.UTC())
	if err != nil {
		return "", err
	}
	first := expanded
	if dated {
		first += suffix + "0"
	}
	rest, ok := strings.CutPrefix(last, expanded)
	switch {
	case last == "" || !ok:
		return first, nil
	case rest == "" && dated:
		return first, nil
	case rest == "":
		return expanded + suffix + "1", nil
	case !strings.HasPrefix(rest, suffix):
		return first, nil
	}
	digits := strings.TrimPrefix(rest, suffix)
	end := 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		end++
	}
	counter := uint64(0)
	if end > 0 {
		if counter, err = strconv.ParseUint(digits[:end], 10, 63); err != nil {
			return "", fmt.Errorf("the counter of the version %q is too large", last)
		}
	}
	return expanded + suffix + strconv.FormatUint(counter+1, 10), nil
}

func expandTag(prefix string, now time.Time) (expanded string, dated bool, err error) {
	at := versionTag.FindStringSubmatchIndex(prefix)
	if at == nil || prefix[at[2]:at[3]] != "date" {
		return prefix, false, nil
	}
	date, err := formatDate(prefix[at[4]:at[5]], now)
	if err != nil {
		return "", false, err
	}
	return prefix[:at[0]] + date + prefix[at[1]:], true, nil
}

// figureSpace is what GLib pads hours and days with unless told otherwise.
const figureSpace = "\u2007"

// formatDate is g_date_time_format of GLib (2.80, which knows the flags ^ and
// #) in the C locale, for a time in UTC.
func formatDate(format string, t time.Time) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		start := i
		var pad byte
		colons := 0
		for i++; i < len(format) && strings.IndexByte("_-0^#EO:", format[i]) >= 0; i++ {
			switch c := format[i]; c {
			case ':':
				colons++
			case '_', '-', '0', '^', '#':
				pad = c
			}
		}
		if i >= len(format) {
			return "", fmt.Errorf("the date format %q ends within %q", format, format[start:])
		}
		if colons > 0 && format[i] != 'z' || colons > 3 {
			return "", fmt.Errorf("the date format %q holds the unknown %q", format, format[start:i+1])
		}
		text, ok := dateField(format[i], pad, colons, t)
		if !ok {
			return "", fmt.Errorf("the date format %q holds the unknown %q", format, format[start:i+1])
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// dateField formats one conversion. Pad is the flag before it, or 0.
func dateField(conversion, pad byte, colons int, t time.Time) (string, bool) {
	if number, width, fill, ok := dateNumber(conversion, t); ok {
		return padded(number, width, fill, pad), true
	}
	text, ok := dateText(conversion, colons, t)
	if pad == '^' || pad == '#' {
		text = strings.ToUpper(text)
	}
	return text, ok
}

// dateNumber returns a number, its width and what fills it by default.
func dateNumber(conversion byte, t time.Time) (number, width int, fill string, ok bool) {
	isoYear, isoWeek := t.ISOWeek()
	hour12 := (t.Hour()+11)%12 + 1
	switch conversion {
	case 'C':
		return t.Year() / 100, 2, "0", true
	case 'd':
		return t.Day(), 2, "0", true
	case 'e':
		return t.Day(), 2, figureSpace, true
	case 'g':
		return isoYear % 100, 2, "0", true
	case 'G':
		return isoYear, 0, "0", true
	case 'H':
		return t.Hour(), 2, "0", true
	case 'I':
		return hour12, 2, "0", true
	case 'j':
		return t.YearDay(), 3, "0", true
	case 'k':
		return t.Hour(), 2, figureSpace, true
	case 'l':
		return hour12, 2, figureSpace, true
	case 'm':
		return int(t.Month()), 2, "0", true
	case 'M':
		return t.Minute(), 2, "0", true
	case 's':
		return int(t.Unix()), 0, "0", true
	case 'S':
		return t.Second(), 2, "0", true
	case 'u':
		return (int(t.Weekday())+6)%7 + 1, 0, "0", true
	case 'V':
		return isoWeek, 2, "0", true
	case 'w':
		return int(t.Weekday()), 0, "0", true
	case 'y':
		return t.Year() % 100, 2, "0", true
	case 'Y':
		return t.Year(), 0, "0", true
	}
	return 0, 0, "", false
}

func padded(number, width int, fill string, pad byte) string {
	switch pad {
	case '-':
		width = 0
	case '_':
		fill = " "
	case '0':
		fill = "0"
	}
	text := strconv.Itoa(number)
	return strings.Repeat(fill, max(0, width-len(text))) + text
}

func dateText(conversion byte, colons int, t time.Time) (string, bool) {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January",
		'D': "01/02/06", 'F': "2006-01-02", 'p': "PM", 'P': "pm",
		'r': "03:04:05 PM", 'R': "15:04", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05",
	}
	if layout, ok := layouts[conversion]; ok {
		return t.Format(layout), true
	}
	switch conversion {
	case 'c':
		return strings.Replace(t.Format("Mon Jan _2 15:04:05 2006"), "  ", " "+figureSpace, 1), true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	case 'Z':
		return "UTC", true
	case 'z':
		return []string{"+0000", "+00:00", "+00:00:00", "+00"}[colons], true
	}
	return "", false
}
