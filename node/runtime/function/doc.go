// Package function runs WASM modules that answer HTTP requests.
//
// A module is a WASI preview 1 command: it exports _start and imports nothing but
// wasi_snapshot_preview1. It is compiled once, when it is started, and instantiated for each
// request, so no request sees another's memory. A request goes in and a response comes out by
// the conventions of CGI/1.1 (RFC 3875):
//
//	environment   the workload's variables, then REQUEST_METHOD, PATH_INFO, QUERY_STRING,
//	              CONTENT_TYPE, CONTENT_LENGTH, REMOTE_ADDR, HTTP_<HEADER>, ... and
//	              SELVAGE_RELEASE, SELVAGE_NODE, SELVAGE_SITE, and of a singleton SELVAGE_EPOCH
//	arguments     the release's name, then the workload's
//	stdin         the request's body
//	stdout        header lines, a blank line, the body; "Status: 404 Not Found" sets the
//	              status, and Location without Status means 302
//	stderr        goes to the node's log, the first KiB of a request's and at most a few lines a second
//
// It departs from the RFC in that a Location with a path alone is sent to the client, not
// followed here, and in that the module gets no SCRIPT_NAME but the whole path as PATH_INFO.
//
// A module sees no files, no sockets and none of the node's environment. It has a clock, random
// bytes, and may sleep. Its bounds, and what happens at them:
//
//	memory            Workload.Memory, or 64 MiB: growing beyond it fails inside the module;
//	                  a module that asks for more from the start is refused by Start
//	time              Workload.Timeout, or 10 s, from the request's last byte: 504, and the
//	                  instance is closed wherever it is
//	request body      1 MiB: 413
//	response          4 MiB: 502
//	running at once   Concurrency, or 8; as many as 64 more requests wait: 503 beyond
//	connections       256: more wait to be accepted
//	module            64 MiB of WASM: refused by Start
//
// A trap, an exit code other than 0 or a malformed response is a 502. The reason goes to the
// log and to Status.LastError, at most once a second, never to the client.
//
// Another release, or other settings, of a deployment take over in place: on the same port the
// listener stays open, requests in progress finish in the old module, new ones go to the new.
//
// A singleton (a workload with a Lease) lets nobody in when Term.Run is over, and ends within 2 s. A function reaches the world by
// its answer alone; so the lease is looked at before a request runs, and again before its answer is sent, which is 503
// if it is over. That holds for a node that stood still in between, too: what runs in it stands still with it.
// SELVAGE_EPOCH is the token at the time of the request.
//
// Where wazero has a compiler for the platform (amd64, arm64) modules become machine code,
// which is kept in the slot on disk, with a sum over it (file "sum"), so that the next start is quick; elsewhere they are
// interpreted.
package function
