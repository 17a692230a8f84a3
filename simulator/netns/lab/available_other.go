//go:build !linux

package lab

// Available returns what keeps this process from having labs; nil if nothing does.
func Available() error {
	return &Unable{What: "make network namespaces", Lacks: "this is not Linux"}
}
