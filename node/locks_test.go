package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"selvage/node/api"
	"selvage/node/locks"
)

// TestLocksOfASite: a mate's client and the leader's take one lock from one another, by what the API says, and all list it.
func TestLocksOfASite(t *testing.T) {
	t.Parallel()
	f := found(t)
	mate := f.join("a", "a2")
	ask := func(n *Node, do string, claim int) (api.LockAnswer, error) {
		return n.AskLock(t.Context(), api.LockAsk{Do: do, Name: "db", Claim: fmt.Sprintf("%032x", claim)})
	}
	if _, err := ask(mate.Node, api.LockTake, 1); err == nil || !strings.Contains(err.Error(), "nobody leads the site") {
		t.Errorf("without a leader: %v", err)
	}
	var held api.LockAnswer
	eventually(t, "the mate's client has the lock", func() bool {
		var err error
		held, err = ask(mate.Node, api.LockTake, 1)
		return err == nil && held.State == api.LockHeld
	})
	if held.Token == 0 || held.ForSeconds <= 0 || held.ForSeconds > 9 {
		t.Errorf("%+v", held)
	}
	if got, err := ask(f.founder.Node, api.LockTake, 2); err != nil || got.State != api.LockWaiting || got.Ahead != 1 || got.Holder != mate.home.Name {
		t.Errorf("the leader's client: %+v, %v", got, err)
	}
	for _, n := range []*Node{f.founder.Node, mate.Node} {
		all, err := n.Locks(t.Context())
		if err != nil || len(all) != 1 || all[0].Lock != "db" || all[0].Token != held.Token || all[0].Waiting != 1 || all[0].Node != mate.home.Node {
			t.Errorf("%s lists %+v, %v", n.home.Name, all, err)
		}
	}
	if got, err := ask(mate.Node, api.LockRelease, 1); err != nil || got.State != api.LockReleased {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ask(f.founder.Node, api.LockTake, 2); err != nil || got.State != api.LockHeld || got.Token <= held.Token {
		t.Errorf("the next: %+v after %d, %v", got, held.Token, err)
	}
	if got, err := ask(mate.Node, api.LockKeep, 1); err != nil || got.State != api.LockLost {
		t.Errorf("who has it no more: %+v, %v", got, err)
	}
}

func TestWhatIsNoLock(t *testing.T) {
	f := found(t)
	claim := strings.Repeat("0", 32)
	for want, ask := range map[string]api.LockAsk{
		"nothing to do":   {Do: "steal", Name: "db", Claim: claim},
		"is not a name":   {Do: api.LockTake, Name: "D B", Claim: claim},
		"is not 16 bytes": {Do: api.LockTake, Name: "db", Claim: "00"},
	} {
		if _, err := f.founder.AskLock(t.Context(), ask); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}

// TestListWithoutEnd: a leader that lists more locks than there can be is not listened to for ever.
func TestListWithoutEnd(t *testing.T) {
	told := 0
	all, err := gather(func(string) (page []locks.Lock, err error) {
		for range locks.MaxList {
			told++
			page = append(page, locks.Lock{Name: fmt.Sprintf("l%09d", told)})
		}
		if told > 100*1024 {
			err = errors.New("it would not have ended")
		}
		return page, err
	})
	if err == nil || !strings.Contains(err.Error(), "more locks than there can be") {
		t.Errorf("%d locks, %v", len(all), err)
	}
}
