package distribute

// follow has f told of what comes from now on. If the chunk list is known, it is told of that at once.
func (t *task) follow(f func(chunks []int)) {
	t.mu.Lock()
	t.followers = append(t.followers, f)
	planned := t.plan != nil
	t.mu.Unlock()
	if planned {
		f(nil)
	}
}

// came tells those who follow of chunks that came; nil is the chunk list.
func (t *task) came(chunks []int) {
	t.mu.Lock()
	followers := t.followers
	t.mu.Unlock()
	for _, f := range followers {
		f(chunks)
	}
}
