package node

import (
	"context"
	"fmt"
	"net"
)

// dialOutside connects to what is no node, over the uplink.
func (n *Node) dialOutside(ctx context.Context, network, address string) (net.Conn, error) {
	return n.mesh.Outside(ctx, func(ctx context.Context) (net.Conn, error) { return n.cfg.Dial(ctx, network, address) })
}

// mirrorFailed tells people of a mirror that does not give what it should. That the uplink is held is not its fault.
func (n *Node) mirrorFailed(name, reason string) {
	if !n.uplinkSettings().UplinkHeld {
		n.alert(fmt.Sprintf("mirror %s: %s", name, reason))
	}
}
