// Package report writes a story down as one HTML page, for a person who wants to see what happened in it.
//
// # The page
//
//	head       what was played, how it ended, the command that plays it again, every check
//	timeline   checks, work, faults, and a lane for each node with when it was up and what it told
//	progress   how many bytes of releases each node held
//	uplinks    what crossed each site's uplink, and what had to
//	messages   who sent what to whom while the window was open
//
// The timeline, progress and uplinks have one axis of time and are zoomed and scrolled together. Drawings are SVG that is
// made here: x is in percent of the width, so that text keeps its size whatever the width is, and curves are stretched.
// The script only zooms and shows the time under the pointer; without it, and in print, all is there.
//
// # Bounds
//
// The page asks for nothing from elsewhere, and a policy in it forbids that. What can be many is bounded, beside where it
// is drawn, and the page says what was left out: a page stays below MaxBytes. Where there are many nodes, lanes and
// curves are of sites.
//
// All names and texts come from scenario files and from nodes; html/template escapes them.
package report
