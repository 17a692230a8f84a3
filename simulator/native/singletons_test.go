package native

import (
	"testing"
	"testing/synctest"
)

// TestWhoWakesGoesOn: what goes on on a machine that slept is held against what others have begun meanwhile.
func TestWhoWakesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(fleet(t, 1, 2))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		a, b := w.machines[0], w.machines[1]
		for _, ends := range []bool{true, false} {
			x := &exclusive{again: true}
			first := x.begin(a, "till", 1)
			a.stillness.sleeps(1)
			second := x.begin(b, "till", 2)
			if got := x.said(); got != "" {
				t.Errorf("while it sleeps: %s", got)
			}
			a.stillness.sleeps(-1)
			if ends {
				first()
			}
			if got := x.said(); (got == "") != ends {
				t.Errorf("when it woke, and ended %v: %q", ends, got)
			}
			second()
		}
	})
}

// TestWhoIsNoPartOfTheNodeWakes: when a machine wakes whose node is stopped, what is no part of that goes on.
func TestWhoIsNoPartOfTheNodeWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stillness
		s.going = make(chan struct{}) // the node is stopped
		s.sleeps(1)
		woke := false
		go func() {
			s.rest()
			woke = true
		}()
		synctest.Wait()
		if woke {
			t.Error("it does not sleep")
		}
		s.sleeps(-1)
		synctest.Wait()
		if !woke {
			t.Error("it stands still when the machine has woken")
		}
	})
}
