package schemas

import "time"

// dateLayout is how the platform writes a Date: yyyy-MM-dd HH:mm:ss in GMT+8.
const dateLayout = "2006-01-02 15:04:05"

// platformOffset is GMT+8, fixed: Asia/Shanghai had summer time.
const platformOffset = 8 * 60 * 60

// parseDate returns the platform's text of a date: s itself where it is that already, or RFC 3339 with T and Z or an
// offset, its fraction cut off, converted to GMT+8.
func parseDate(s string) (string, bool) {
	if len(s) < len(dateLayout) || s[10] != ' ' && s[10] != 'T' {
		return "", false
	}
	year, ok0 := digits(s, 0, 4)
	month, ok1 := digits(s, 5, 2)
	day, ok2 := digits(s, 8, 2)
	hour, ok3 := digits(s, 11, 2)
	minute, ok4 := digits(s, 14, 2)
	second, ok5 := digits(s, 17, 2)
	read := ok0 && ok1 && ok2 && ok3 && ok4 && ok5
	if !read || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' {
		return "", false
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return "", false
	}
	if s[10] == ' ' {
		return s, len(s) == len(dateLayout)
	}
	offset, ok := parseOffset(s[len(dateLayout):])
	if !ok {
		return "", false
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix() - int64(offset) + platformOffset
	local := time.Unix(at, 0).UTC()
	if local.Year() < 0 || local.Year() > 9999 {
		return "", false
	}
	return local.Format(dateLayout), true
}

// parseOffset reads what follows the seconds: a fraction, which is cut off, then Z or an offset, which is returned in
// seconds east of UTC.
func parseOffset(s string) (int, bool) {
	if s != "" && s[0] == '.' {
		i := 1
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if i == 1 {
			return 0, false
		}
		s = s[i:]
	}
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+08:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	hours, ok0 := digits(s, 1, 2)
	minutes, ok1 := digits(s, 4, 2)
	if !ok0 || !ok1 || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := (hours*60 + minutes) * 60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// digits reads n decimal digits of s from i on.
func digits(s string, i, n int) (int, bool) {
	value := 0
	for _, c := range []byte(s[i : i+n]) {
		if !isDigit(c) {
			return 0, false
		}
		value = value*10 + int(c-'0')
	}
	return value, true
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}
