// Package calendar says when a site's uplink may be used for bulk, in windows of time, and as long as the month's cap
// of bytes lasts; and when nodes may change to what was declared for a later time. It does no I/O and asks no clock.
//
// # Windows
//
// A window is written
//
//	MINUTE HOUR DAY MONTH WEEKDAY DURATION [ZONE]
//
// five fields of cron for when it opens, how long it stays open (1m to 168h, as Go writes durations), and the name of a time zone in which
// the fields are read; UTC if there is none. "0 22 * * 1-5 8h Europe/Berlin" is open from 22:00 on workdays, for eight
// hours. Of several windows, any that is open will do.
//
// Where clocks are put forward a window that would open in the hour that is left out opens within an hour of that, and where they are
// put back one that would open twice opens once. It stays open for its duration in true time. So none is lost or
// doubled, however the clock of the place goes.
//
// # Caps
//
// A month is one of UTC. What was used in it counts until a later month begins: a clock that goes back, or a machine
// that comes up in 1970, gets nothing back.
package calendar
