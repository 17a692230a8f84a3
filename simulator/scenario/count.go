package scenario

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// multiply writes out each site that has a count: as many, alike but for the number after the name. A count
// that is none stays, for the reader to say so.
func multiply(root *yaml.Node) {
	sites := child(root, "sites")
	if sites == nil || sites.Kind != yaml.SequenceNode {
		return
	}
	var all []*yaml.Node
	for _, site := range sites.Content {
		n, err := strconv.Atoi(valueOf(site, "count"))
		if err != nil || n < 1 || n > MaxSites || valueOf(site, "name") == "" {
			all = append(all, site)
			continue
		}
		for i := range min(n, MaxSites+1-min(len(all), MaxSites)) { // one too many is enough to be refused
			all = append(all, numbered(site, i))
		}
	}
	sites.Content = all
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
