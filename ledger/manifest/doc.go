// Package manifest reads and checks deployment manifests: the YAML that an operator writes, and
// the spec inside a signed deployment statement, which is the same thing as JSON.
//
// Reading is strict. A field that the format does not have, a value of the wrong type, a name
// out of bounds: each is an error that gives the file, the line and the field, and nothing is
// guessed. What is not said gets the default that Defaulted documents.
//
//	apiVersion: selvage/v1
//	kind: Deployment
//	metadata: {name: checkout}
//	spec:
//	  release: checkout@1.4.0                    # the release to run
//	  selector: {matchLabels: {tier: pos}}       # which nodes; none means all
//	  singleton: false                           # true: in each site on the node that leads it, and on no other
//	  priority: normal                           # urgent: its blobs come before all others
//	  notBefore: 2026-12-01T02:00:00Z            # when nodes may change to it at the earliest; they fetch it ahead
//	  windows: ["0 22 * * 1-5 8h Europe/Berlin"] # and when they may begin to; none, or nothing: at any time
//	  run: {args: [], env: {}, port: 0, timeout: 10s, resources: {memory: 128Mi}}
//	  health: {http: {port: 8080, path: /healthz}, minHealthyTime: 10s, deadline: 2m}
//	  strategy: {steps: [{percent: 100}], maxUnavailable: 1}   # of a site at once; 0, or nothing: all
//
// The package does no I/O.
package manifest
