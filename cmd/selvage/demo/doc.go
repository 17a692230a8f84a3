// Package demo tells the whole story of Selvage on one machine in about a minute: three sites of
// three nodes, each node a process of its own with its own state directory, over loopback, every
// site's uplink held to 8 Mbit/s by the nodes' own limiters.
//
// It drives the command line as a person would, and believes nothing: every claim that it prints
// was checked, over HTTP with the workloads themselves or with the nodes, and one that does not
// hold ends the demo with an error.
package demo
