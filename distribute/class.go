package distribute

import (
	"fmt"

	"selvage/internal/mutant"
)

// Class is how a fetch stands beside others, where they have a link in common: what is of a lower class gives way. Classes are
// about blobs alone; what nodes say to each other waits for none.
type Class uint8

const (
	Later  Class = iota // is wanted at a later time
	Normal              // is wanted now
	Urgent              // is wanted before all else
)

const classes = 3

// String is the class's name.
func (c Class) String() string {
	switch c {
	case Later:
		return "later"
	case Normal:
		return "normal"
	case Urgent:
		return "urgent"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// yields reports whether what is of the class waits while something of another goes.
func (c Class) yields(to Class) bool {
	switch {
	case c == Later && mutant.On(mutant.LaterPushesIn):
		return false
	case to == Urgent && mutant.On(mutant.UrgentWaits):
		to = Normal
	}
	return c < to
}

// crowd counts those who want a blob, by class.
type crowd [classes]int

func (c *crowd) size() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// class is the highest that anybody wants the blob at; Later if nobody does.
func (c *crowd) class() Class {
	for k := classes - 1; k > 0; k-- {
		if c[k] > 0 {
			return Class(k)
		}
	}
	return Later
}
