package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// multiply writes out each site that has a count: as many, alike but for the number after the name. A count
// that is none stays, for the reader to say so. It returns which item of the file each site is.
func multiply(root *yaml.Node) (items []int) {
	sites := child(root, "sites")
	if sites == nil || sites.Kind != yaml.SequenceNode {
		return nil
	}
	var all []*yaml.Node
	for item, site := range sites.Content {
		n, err := strconv.Atoi(valueOf(site, "count"))
		if err != nil || n < 1 || n > MaxSites || valueOf(site, "name") == "" {
			all, items = append(all, site), append(items, item)
			continue
		}
		for i := range min(n, MaxSites+1-min(len(all), MaxSites)) { // one too many is enough to be refused
			all, items = append(all, numbered(site, i)), append(items, item)
		}
	}
	sites.Content = all
	return items
}

// asWritten has problems speak of the items of the file, and tells what is wrong with a field of one once, not for each of the
// sites that it stands for.
func asWritten(found []Problem, items []int) []Problem {
	first := map[string]int{} // by field: in which of the sites it was wrong first
	var out []Problem
	for _, p := range found {
		site := -1
		_, _ = fmt.Sscanf(p.Field, "sites[%d]", &site) // other fields stay as they are
		if site >= 0 && site < len(items) {
			item := itemOf(p.Field)
			p.Field = fmt.Sprintf("sites[%d]", items[site]) + strings.TrimPrefix(p.Field, item)
			if other, told := first[p.Field]; told && other != site {
				continue
			}
			first[p.Field] = site
		}
		out = append(out, p)
	}
	return out
}

// valueOf returns a field of a mapping, if that is there and no list or mapping.
func valueOf(n *yaml.Node, field string) string {
	if v := child(n, field); v != nil && n.Kind == yaml.MappingNode {
		return v.Value
	}
	return ""
}

// numbered is a site with a number after its name, and no count.
func numbered(site *yaml.Node, i int) *yaml.Node {
	out := *site
	out.Content = nil
	for at := 0; at+1 < len(site.Content); at += 2 {
		key, value := site.Content[at], site.Content[at+1]
		switch key.Value {
		case "count":
			continue
		case "name":
			named := *value
			named.Value += strconv.Itoa(i)
			value = &named
		}
		out.Content = append(out.Content, key, value)
	}
	return &out
}
