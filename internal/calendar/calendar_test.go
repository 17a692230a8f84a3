package calendar

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func must(t testing.TB, text string) Window {
	t.Helper()
	w, err := ParseWindow(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return w
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseWindow(t *testing.T) {
	for _, text := range []string{
		"", "0 22 * * *", "0 22 * * * 8", "0 22 * * * 8h Europe/Nowhere", "0 22 * * * 8h Local", "0 22 * * * 59s", "0 22 * * * 169h",
		"60 22 * * * 8h", "@daily 8h", "@every 1h * * * 8h", "TZ=UTC 0 22 * * * 8h", "TZ=0 22 * * * 8h", "0 22 * * * 8h Europe/Berlin more",
		"0 22 * * * -8h", "0 22 * * * 8h ../../etc/passwd",
	} {
		if w, err := ParseWindow(text); err == nil {
			t.Errorf("%q is taken for %q", text, w)
		}
	}
	if w := must(t, "  0  22 * * 1-5  8h   Europe/Berlin "); w.String() != "0 22 * * 1-5 8h Europe/Berlin" {
		t.Errorf("it is written %q", w)
	}
	if _, err := ParseWindows(make([]string, MaxWindows+1)); err == nil {
		t.Error("there can be any number of them")
	}
}

// When windows are open, to the second, also where the clocks of a place change, and where a day is missing.
func TestOpen(t *testing.T) {
	for _, c := range []struct {
		window      string
		opens, ends string // in true time; the first after from
		from        string
	}{
		{"0 22 * * 1-5 8h", "2026-11-27T22:00:00Z", "2026-11-28T06:00:00Z", "2026-11-27T07:00:00Z"},
		{"0 22 * * 1-5 8h", "2026-11-30T22:00:00Z", "2026-12-01T06:00:00Z", "2026-11-28T07:00:00Z"}, // not on a Saturday
		{"0 22 * * * 8h Europe/Berlin", "2026-01-10T21:00:00Z", "2026-01-11T05:00:00Z", "2026-01-10T12:00:00Z"},
		{"0 22 * * * 8h Europe/Berlin", "2026-07-10T20:00:00Z", "2026-07-11T04:00:00Z", "2026-07-10T12:00:00Z"},
		// Clocks go from 02:00 to 03:00: eight hours are eight hours.
		{"0 22 * * * 8h Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z", "2026-03-28T12:00:00Z"},
		// 02:30 is left out.
		{"30 2 * * * 1h Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z", "2026-03-28T12:00:00Z"},
		// 02:30 comes twice; the window opens once.
		{"30 2 * * * 30m Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z", "2026-10-24T12:00:00Z"},
		{"30 2 * * * 30m Europe/Berlin", "2026-10-26T01:30:00Z", "2026-10-26T02:00:00Z", "2026-10-25T01:30:00Z"},
		// Half an hour, at the other end of the world.
		{"15 2 * * * 1h Australia/Lord_Howe", "2026-10-03T15:45:00Z", "2026-10-03T16:45:00Z", "2026-10-03T00:00:00Z"},
		{"0 0 29 2 * 24h", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "2026-11-27T00:00:00Z"},
	} {
		w, opens, ends, from := must(t, c.window), at(t, c.opens), at(t, c.ends), at(t, c.from)
		if got, ok := w.opensAfter(from); !ok || !got.Equal(opens) {
			t.Errorf("%s: after %s it opens at %v", c.window, c.from, got.UTC())
			continue
		}
		for when, want := range map[time.Time]bool{opens.Add(-time.Second): false, opens: true, ends.Add(-time.Second): true, ends: false} {
			if w.Open(when) != want {
				t.Errorf("%s at %v: open is %v", c.window, when.UTC(), !want)
			}
		}
	}
}

func TestNeverOpens(t *testing.T) {
	w := must(t, "0 0 30 2 * 1h")
	if open, next := Open([]Window{w}, at(t, "2026-11-27T00:00:00Z")); open || !next.IsZero() {
		t.Errorf("the 30th of February: %v, %v", open, next)
	}
	if open, _ := Open(nil, time.Time{}); !open {
		t.Error("without windows it is closed")
	}
}

// Against the plainest of models: a window is open if, at some minute not longer ago than it stays open, the clock on the wall
// showed what the fields say. The minutes that a clock shows twice, or not at all, have tests of their own.
func TestOpenAgainstModel(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata"}
	rapid.Check(t, func(t *rapid.T) {
		minute, hour := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(4, 23).Draw(t, "hour")
		day := rapid.IntRange(0, 6).Draw(t, "weekday")
		open := time.Duration(rapid.IntRange(1, 3000).Draw(t, "minutes")) * time.Minute
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		w, err := ParseWindow(time.Date(2026, 1, 1, hour, minute, 0, 0, time.UTC).Format("4 15") + " * * " + string(rune('0'+day)) + " " + open.String() + " " + zone.String())
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "moment"), 0))
		now := time.Date(2026, 1, 1, 0, 0, random.IntN(365*24*3600), 0, time.UTC)
		want := false
		for m := now.Truncate(time.Minute); now.Sub(m) < open; m = m.Add(-time.Minute) {
			l := m.In(zone)
			want = want || l.Minute() == minute && l.Hour() == hour && int(l.Weekday()) == day
		}
		if got := w.Open(now); got != want {
			t.Fatalf("%s at %v: open is %v", w, now, got)
		}
		if isOpen, next := Open([]Window{w}, now); !isOpen && (!next.After(now) || !w.Open(next) || w.Open(next.Add(-time.Second))) {
			t.Fatalf("%s at %v: opens next at %v", w, now, next)
		}
	})
}

func FuzzParseWindow(f *testing.F) {
	f.Add("*/5 22-23,0 1 1-6 1#2 8h Europe/Berlin")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWindow(text)
		if err != nil {
			return
		}
		if again, err := ParseWindow(w.String()); err != nil || again.String() != w.String() {
			t.Fatalf("%q reads as %q, and that not as itself: %v", text, w, err)
		}
		_, _ = Open([]Window{w}, time.Unix(1.8e9, 0))
	})
}

// A month's use ends with the month, and with no clock that goes back.
func TestUsed(t *testing.T) {
	var u Used
	for _, c := range []struct {
		at    string
		bytes int64
		want  Used
	}{
		{"1970-01-01T00:00:05Z", 10, Used{"1970-01", 10}},
		{"2026-11-27T00:00:00Z", 100, Used{"2026-11", 100}},
		{"2026-11-30T23:59:59Z", 100, Used{"2026-11", 200}},
		{"2026-12-01T00:59:59+01:00", 5, Used{"2026-11", 205}},
		{"2026-01-05T00:00:00Z", 5, Used{"2026-11", 210}},
		{"1970-01-01T00:00:00Z", 5, Used{"2026-11", 215}},
		{"2026-11-30T00:00:00Z", -5, Used{"2026-11", 215}},
		{"2026-12-01T00:00:00Z", 7, Used{"2026-12", 7}},
		{"2027-01-01T00:00:00Z", 0, Used{"2027-01", 0}},
	} {
		if u = u.Add(at(t, c.at), c.bytes); u != c.want {
			t.Fatalf("at %s: %+v", c.at, u)
		}
	}
	if !u.Ends().Equal(at(t, "2027-02-01T00:00:00Z")) || !(Used{}).Ends().IsZero() || (Used{}).Valid() || !u.Valid() {
		t.Errorf("%+v ends at %v", u, u.Ends())
	}
	ahead := Used{"2099-01", 7}
	if got := ahead.Begun(at(t, "2026-11-30T23:59:59Z")); got != (Used{"2026-11", 7}) || ahead.Begun(at(t, "2099-02-01T00:00:00Z")) != ahead {
		t.Errorf("a month that has not begun: %+v", got)
	}
	if u.Bytes = 50; !u.Left(0) || !u.Left(51) || u.Left(50) {
		t.Error("a cap of as much as was used lasts, or another does not")
	}
}
