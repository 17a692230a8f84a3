package distribute

import (
	"testing"

	"pgregory.net/rapid"
)

// What is of a class gives way to every higher one, and to no other: so no two ever wait for each other.
func TestClassesYield(t *testing.T) {
	order := []Class{Later, Normal, Urgent}
	for i, c := range order {
		for k, to := range order {
			if got := c.yields(to); got != (i < k) {
				t.Errorf("%v gives way to %v: %v", c, to, got)
			}
		}
	}
	if len(order) != classes {
		t.Errorf("%d classes; want %d", classes, len(order))
	}
}

// A blob is of the highest class of those who want it, whoever comes and goes.
func TestCrowd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c crowd
		var model []Class
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if len(model) > 0 && rapid.Bool().Draw(t, "leaves") {
				at := rapid.IntRange(0, len(model)-1).Draw(t, "who")
				c[model[at]]--
				model = append(model[:at], model[at+1:]...)
			} else {
				class := Class(rapid.IntRange(0, classes-1).Draw(t, "class"))
				c[class]++
				model = append(model, class)
			}
			highest := Later
			for _, class := range model {
				highest = max(highest, class)
			}
			if c.class() != highest || c.size() != len(model) {
				t.Fatalf("%v is of class %v, size %d; want %v of %v", c, c.class(), c.size(), highest, model)
			}
		}
	})
}

// What a message wants is read as it was written, and nothing else wants anything.
func TestWants(t *testing.T) {
	for kind := range byte(20) {
		class, wanted := message{kind: kind}.wanted()
		if want := kind == msgWant || kind == msgLater || kind == msgUrgent; wanted != want || wanted && wants[class] != kind {
			t.Errorf("kind %d: class %v, %v", kind, class, wanted)
		}
	}
}
