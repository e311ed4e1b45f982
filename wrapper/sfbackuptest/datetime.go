package sfbackuptest

import (
	"strings"
	"time"
)

// The parts of a time filter that are accepted. The seconds may have a fraction, and there may be blanks
// between the parts. A time whose "+" was not escaped, and so arrives as a space, is invalid. .NET accepts
// more than these: times without a date, years with two digits, names of months in other places.
var (
	dateFormats = []string{
		"2006-1-2", "2006/1/2", "1/2/2006", "1-2-2006", "2006-1", "2 Jan 2006", "2 January 2006", "Jan 2 2006",
		"January 2 2006", "Jan 2, 2006", "January 2, 2006", "Jan 2006", "January 2006",
	}
	clockFormats  = []string{"T15:4:5", " 15:4:5", "T15:4", " 15:4", " 3:4:5 PM", " 3:4:5PM", " 3:4 PM", " 3:4PM", " 3 PM"}
	offsetFormats = []string{"Z", "", " Z", " GMT", "-07:00", " -07:00", "-0700", " -0700", "-07", " -07"}
)

// parseTime parses a date and time in one of the formats that the service's framework accepts. Without an
// offset it is in the given zone.
func parseTime(s string, zone *time.Location) (time.Time, bool) {
	s = strings.ToUpper(strings.Join(strings.Fields(s), " "))
	if before, _, found := strings.Cut(s, ","); found && strings.Contains(before, ":") {
		return time.Time{}, false // package time takes the comma for that of a fraction
	}
	name, rest, _ := strings.Cut(s, " ")
	t, ok := parseDateTime(s, zone)
	for day := time.Sunday; day <= time.Saturday && !ok; day++ {
		if name = strings.TrimSuffix(name, ","); strings.EqualFold(name, day.String()) || strings.EqualFold(name, day.String()[:3]) {
			t, ok = parseDateTime(rest, zone)
			ok = ok && t.Weekday() == day
		}
	}
	year := t.UTC().Year()
	return t, ok && year >= 1 && year <= 9999
}

// parseDateTime parses a date and time without a day of the week.
func parseDateTime(s string, zone *time.Location) (time.Time, bool) {
	for _, date := range dateFormats {
		if t, err := time.ParseInLocation(date, s, zone); err == nil {
			return t, true
		}
		for _, clock := range clockFormats {
			for _, offset := range offsetFormats {
				in := zone
				if strings.HasSuffix(offset, "Z") || strings.HasSuffix(offset, "GMT") {
					in = time.UTC
				}
				if t, err := time.ParseInLocation(date+clock+offset, s, in); err == nil {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}
