package home

import (
	"errors"
	"fmt"
	"io/fs"
)

const (
	pins = "pins.json"
	// MaxPins bounds what is pinned.
	MaxPins = 1024
)

// Pins returns what was last saved; none if nothing was.
func (h *Home) Pins() ([]string, error) {
	var all []string
	err := readJSON(h.fs, pins, &all)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && len(all) > MaxPins:
		err = fmt.Errorf("read %s: it is damaged: %d pins", pins, len(all))
	}
	return all, err
}

// SavePins replaces the pins.
func (h *Home) SavePins(all []string) error { return writeJSON(h.fs, pins, all) }
