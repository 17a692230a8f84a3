//go:build mutants

package mutant

import (
	"fmt"
	"os"
	"sync"
)

// chosen is what SELVAGE_MUTANT says; "" is none. A name that no mutant has would look like one that nothing finds.
var chosen = sync.OnceValue(func() Name {
	n := Name(os.Getenv("SELVAGE_MUTANT"))
	if n != "" && !known(n) {
		panic(fmt.Sprintf("mutant: SELVAGE_MUTANT=%s names none", n))
	}
	return n
})

// On reports whether the mutant is on. It is safe for concurrent use.
func On(n Name) bool { return chosen() == n }
