package distribute

// Fetching reports whether a blob is being fetched.
func (s *Swarm) Fetching(d Digest) bool { return s.task(d) != nil }
