package sfbackuptest

import (
	"strings"
	"time"
)

// The parts of a time filter that are accepted. The seconds may have a fraction, and the parts blanks
// between them. A time whose "+" was not escaped, and so arrives as a space, is invalid. .NET accepts more
// than these: times without a date, years with two digits, names of months in any place.
var (
	dateFormats = []string{
		"2006-1-2", "2006/1/2", "1/2/2006", "1-2-2006", "2006-1", "2 Jan 2006", "2 January 2006", "Jan 2 2006",
		"January 2 2006", "Jan 2, 2006", "January 2, 2006",
	}
	weekdayFormats = []string{"", "Mon, ", "Mon ", "Monday, ", "Monday "}
	clockFormats   = []string{"", " 15:4:5", "T15:4:5", " 15:4", "T15:4", " 3:4:5 PM", " 3:4 PM", " 3 PM"}
	zoneFormats    = []string{"", "Z", " Z", "-07:00", " -07:00", "-0700", " -0700", "-07", " -07", " GMT"}
)

// parseTime parses a date and time in one of the formats that the service's framework accepts. Without an
// offset it is in the given zone.
func parseTime(s string, zone *time.Location) (time.Time, bool) {
	s = strings.Join(strings.Fields(s), " ")
	for _, weekday := range weekdayFormats {
		for _, date := range dateFormats {
			for _, clock := range clockFormats {
				for _, offset := range zoneFormats {
					if clock == "" && offset != "" {
						continue
					}
					in := zone
					if strings.HasSuffix(offset, "Z") || strings.HasSuffix(offset, "GMT") {
						in = time.UTC
					}
					t, err := time.ParseInLocation(weekday+date+clock+offset, s, in)
					if err == nil && (weekday == "" || strings.EqualFold(s[:3], t.Weekday().String()[:3])) {
						return t, true
					}
				}
			}
		}
	}
	return time.Time{}, false
}
