// Package console is what a virtual machine prints and who reads it: bounded
// memory, any number of readers, none of which can hold the guest up.
//
// It starts no machine; that is vm's.
//
// # The socket
//
// The process that owns a machine serves its console on the unix socket
// console.sock beside the machine's other files (Listen, Server); everybody who
// looks is a Client. Both directions are frames: one byte that says what it is,
// the length of the payload as four bytes, big-endian, at most MaxFrame, and the
// payload. Numbers in payloads are big-endian too, JSON is UTF-8.
//
//	client → server
//	H  hello    {"v":1,"name":…,"user":…,"from":N}   must be the first
//	I  input    bytes to type, in one piece; at most Window not yet taken. None: who
//	            sends it has the keyboard now (ViewersEvent)
//	R  request  {"id":N,"op":…,"args":…}
//	C  cancel   {"id":N}: the client no longer waits for the reply
//	server → client
//	h  welcome  {"v":1,"id":N,"start":N,"end":N}     answers hello
//	o  output   8 bytes offset of the first byte since power-on, then the bytes
//	s  skipped  8 bytes: how many bytes of output this viewer was too slow for
//	a  taken    8 bytes: how much input was taken, then why it was lost, if it was
//	r  reply    {"id":N,"result":…} or {"id":N,"error":…}
//	e  event    JSON
//	d  dropped  8 bytes: how many events this viewer was too slow for
//	z  end      JSON: how the machine ended, or null; nothing comes after it
//
// A frame of a kind that the reader does not know is ignored; a malformed one
// ends the connection that it came on, and no other. "from" is an offset since
// power-on, or -N for the last N bytes.
//
// Each viewer has its own place in the ring of output, so one that does not read
// (slow, stopped, dead) costs its own socket buffer and no more. Input is taken
// by turns, a frame of each viewer at a time, and apart from requests: a guest
// that reads nothing holds up those who type, not those who press reset.
package console
