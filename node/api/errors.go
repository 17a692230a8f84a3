package api

import (
	"errors"
	"net/http"
)

// Error is a failure with a word for what the person may do about it.
type Error struct {
	Code int    `json:"code"` // an HTTP status
	Text string `json:"error"`
	Hint string `json:"hint,omitempty"`
}

func (e *Error) Error() string { return e.Text }

// Refuse returns an error for a request that is wrong in itself.
func Refuse(err error, hint string) error {
	return &Error{Code: http.StatusBadRequest, Text: err.Error(), Hint: hint}
}

// NotFound returns an error for a thing that the node does not know.
func NotFound(text, hint string) error {
	return &Error{Code: http.StatusNotFound, Text: text, Hint: hint}
}

// IsUnavailable reports whether err says that what should answer is not there now.
func IsUnavailable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == http.StatusServiceUnavailable
}

// IsNotFound reports whether err says that the node does not know the thing.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == http.StatusNotFound
}

// asError gives err an HTTP status; an error that has none is the node's own failure.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: http.StatusInternalServerError, Text: err.Error()}
}
