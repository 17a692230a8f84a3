package lab

// Unable is what this machine, or the lab, cannot do.
type Unable struct {
	What  string // that was to be done
	Lacks string // why it cannot
	Hint  string // what may help; "" if nothing does
}

func (u *Unable) Error() string { return "cannot " + u.What + ": " + u.Lacks }
