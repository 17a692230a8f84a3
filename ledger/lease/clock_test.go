package lease

import (
	"testing"
	"time"
)

// TestAnswersMayOvertake: two answers to one question, which come in the other order than they were given, say nothing
// against a clock; a clock that was set back further than that explains does.
func TestAnswersMayOvertake(t *testing.T) {
	set := Defaults()
	seen := func(theirs, lo, hi time.Duration) sighting {
		return sighting{theirs: theirs * time.Millisecond, lo: lo * time.Millisecond, hi: hi * time.Millisecond}
	}
	first := seen(10_913, 10_504, 10_808)
	for theirs, want := range map[time.Duration]bool{10_698: false, 10_913: false, 10_500: true, 11_400: true} {
		if got := set.wrong(first, seen(theirs, 10_504, 10_888)); got != want {
			t.Errorf("after 10,913 ms it showed %v ms: wrong %v, want %v", int64(theirs), got, want)
		}
	}
}
