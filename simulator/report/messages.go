package report

import (
	"slices"
	"strings"
	"time"

	"selvage/simulator"
)

// What is drawn of messages, at most.
const (
	maxMessageRows  = 250
	maxMessageLanes = 14 // the nodes that sent and got most
	rowHeight       = 18
)

// messages is who sent what to whom while the window was open.
type messages struct {
	Asked   bool
	Window  string
	Lanes   []messageLane
	Rows    []message
	Height  int
	Head    int           // the height of the lanes' names
	Total   int           // messages
	Lost    int           // events of the window that were not kept, messages most of them
	LeftOut int           // of them: there were too many
	Others  int           // of them: of nodes that have no lane
	Until   time.Duration // the last that is drawn
}

// hop is a piece of the way from the sender to those who get the message: each ends at one of them.
type hop struct{ From, To string }

type messageLane struct{ X, Name string }

// message is what a node sent at one moment, to one node or several.
type message struct {
	At          string // "" if it is that of the one before
	Y           int
	FromX       string
	Hops        []hop
	Class       string
	What, Bytes string
	Text, Title string

	at    time.Duration
	from  string
	peers []string
	bytes int64
}

func newMessages(rec simulator.Record, r simulator.Result) messages {
	out := messages{Lost: r.DebugLeftOut, Asked: rec.Window.To > 0, Window: moment(rec.Window.From) + ".." + moment(rec.Window.To)}
	if !out.Asked {
		return out
	}
	known, places := map[string]bool{}, map[string]string{} // by place, and by name
	for _, l := range rec.Lives {
		known[l.Place], places[l.Name] = true, l.Place
	}
	var all []message
	weight := map[string]int{}
	for _, e := range r.Events {
		if e.Level != "debug" || e.Peer == "" || !known[e.On] {
			continue
		}
		peer := places[e.Peer]
		out.Total++
		weight[e.On]++
		weight[peer]++
		m := message{at: e.At, from: e.On, peers: []string{peer}, bytes: e.Bytes, What: e.What, Text: clip(e.Text, 120)}
		if k := slices.IndexFunc(tail(all, 40), m.goesWith); k >= 0 {
			t := tail(all, 40)
			t[k].peers = append(t[k].peers, peer)
			continue
		}
		all = append(all, m)
	}
	out.draw(all, laneNames(rec, weight))
	return out
}

// arrowClasses are the rooms whose messages have a look of their own, and the others.
func arrowClasses() []string { return []string{"mesh", "gossip", "distribute", "node"} }

func tail[V any](s []V, n int) []V { return s[max(0, len(s)-n):] }

// goesWith reports whether m, to one node, is the same message as o, to others.
func (m message) goesWith(o message) bool {
	return !slices.Contains(o.peers, m.peers[0]) && m.at == o.at && m.from == o.from && m.What == o.What && m.Text == o.Text && m.bytes == o.bytes
}

// laneNames are the nodes that have a lane, in the order of the fleet.
func laneNames(rec simulator.Record, weight map[string]int) []string {
	var all []string
	for _, l := range rec.Lives {
		if weight[l.Place] > 0 {
			all = append(all, l.Place)
		}
	}
	if len(all) <= maxMessageLanes {
		return all
	}
	busy := slices.Clone(all)
	slices.SortStableFunc(busy, func(a, b string) int { return weight[b] - weight[a] })
	busy = busy[:maxMessageLanes]
	return slices.DeleteFunc(all, func(n string) bool { return !slices.Contains(busy, n) })
}

func (ms *messages) draw(all []message, lanes []string) {
	lane := map[string]int{}
	longest := 0
	for i, name := range lanes {
		lane[name] = i
		ms.Lanes = append(ms.Lanes, messageLane{laneX(i, len(lanes)), clip(name, maxLaneName)})
		longest = max(longest, len(clip(name, maxLaneName)))
	}
	ms.Head = 24 + longest*4 // they are turned
	last := time.Duration(-1)
	for _, m := range all {
		var to []int
		for _, p := range m.peers {
			if i, ok := lane[p]; ok && p != m.from {
				to = append(to, i)
			}
		}
		from, ok := lane[m.from]
		switch {
		case !ok || len(to) == 0:
			ms.Others += len(m.peers)
			continue
		case len(ms.Rows) == maxMessageRows:
			ms.LeftOut += len(m.peers)
			continue
		}
		ms.Others += len(m.peers) - len(to)
		m.FromX, m.Hops, m.Y = laneX(from, len(lanes)), hops(from, to, len(lanes)), len(ms.Rows)*rowHeight+rowHeight/2
		m.dress(m.at != last)
		last, ms.Until = m.at, m.at
		ms.Rows = append(ms.Rows, m)
	}
	ms.Height = len(ms.Rows) * rowHeight
}

// maxLaneName bounds the name over a lane, in bytes.
const maxLaneName = 24

func laneX(i, of int) string { return percent((float64(i) + 0.5) / float64(of)) }

// hops go out from the sender to both sides, from one receiver to the next.
func hops(from int, to []int, lanes int) []hop {
	slices.Sort(to)
	var out []hop
	at := from
	for _, i := range to {
		if i > from {
			out = append(out, hop{laneX(at, lanes), laneX(i, lanes)})
			at = i
		}
	}
	at = from
	for _, i := range slices.Backward(to) {
		if i < from {
			out = append(out, hop{laneX(at, lanes), laneX(i, lanes)})
			at = i
		}
	}
	return out
}

// dress fills in what is written and how it looks.
func (m *message) dress(showTime bool) {
	m.Class, _, _ = strings.Cut(m.What, ":")
	if !slices.Contains(arrowClasses(), m.Class) {
		m.Class = "node"
	}
	if m.bytes > 0 {
		m.Bytes = bytesText(m.bytes)
	}
	at := m.at.Round(time.Microsecond).String()
	if showTime {
		m.At = at
	}
	m.Title = clip(at+"  "+m.from+" → "+strings.Join(m.peers, " ")+"\n"+m.What+" "+m.Bytes+"\n"+m.Text, 300)
}

// HeadY is where the names begin, at their lower ends.
func (ms messages) HeadY() int { return ms.Head - 4 }
