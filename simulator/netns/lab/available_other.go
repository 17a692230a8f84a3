//go:build !linux

package lab

// Available returns what keeps this process from having labs with all kinds of links; nil if nothing does.
func Available() error {
	return &Unable{What: "make network namespaces", Lacks: "this is not Linux"}
}
