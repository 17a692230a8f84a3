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
//	  run: {args: [], env: {}, port: 0, timeout: 10s, resources: {memory: 128Mi}}
//	  health: {http: {port: 8080, path: /healthz}, minHealthyTime: 10s, deadline: 2m}
//	  strategy: {steps: [{percent: 100}], maxUnavailable: 1}   # of a site at once; 0, or nothing: all
//
// The package does no I/O.
package manifest
