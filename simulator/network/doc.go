// Package network is a virtual packet network for many nodes in one process.
package network
