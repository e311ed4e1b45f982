package sfbackup

import "time"

// Shifted returns the record as a machine sees it whose clock is behind that of the one that made it.
func (r StartRecord) Shifted(behind time.Duration) StartRecord {
	r.data.SendBy = r.data.SendBy.Round(0).Add(behind)
	if !r.data.FirstSent.IsZero() {
		r.data.FirstSent = r.data.FirstSent.Round(0).Add(behind)
	}
	r.local = false
	return r
}
