// Package httpmirror reads blobs from any HTTP server of an OCI image layout, as a distribute.Mirror.
//
// A mirror at URL has a blob at URL/blobs/sha256/<hex>, and may have its chunk list at URL/dag/<hex>, as 'cp -r' of a node's store directory makes it; any
// other OCI image layout will do, without the lists. A part is asked for
// with a Range (RFC 9110, 14): one range, as bytes. What answers with something else than that range of a blob of
// that size, as it is (no Content-Encoding), is refused before its body is read. Nothing is believed of the bytes themselves: whoever reads
// them checks them.
//
// # Bounds
//
//	headers of an answer  maxHeaders bytes
//	redirects             maxRedirects; never from https to http
//	connections           maxConns at a time
//	waiting for headers   headerTime, from when the request was sent
//	the body              as many bytes as were asked for; one more is an error; of a list, as many as it can have
//
// No proxy, no cookies, no credentials.
package httpmirror
